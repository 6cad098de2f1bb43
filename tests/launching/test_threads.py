"""A sweep that goes on has the threads that it began with: times of one sweep are compared."""

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.launching.local import LocalSupervisor
from pipeline.launching.planning import plan_sweep
from pipeline.launching.sessions import Sessions
from pipeline.measuring.machine import this_machine

NAME = "done"


@pytest.fixture
def again(tmp_path, simulate_sweep):
    """Return a function that runs a finished sweep once more; it returns what was said."""
    simulate_sweep(tmp_path, NAME, "finalists=off")

    def again(*overrides):
        said: list[str] = []
        words = ("data=digits", "search=random", "search.trials=4", "tracking=off",
                 "finalists=off", f"sweep_name={NAME}", f"mlruns={tmp_path}",
                 *overrides)  # fmt: skip
        plan = plan_sweep(compose(CommandLine(command="sweep", overrides=words)), said.append)
        assert LocalSupervisor(plan=plan, say=said.append, show=lambda: None).run() == 0
        return said, Sessions.read(tmp_path / "sweeps" / NAME)

    return again


def test_auto_is_what_it_was(again):
    assert again("launch.threads=1")[1].threads == 1
    # One worker would have every core to itself.
    said, sessions = again("launch.workers=1")
    assert said == [] and sessions.threads == 1


def test_others_are_said(again):
    again("launch.threads=1")
    said, sessions = again("launch.threads=2")
    assert said == [
        "done began with 1 thread a worker, this run has 2: times of earlier trials and of these "
        "do not compare."
    ]
    assert sessions.threads == 1


def test_a_sweep_without_a_word_of_it_has_what_is_usual(again):
    cores = this_machine().cores
    assert again("launch.workers=1")[1].threads == cores
