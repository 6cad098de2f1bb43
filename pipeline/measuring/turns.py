"""Timing goes in turns: short series of calls, of which each gives one value.

What slows a machine comes and goes, so calls right after one another resemble each other, and a
thousand of them say little more than a hundred. The interval of a median therefore comes from the
turns, which differ as the machine's moods do, and not from single calls; where moods outlast a
turn, it is widened by what neighbouring turns have in common. Nothing else is timed in between: a
small batch right after a training step takes far longer than after another small one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    """Something to be timed."""

    def take_turn(self) -> None:
        """Time it for a moment and keep the samples."""

    def is_known(self, tolerance: float) -> bool:
        """Say whether its interval is no wider than this share of its median."""


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


def take_turns(subject: Timed, turns: Turns, now: Callable[[], float]) -> None:
    """Time a subject in turns until it is known or the time is over."""
    end = now() + turns.seconds
    taken = 0
    while taken < turns.fewest or now() < end:
        if taken and taken % turns.fewest == 0 and subject.is_known(turns.tolerance):
            return
        subject.take_turn()
        taken += 1
