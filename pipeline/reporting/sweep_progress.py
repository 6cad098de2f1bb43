"""How a sweep goes: what ``sweep`` and ``status`` show, worked out from what was read."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.finalists import choose_finalists
from pipeline.core.records import front_records
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import count_outcomes
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.time_left import seconds_left
from pipeline.tracking.event_log import Event
from pipeline.tracking.events import SessionEnded, SessionStarted, content_of
from pipeline.tracking.story import TrialStory


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningTrial:
    """A trial that a worker trains now.

    Parameters
    ----------
    label
        As ``TrialSpecification.label``: ``3 64k3-d128``.
    attempt
        0 for the original, 1 for its first retry, and so on.
    epoch, epochs
        Epochs done, and to do in all; ``epochs`` is None where the configuration is unknown.
    val_accuracy
        After the last epoch, in [0, 1]; None before the first.
    silent_seconds
        Since its last event.
    is_measuring
        It does not train: what decides about it is being measured, or, after its last epoch,
        the rest.
    """

    label: str
    worker: str
    attempt: int = 0
    epoch: int = 0
    epochs: int | None = None
    val_accuracy: float | None = None
    silent_seconds: float = 0.0
    is_measuring: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedTrial:
    """A trial that is over.

    Parameters
    ----------
    cost
        Its leading cost; None where it was not measured.
    is_finalist
        Whether this is a further training of a finalist, and none of the search.
    """

    label: str
    attempt: int = 0
    outcome: Outcome
    val_accuracy: float | None = None
    cost: float | None = None
    reason: str | None = None
    on_front: bool = False
    is_finalist: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepProgress:
    """A sweep at one moment.

    Parameters
    ----------
    budget
        Originals in all, references included; None where the configuration is unknown.
    active
        Whether a supervisor is at work; else a trial without an end is lost, not running.
    leading_cost
        Name of the cost that ``EndedTrial.cost`` holds.
    counts
        By outcome, and ``running``; of the search alone, as all but the next three.
    running, ended
        By trial number; then the further trainings of finalists.
    finalists_done, finalists_due
        Further trainings of finalists that ended, and how many there are to be in all.
    best
        The complete trial of highest validation accuracy, the cheaper one of equals.
    elapsed_seconds
        Of the supervisor's present session; of all sessions where none is active.
    seconds_left
        Estimate; None while no trial has ended, or where none is active.
    """

    sweep: str
    budget: int | None
    active: bool
    leading_cost: str
    counts: dict[str, int]
    running: tuple[RunningTrial, ...] = ()
    ended: tuple[EndedTrial, ...] = ()
    finalists_done: int = 0
    finalists_due: int = 0
    best: EndedTrial | None = None
    elapsed_seconds: float = 0.0
    seconds_left: float | None = None

    @property
    def done(self) -> int:
        """The number of trials that need no further training."""
        return sum(self.counts.values()) - self.counts["running"] - self.counts["interrupted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a sweep's configuration says, None where it is not known."""

    budget: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    costs: tuple[str, ...] = ("epoch_seconds",)
    limits: Mapping[str, float] = field(default_factory=dict)
    rule: RuleSettings = field(default_factory=RuleSettings)
    finalists: int = 0
    among_all: bool = False
    seeds: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The supervisor's present session, or what remains of earlier ones."""

    started: float | None = None
    workers: int = 1
    earlier_seconds: float = 0.0

    @classmethod
    def of(cls, events: Sequence[Event], *, supervised: Callable[[str], bool]) -> "Session":
        """Fold the sweep's own events; a session whose supervisor was killed is over."""
        started: float | None = None
        workers = 1
        earlier = last = 0.0
        host = ""
        for event in events:
            content: Any = content_of(event)
            if isinstance(content, SessionStarted):
                earlier += 0.0 if started is None else last - started
                started, workers = event.time, max(content.workers, 1)
                host = content.host
            elif isinstance(content, SessionEnded):
                started = None
                earlier += content.wall_seconds
            last = event.time
        if started is not None and not supervised(host):
            earlier += last - started
            started = None
        return cls(started=started, workers=workers, earlier_seconds=earlier)


def sweep_progress(
    sweep: str,
    stories: Sequence[TrialStory],
    further: Sequence[TrialStory],
    settings: Settings,
    session: Session,
    *,
    now: float,
) -> SweepProgress:
    """Return how a sweep goes.

    Parameters
    ----------
    stories
        Of the search's trials, by number.
    further
        Of the further trainings of finalists, by number and repetition.
    now
        Seconds since the epoch, UTC.
    """
    active = session.started is not None
    records = [story.record for story in stories]
    repeats = [story.record for story in further]
    counts = count_outcomes(records)
    if not active:
        counts["interrupted"] += counts["running"]
        counts["running"] = 0
    front = {r.number for r in front_records(records, settings.costs, settings.limits)}
    ended = tuple(_ended(r, settings.costs[0], front) for r in (*records, *repeats) if r.outcome)
    complete = [
        e
        for e in ended
        if e.outcome is Outcome.COMPLETE and e.val_accuracy is not None and not e.is_finalist
    ]
    best = min(complete, key=_better_first, default=None)
    running = [s for s in (*stories, *further) if active and s.record.outcome is None]
    elapsed = session.earlier_seconds if session.started is None else now - session.started
    due = max(_finalists(records, settings), 1 if settings.finalists else 0) * settings.seeds
    done = sum(r.outcome not in (None, Outcome.INTERRUPTED) for r in repeats)
    return SweepProgress(
        sweep=sweep,
        budget=None if settings.budget is None else max(settings.budget, len(records)),
        active=active,
        leading_cost=settings.costs[0],
        counts=counts,
        running=tuple(_running(story, settings.epochs, now) for story in running),
        ended=ended,
        finalists_done=done,
        finalists_due=max(due, done),
        best=best,
        elapsed_seconds=max(elapsed, 0.0),
        seconds_left=None
        if settings.budget is None or session.started is None
        else seconds_left(
            records,
            repeats,
            trials=settings.budget,
            finalists=max(due, done),
            epochs=settings.epochs,
            workers=session.workers,
            minutes=settings.minutes,
            since=session.started,
            now=now,
        ),
    )


def _finalists(records: Sequence[TrialRecord], settings: Settings) -> int:
    """Return how many networks are trained again, as far as that is known by now."""
    if settings.among_all:  # all that are complete, and any that may still be
        over = [r for r in records if r.outcome not in (None, Outcome.INTERRUPTED)]
        complete = sum(record.outcome is Outcome.COMPLETE for record in over)
        return min(settings.finalists, max((settings.budget or 0) - len(over), 0) + complete)
    chosen = choose_finalists(
        records, settings.costs, settings.rule, settings.finalists, settings.limits
    )
    return len(chosen)


def _ended(record: TrialRecord, cost: str, front: set[int]) -> EndedTrial:
    assert record.outcome is not None
    return EndedTrial(
        label=record.specification.label,
        attempt=record.specification.attempt,
        outcome=record.outcome,
        val_accuracy=record.val_accuracy,
        cost=record.costs.get(cost),
        reason=record.reason,
        on_front=record.number in front and not record.specification.repetition,
        is_finalist=record.specification.repetition > 0,
    )


def _running(story: TrialStory, epochs: int | None, now: float) -> RunningTrial:
    history = story.record.history
    epoch = history[-1].epoch if history else 0
    epochs = story.record.specification.recipe.epochs or epochs
    return RunningTrial(
        label=story.record.specification.label,
        worker=story.worker,
        attempt=story.record.specification.attempt,
        epoch=epoch,
        epochs=epochs,
        val_accuracy=history[-1].val_accuracy if history else None,
        silent_seconds=max(now - story.last_time, 0.0),
        is_measuring=story.summary is None or epoch == epochs,
    )


def _better_first(trial: EndedTrial) -> tuple[float, float]:
    cost = math.inf if trial.cost is None else trial.cost
    return -(trial.val_accuracy or 0.0), cost
