"""What ``sweetspot train`` makes of a configuration, and when several runs stop."""

from pathlib import Path

import pytest

from pipeline.commands import train
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweep import Run, run_each
from pipeline.core.errors import AGAIN_STATUS, ConfigurationError


def composed_for_train(*words, multirun=False):
    return train._composed(CommandLine(command="train", overrides=words, multirun=multirun))


def test_it_trains_the_network_that_is_named_and_nothing_that_a_sweep_begins_with(monkeypatch):
    asked = []

    def run_sweep(config, view):
        asked.append(config)
        return Run(status=3, folder=Path())

    monkeypatch.setattr(train, "run_sweep", run_sweep)
    monkeypatch.setattr("pipeline.reporting.trial_page.show_trial", lambda folder, number: None)
    (composed,) = composed_for_train("experiment=mnist_998", "architecture=32k3-d64")
    assert train._train(composed.model_copy(update={"warm_start": "lesson"})) == 3
    (config,) = asked
    assert config.architecture == "32k3-d64"
    assert (config.search.first, config.warm_start, config.search.trials) == ((), None, 1)
    assert not config.references and config.finalists.limit == 0


@pytest.mark.parametrize(
    "setting",
    ["search.trials=2", "search.first=[64k3-d128]", "launch.workers=2", "finalists=all",
     "finalists.seeds=3", "warm_start=lesson", "++search.trials=5"],
)  # fmt: skip
def test_what_is_a_sweeps_is_refused(setting):
    with pytest.raises(ConfigurationError) as refused:
        composed_for_train("data=digits", setting)
    name = setting.lstrip("+").partition("=")[0]
    assert str(refused.value).startswith(f"{name} is for sweep; train trains one network")


def test_what_train_does_may_be_said_and_conf_may_say_more():
    words = ("search.trials=1", "launch.workers=1", "finalists=off", "search=random", "debug=tiny")
    (config,) = composed_for_train(*words)
    assert (config.search.trials, config.references) == (1, False)


def test_several_networks_have_names_of_their_own():
    several = ("architecture=d16,d32", "data=digits")
    assert len(composed_for_train(*several, multirun=True)) == 2
    with pytest.raises(ConfigurationError, match=r"sweep_name=x .* several sweeps under one name"):
        composed_for_train(*several, "sweep_name=x", multirun=True)


@pytest.mark.parametrize(("status", "runs"), [(0, 3), (1, 3), (AGAIN_STATUS, 1), (130, 1)])
def test_who_is_told_to_leave_begins_no_other_sweep(status, runs):
    begun = []

    def run_one(config):
        begun.append(config)
        return status

    config = compose(CommandLine(command="sweep", overrides=("data=digits",)))
    assert run_each([config] * 3, run_one) == status
    assert len(begun) == runs
