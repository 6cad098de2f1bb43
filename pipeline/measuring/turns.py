"""Everything that is timed is timed in turns, a little of each in every turn.

What slows a machine comes and goes over seconds, so calls right after one another resemble each
other and a thousand of them say little more than a hundred. In turns, the samples of each median
are spread over the whole measurement, and the median's interval comes from the turns, which
differ as the machine's moods do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    """Something to be timed."""

    def take_turn(self) -> None:
        """Time it for a moment and keep the samples."""

    def is_known(self, tolerance: float) -> bool:
        """Say whether the interval of its median is no wider than this share of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turns:
    """When to stop.

    Parameters
    ----------
    fewest
        So many turns are always taken, and so many more while an interval is wide: to look
        after every turn, and stop when it happens to be narrow, would make it too narrow.
    seconds
        After so long no further turn is begun, whatever is known.
    tolerance
        An interval is wide if it is wider than this share of its median.
    """

    fewest: int
    seconds: float
    tolerance: float

    def __post_init__(self) -> None:
        if self.fewest < 1:
            raise ValueError(f"at least one turn is needed, not {self.fewest}")


def take_turns(subjects: Sequence[Timed], turns: Turns, now: Callable[[], float]) -> None:
    """Time all subjects in turns until each is known or the time is over."""
    end = now() + turns.seconds
    taken = 0
    while taken < turns.fewest or now() < end:
        if taken and taken % turns.fewest == 0 and _all_known(subjects, turns.tolerance):
            return
        for subject in subjects:
            subject.take_turn()
        taken += 1


def _all_known(subjects: Sequence[Timed], tolerance: float) -> bool:
    return all(subject.is_known(tolerance) for subject in subjects)
