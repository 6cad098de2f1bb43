"""The time and the energy of a training step, from few and short executions."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.measuring.energy import EnergyMeter
from pipeline.measuring.statistics import interval_of_turns, is_known

#: Runs so many training steps, 0 included, in one call and returns when the device is done;
#: compiled and run before.
Execute = Callable[[int], object]

#: A timed execution lasts about this long, so that the clock and the call do not matter.
EXECUTION_SECONDS = 0.03
#: Before it, steps are taken for about this long and not timed: right after another network's, the
#: first steps of a small one take longer, and training never changes networks.
WARM_SECONDS = 0.01
EMPTY_EXECUTIONS = 3
#: Taken one by one before, to see how many steps an execution is to have.
SINGLE_STEPS = 2
#: Energy is counted over so many seconds: NVIDIA's counter moves about ten times in a second.
ENERGY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """What a training step takes, beside that of a reference timed in turn with it.

    Parameters
    ----------
    step_seconds
        Median of the executions, a step's share of the call included.
    low_seconds, high_seconds
        95% interval of that median, over the executions (``interval_of_turns``).
    reference_seconds
        The reference's median, as ``step_seconds``.
    ratio, ratio_low, ratio_high
        Median over the turns of the ratio of a step to one of the reference's right after it,
        and its interval.
    noisy
        The interval of the ratio stayed wider than the tolerance.
    executions
        How many were timed.
    """

    step_seconds: float
    low_seconds: float
    high_seconds: float
    reference_seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float
    noisy: bool
    executions: int


class TimedStep:
    """The training step, timed in turns with a reference's.

    An execution costs its steps and a call. Timed executions are shorter than those that
    train, so the call's time is measured by itself and counted with the share that a step
    has of it in training. Short steps are warmed up before it.

    Parameters
    ----------
    execute, reference
        Run training steps of the network, and of the reference.
    most_steps, reference_most_steps
        Steps of an execution in training, of each.
    """

    def __init__(
        self,
        execute: Execute,
        reference: Execute,
        *,
        most_steps: int,
        reference_most_steps: int,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._own = _Executions(execute, most_steps, now)
        self._reference = _Executions(reference, reference_most_steps, now)

    def take_turn(self) -> None:
        """Time one execution, and one of the reference."""
        self._own.time_one()
        self._reference.time_one()

    def is_known(self, tolerance: float) -> bool:
        """Say whether the interval of the ratio is narrow enough."""
        return is_known(self._ratios(), tolerance)

    def result(self, tolerance: float) -> StepTime:
        """Return what the turns so far say; what is not known is flagged as noisy."""
        own, ratios = self._own.step_seconds(), self._ratios()
        interval, ratio_interval = interval_of_turns(own), interval_of_turns(ratios)
        return StepTime(
            step_seconds=float(np.median(own)),
            low_seconds=interval.low,
            high_seconds=interval.high,
            reference_seconds=float(np.median(self._reference.step_seconds())),
            ratio=float(np.median(ratios)),
            ratio_low=ratio_interval.low,
            ratio_high=ratio_interval.high,
            noisy=not self.is_known(tolerance),
            executions=len(own),
        )

    def _ratios(self) -> list[float]:
        pairs = zip(self._own.step_seconds(), self._reference.step_seconds(), strict=True)
        return [ours / theirs for ours, theirs in pairs]


class _Executions:
    """Timed executions of one network's training step."""

    def __init__(self, execute: Execute, most_steps: int, now: Callable[[], float]) -> None:
        self._execute = execute
        self._most_steps = most_steps
        self._now = now
        self._seconds: list[float] = []
        self._call_seconds = float(np.median([self._timed(0) for _ in range(EMPTY_EXECUTIONS)]))
        # The shortest: what the system does in between would make a step look like many.
        step = min(self._timed(1) for _ in range(SINGLE_STEPS))
        first = max(step - self._call_seconds, 1e-9)
        self._steps = max(1, min(most_steps, math.ceil(EXECUTION_SECONDS / first)))
        warm = min(most_steps, math.ceil(WARM_SECONDS / first))
        self._warmup_steps = warm if first < EXECUTION_SECONDS else 0

    @property
    def steps(self) -> int:
        """Of an execution that is timed."""
        return self._steps

    def time_one(self) -> None:
        if self._warmup_steps:
            self._execute(self._warmup_steps)
        self._seconds.append(self._timed(self._steps))

    def step_seconds(self) -> list[float]:
        """Return the time of a step by each execution."""
        call = self._call_seconds
        return [
            max(execution - call, 1e-9) / self._steps + call / self._most_steps
            for execution in self._seconds
        ]

    def _timed(self, steps: int) -> float:
        started = self._now()
        self._execute(steps)
        return self._now() - started


def joules_of_step(
    execute: Execute,
    meter: EnergyMeter,
    *,
    most_steps: int,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Count the energy of a training step by part of the machine; empty where nothing counts it.

    Parameters
    ----------
    execute
        Runs training steps of the network.
    most_steps
        Steps of an execution in training.
    """
    if not meter.counters:
        return {}
    steps = _Executions(execute, most_steps, now).steps
    before, end, executions = meter.read(), now() + ENERGY_SECONDS, 0
    while executions == 0 or now() < end:
        execute(steps)
        executions += 1
    spent = meter.joules_since(before)
    return {part: joules / (executions * steps) for part, joules in spent.items()}
