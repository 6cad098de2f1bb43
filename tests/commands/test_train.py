"""What ``sweetspot train`` makes of a configuration, and when several runs stop."""

from pathlib import Path

import pytest

from pipeline.commands import train
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweep import Run, run_each
from pipeline.core.errors import AGAIN_STATUS


def test_it_trains_the_network_that_is_named_and_nothing_that_a_sweep_begins_with(monkeypatch):
    asked = []

    def run_sweep(config, view):
        asked.append(config)
        return Run(status=3, folder=Path())

    monkeypatch.setattr(train, "run_sweep", run_sweep)
    monkeypatch.setattr("pipeline.reporting.trial_page.show_trial", lambda folder, number: None)
    words = ("experiment=mnist_998", "architecture=32k3-d64", "warm_start=lesson")
    assert train._train(compose(CommandLine(command="train", overrides=words))) == 3
    (config,) = asked
    assert config.architecture == "32k3-d64"
    assert (config.search.first, config.warm_start, config.search.trials) == ((), None, 1)
    assert not config.references and config.finalists.limit == 0


@pytest.mark.parametrize(("status", "runs"), [(0, 3), (1, 3), (AGAIN_STATUS, 1), (130, 1)])
def test_who_is_told_to_leave_begins_no_other_sweep(status, runs):
    begun = []

    def run_one(config):
        begun.append(config)
        return status

    config = compose(CommandLine(command="sweep", overrides=("data=digits",)))
    assert run_each([config] * 3, run_one) == status
    assert len(begun) == runs
