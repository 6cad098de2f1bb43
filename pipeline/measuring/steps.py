"""The time and the energy of a training step, from few and short executions."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.measuring.energy import EnergyMeter
from pipeline.measuring.statistics import interval_of_turns, is_known

#: A timed execution lasts about this long, so that the clock and the call do not matter.
EXECUTION_SECONDS = 0.05
EMPTY_EXECUTIONS = 3
#: Energy is counted over so many seconds: NVIDIA's counter moves about ten times in a second.
ENERGY_SECONDS = 0.5


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
    """

    step_seconds: float
    low_seconds: float
    high_seconds: float
    noisy: bool
    call_seconds: float
    executions: int
    steps: int


class TimedStep:
    """The training step, timed in turns.

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
    """

    def __init__(
        self,
        execute: Callable[[int], object],
        *,
        most_steps: int,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._execute = execute
        self._most_steps = most_steps
        self._now = now
        self._seconds: list[float] = []
        self._call = float(np.median([self._timed(0) for _ in range(EMPTY_EXECUTIONS)]))
        first = max(self._timed(1) - self._call, 1e-9)
        self._steps = max(1, min(most_steps, math.ceil(EXECUTION_SECONDS / first)))

    def take_turn(self) -> None:
        """Time one execution."""
        self._seconds.append(self._timed(self._steps))

    def is_known(self, tolerance: float) -> bool:
        """Say whether the interval of the median is narrow enough."""
        return is_known(self._seconds, tolerance)

    def joules(self, meter: EnergyMeter) -> dict[str, float]:
        """Count the energy of a step by part of the machine; empty where nothing counts it."""
        if not meter.counters:
            return {}
        before, end, executions = meter.read(), self._now() + ENERGY_SECONDS, 0
        while executions == 0 or self._now() < end:
            self._execute(self._steps)
            executions += 1
        spent = meter.joules_since(before)
        return {part: joules / (executions * self._steps) for part, joules in spent.items()}

    def result(self, tolerance: float) -> StepTime:
        """Return what the turns so far say; what is not known is flagged as noisy."""
        interval = interval_of_turns(self._seconds)
        return StepTime(
            step_seconds=self._of_a_step(float(np.median(self._seconds))),
            low_seconds=self._of_a_step(interval.low),
            high_seconds=self._of_a_step(interval.high),
            noisy=not self.is_known(tolerance),
            call_seconds=self._call,
            executions=len(self._seconds),
            steps=self._steps,
        )

    def _timed(self, steps: int) -> float:
        started = self._now()
        self._execute(steps)
        return self._now() - started

    def _of_a_step(self, execution: float) -> float:
        return max(execution - self._call, 0.0) / self._steps + self._call / self._most_steps
