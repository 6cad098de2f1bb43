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

#: With fewer turns there is no 95% interval.
LEAST = 5
#: The fewest turns of most networks last once or twice as long as they are given; of those that
#: would last so many times as long, ``LEAST`` are enough.
PATIENCE = 10.0


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
        So many turns are taken, and so many more while an interval is wide: to look after
        every turn, and stop when it happens to be narrow, would make it too narrow.
    seconds
        After so long no further turn is begun, whatever is known; one of the fewest is until
        ``PATIENCE`` times as long, and ``LEAST`` of them always.
    tolerance
        An interval is wide if it is wider than this share of its median.
    """

    fewest: int
    seconds: float
    tolerance: float

    def __post_init__(self) -> None:
        if self.fewest < 1:
            raise ValueError(f"at least one turn is needed, not {self.fewest}")

    def have_another(self, taken: int, seconds: float) -> bool:
        """Say whether there is time for one more after so many, which took so long."""
        if taken < min(self.fewest, LEAST):
            return True
        return seconds < self.seconds * (PATIENCE if taken < self.fewest else 1.0)


def take_turns(
    subject: Timed,
    turns: Turns,
    now: Callable[[], float],
    between: Callable[[], None] = lambda: None,
) -> None:
    """Time a subject in turns until it is known or the time is over.

    Parameters
    ----------
    between
        Called before each turn; may raise.
    """
    started = now()
    taken = 0
    while turns.have_another(taken, now() - started):
        if taken and taken % turns.fewest == 0 and subject.is_known(turns.tolerance):
            return
        between()
        subject.take_turn()
        taken += 1
