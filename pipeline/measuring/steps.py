"""The time of a training step, from few and short executions."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: A timed execution lasts about this long, so that the clock and the call do not matter.
EXECUTION_SECONDS = 0.05
EMPTY_EXECUTIONS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """What a training step takes.

    Parameters
    ----------
    step_seconds
        Median of the executions, a step's share of the call included.
    call_seconds
        What a call takes without any step.
    executions, steps
        Timed executions, and steps in each.
    """

    step_seconds: float
    call_seconds: float
    executions: int
    steps: int


def measure_step(
    execute: Callable[[int], object],
    *,
    executions: int,
    most_steps: int,
    now: Callable[[], float] = time.perf_counter,
) -> StepTime:
    """Time training steps.

    An execution costs its steps and a call. Timed executions are shorter than those that
    train, so the call's time is measured by itself and counted with the share that a step
    has of it in training.

    Parameters
    ----------
    execute
        Runs so many training steps, 0 included, in one call and returns when the device is
        done; compiled and run before.
    executions
        Timed executions.
    most_steps
        Steps of an execution in training.
    """

    def timed(steps: int) -> float:
        started = now()
        execute(steps)
        return now() - started

    call = float(np.median([timed(0) for _ in range(EMPTY_EXECUTIONS)]))
    first = max(timed(1) - call, 1e-9)
    steps = max(1, min(most_steps, math.ceil(EXECUTION_SECONDS / first)))
    median = float(np.median([timed(steps) for _ in range(executions)]))
    return StepTime(
        step_seconds=max(median - call, 0.0) / steps + call / most_steps,
        call_seconds=call,
        executions=executions,
        steps=steps,
    )
