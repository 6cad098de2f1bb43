"""How often something is timed: in rounds, until its median is known or the time is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.measuring.statistics import is_wide, median_interval

Sample = TypeVar("Sample")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetition:
    """When to stop taking samples.

    Parameters
    ----------
    samples
        Samples of a round.
    rounds
        Most rounds. The next one is taken while the 95% interval of the median of all samples
        so far is wide. All samples count: to keep the narrowest round alone would make its
        interval too narrow.
    tolerance
        An interval is wide if it is wider than this share of its median.
    seconds
        After so long no sample is begun, however many a round still lacks.
    fewest
        But so many are always taken.
    """

    samples: int
    rounds: int
    tolerance: float
    seconds: float
    fewest: int

    def __post_init__(self) -> None:
        if min(self.samples, self.rounds, self.fewest) < 1:
            raise ValueError("samples, rounds and fewest must be at least 1")


def take_samples(
    sample: Callable[[], Sample],
    value: Callable[[Sample], float],
    repetition: Repetition,
    now: Callable[[], float],
) -> list[Sample]:
    """Take samples as ``repetition`` says.

    Parameters
    ----------
    sample
        Takes one.
    value
        Of a sample, whose median is to be known.
    now
        The time in seconds.
    """
    end = now() + repetition.seconds
    taken: list[Sample] = []
    for _ in range(repetition.rounds):
        for _ in range(repetition.samples):
            if len(taken) >= repetition.fewest and now() >= end:
                return taken
            taken.append(sample())
        if not _is_wide([value(one) for one in taken], repetition.tolerance):
            break
    return taken


def _is_wide(values: Sequence[float], tolerance: float) -> bool:
    return is_wide(median_interval(values), float(np.median(values)), tolerance)
