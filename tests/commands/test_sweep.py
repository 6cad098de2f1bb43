import json
from types import SimpleNamespace

import pytest

from pipeline.commands import train
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweep import Run, run_each, run_sweep
from pipeline.core.errors import AGAIN_STATUS, StorageError
from pipeline.search.storage import StorageLost


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


@pytest.fixture
def telling(tmp_path, monkeypatch):
    """Return a function that composes a sweep whose end is told to a file, and that file."""
    monkeypatch.setattr("pipeline.launching.calibrating.settle", lambda *_: None)
    told = tmp_path / "told"

    def composed(*words):
        words = ("data=digits", "training.precision=float32", f"mlruns={tmp_path}", *words)
        config = compose(CommandLine(command="sweep", overrides=words))
        notify = config.notify.model_copy(update={"command": ("/bin/sh", "-c", f"cat > {told}")})
        return config.model_copy(update={"notify": notify})

    return composed, told


@pytest.mark.parametrize(("patient", "said"), [(True, "away"), (False, "asked again")])
@pytest.mark.parametrize("launch", ["local", "peer"])
def test_a_schedulers_run_waits_for_its_storage_and_a_persons_does_not(
    telling, monkeypatch, launch, patient, said
):
    composed, told = telling
    answers = iter([StorageLost("away"), StorageError("asked again")])

    def opened(url):
        raise next(answers)

    monkeypatch.setattr("pipeline.search.postgres._open", opened)
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", "postgresql://me@nowhere/sweeps")
    config = composed(f"launch={launch}", "storage=postgres")
    with pytest.raises(StorageError, match=said):
        run_sweep(config, SimpleNamespace(note=print, update=print), patient=patient)
    assert json.loads(told.read_text())["status"] == 2
