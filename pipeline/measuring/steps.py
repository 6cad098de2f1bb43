"""The time of a training step, from few and short executions."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.measuring.energy import EnergyMeter
from pipeline.measuring.repetition import Repetition, take_samples
from pipeline.measuring.statistics import is_wide, median_interval

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
    low_seconds, high_seconds
        95% bootstrap interval of that median.
    noisy
        The interval stayed wider than the tolerance.
    call_seconds
        What a call takes without any step.
    executions, steps
        Timed executions, and steps in each.
    joules
        Energy of a step by the part of the machine that reports it; see ``EnergyMeter``.
    """

    step_seconds: float
    low_seconds: float
    high_seconds: float
    noisy: bool
    call_seconds: float
    executions: int
    steps: int
    joules: dict[str, float]


def measure_step(
    execute: Callable[[int], object],
    *,
    most_steps: int,
    repetition: Repetition,
    meter: EnergyMeter,
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
    most_steps
        Steps of an execution in training.
    repetition
        How many executions are timed.
    meter
        Read before and after them.
    """

    def timed(steps: int) -> float:
        started = now()
        execute(steps)
        return now() - started

    call = float(np.median([timed(0) for _ in range(EMPTY_EXECUTIONS)]))
    first = max(timed(1) - call, 1e-9)
    steps = max(1, min(most_steps, math.ceil(EXECUTION_SECONDS / first)))
    before = meter.read()
    seconds = take_samples(lambda: timed(steps), float, repetition, now)
    joules = meter.joules_since(before)

    def of_a_step(execution: float) -> float:
        return max(execution - call, 0.0) / steps + call / most_steps

    interval = median_interval(seconds)
    median = float(np.median(seconds))
    return StepTime(
        step_seconds=of_a_step(median),
        low_seconds=of_a_step(interval.low),
        high_seconds=of_a_step(interval.high),
        noisy=is_wide(interval, median, repetition.tolerance),
        call_seconds=call,
        executions=len(seconds),
        steps=steps,
        joules={part: value / (len(seconds) * steps) for part, value in joules.items()},
    )
