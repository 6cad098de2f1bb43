"""What a sweep's own log says about its trials, sorted out once for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from pipeline.tracking.event_log import Event
from pipeline.tracking.events import SessionEnded, SessionStarted, TestRead, content_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A reading of the test split; ``time`` and ``end`` are those of its event."""

    time: float
    end: int
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepFacts:
    """The parts of a sweep's log that concern single trials.

    Parameters
    ----------
    commits
        When each session started, and the commit it ran; in order.
    session_ends
        The events that end sessions, in order.
    readings
        By trial number, in order.
    """

    commits: tuple[tuple[float, str | None], ...] = ()
    session_ends: tuple[Event, ...] = ()
    readings: dict[int, tuple[Reading, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, sweep_events: Iterable[Event]) -> Self:
        """Sort out the whole of a sweep's log."""
        commits: list[tuple[float, str | None]] = []
        session_ends: list[Event] = []
        readings: dict[int, tuple[Reading, ...]] = {}
        for event in sweep_events:
            if event.kind not in (SessionStarted.kind, SessionEnded.kind, TestRead.kind):
                continue
            match content_of(event):
                case SessionStarted(git_commit=commit):
                    commits.append((event.time, commit))
                case SessionEnded():
                    session_ends.append(event)
                case TestRead(trial=trial, accuracy=accuracy):
                    reading = Reading(time=event.time, end=event.end, accuracy=accuracy)
                    readings[trial] = (*readings.get(trial, ()), reading)
                case _:
                    pass
        return cls(commits=tuple(commits), session_ends=tuple(session_ends), readings=readings)

    def commit_at(self, moment: float) -> str | None:
        """Return the commit of the session that a moment falls into; else of the first one."""
        started = [commit for time, commit in self.commits if time <= moment]
        if started:
            return started[-1]
        return self.commits[0][1] if self.commits else None

    def left_behind_at(self, last_time: float) -> Event | None:
        """Return the end of the session in which something was last heard of."""
        return next((event for event in self.session_ends if event.time >= last_time), None)

    def version_for(self, trial: int) -> tuple[int, int]:
        """Return a value that changes whenever these facts change for a trial."""
        return len(self.session_ends), len(self.readings.get(trial, ()))
