"""Executions: how long they may be, and what happens between them."""

from typing import Any

import pytest

from pipeline.config import TrainingConfig
from pipeline.measuring.quiet import QuietLock
from pipeline.training.fit import EpochLoop


def loop(*, step_seconds, deterministic=False) -> Any:
    """Return what trains with at most 20 steps at once."""
    nothing: Any = None
    return EpochLoop(
        network=nothing, validation=nothing, observer=nothing, clocks=nothing, quiet=nothing,
        training=TrainingConfig.model_construct(deterministic=deterministic),
        step_seconds=step_seconds, most_steps=20, settles=True,
        shown_costs=lambda history: {}, save=lambda progress: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step_seconds", "steps"), [(0.001, 20), (0.05, 10), (0.2, 2), (3.0, 1)], ids=str
)
def test_an_execution_lasts_half_a_second_at_most(*, step_seconds, steps):
    assert loop(step_seconds=step_seconds).steps_per_execution() == steps


def test_where_numbers_have_to_repeat_no_clock_decides_about_executions():
    assert loop(step_seconds=3.0, deterministic=True).steps_per_execution() == 20


def test_whoever_wants_to_measure_waits_for_one_execution_at_most(
    session, trial, observer, clocks, monkeypatch
):
    give_way, given = QuietLock.give_way, []

    def giving(quiet, clocks):
        given.append(observer.executions)
        return give_way(quiet, clocks)

    monkeypatch.setattr(QuietLock, "give_way", giving)
    session.run(trial("d8"), observer, clocks)
    assert observer.executions == 2 * 3
    assert given == list(range(observer.executions))
