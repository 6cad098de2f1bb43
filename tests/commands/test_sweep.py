from types import SimpleNamespace

import pytest

from pipeline.commands import train
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweep import Run, run_each, run_sweep
from pipeline.core.errors import AGAIN_STATUS


@pytest.mark.parametrize("status", [AGAIN_STATUS, 130])
def test_a_peer_that_is_told_to_leave_before_anything_has_ended_has_nothing_to_show(
    tmp_path, monkeypatch, status
):
    class Told:
        ended = False

        def __init__(self, **_):
            pass

        def run(self):
            return status

    monkeypatch.setattr("pipeline.launching.peers.Peer", Told)
    monkeypatch.setattr("pipeline.launching.calibrating.settle", lambda *_: None)
    words = ("data=digits", "launch=peer", f"mlruns={tmp_path}")
    view = SimpleNamespace(note=print, update=print)
    config = compose(CommandLine(command="sweep", overrides=words))
    run = run_sweep(config, view)
    assert run.status == status and not run.has_result
    assert run_each([config], lambda _: run.status) == status


def test_a_network_whose_training_has_not_ended_is_not_shown(tmp_path, monkeypatch):
    run = Run(status=AGAIN_STATUS, folder=tmp_path, has_result=False)
    monkeypatch.setattr(train, "run_sweep", lambda *_: run)
    words = ("data=digits", "launch=peer", f"mlruns={tmp_path}")
    assert train._train(compose(CommandLine(command="train", overrides=words))) == AGAIN_STATUS
