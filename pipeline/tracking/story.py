"""What is known of a trial, folded from its events; running trials included."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.core.journey import Stage
from pipeline.core.trial import TrialRecord
from pipeline.tracking.event_log import Event
from pipeline.tracking.events import (
    Ended,
    EpochEnded,
    Measured,
    ModelKept,
    Started,
    content_of,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStory:
    """What a trial's event log says about it.

    Parameters
    ----------
    record
        The trial so far; its outcome is None while it runs.
    retries
        How often it was taken up again.
    worker, host, pid, device
        Of the last attempt.
    measured_on
        The device of the attempt that measured first; empty before it.
    summary, journey
        Keras' summary and the shape journey; None and empty before it was measured.
    details
        The traceback of a failure.
    model
        Path of the kept model relative to the sweep's folder; None where none is kept.
    last_time
        Time of the last event, in seconds since the epoch.
    """

    record: TrialRecord
    retries: int
    worker: str
    host: str
    pid: int
    device: dict[str, Any] = field(default_factory=dict)
    measured_on: dict[str, Any] = field(default_factory=dict)
    summary: str | None = None
    journey: tuple[Stage, ...] = ()
    details: str | None = None
    model: str | None = None
    last_time: float


def trial_record(events: Iterable[Event]) -> TrialRecord | None:
    """Return the trial that the events tell of; None before it started."""
    story = trial_story(events)
    return None if story is None else story.record


def trial_story(events: Iterable[Event]) -> TrialStory | None:
    """Return what the events tell of their trial; None before it started.

    A later attempt continues the earlier one: an epoch that it repeats replaces the earlier
    one and all that followed it. What an attempt writes after it was taken over is left out.
    """
    story: TrialStory | None = None
    for event in events:
        content = content_of(event)
        if isinstance(content, Started):
            story = _started(story, content, event.time)
        elif story is not None:
            match content:
                case Measured() | EpochEnded() | Ended() if content.attempt < story.retries:
                    continue
                case Measured():
                    story = _measured(story, content)
                case EpochEnded():
                    story = _epoch_ended(story, content)
                case Ended():
                    story = _ended(story, content, event.time)
                case ModelKept():
                    story = replace(story, model=content.path)
                case _:
                    pass
            story = replace(story, last_time=event.time)
    return story


def _started(before: TrialStory | None, content: Started, now: float) -> TrialStory:
    if before is None:
        return TrialStory(
            record=TrialRecord(specification=content.specification, started=now),
            retries=content.attempt,
            worker=content.worker,
            host=content.host,
            pid=content.pid,
            device=content.device,
            last_time=now,
        )
    record = replace(
        before.record,
        specification=content.specification,
        outcome=None,
        val_accuracy=None,
        reason=None,
        ended=None,
    )
    return replace(
        before,
        record=record,
        retries=max(before.retries, content.attempt),
        worker=content.worker,
        host=content.host,
        pid=content.pid,
        device=content.device,
        details=None,
        last_time=now,
    )


def _measured(story: TrialStory, content: Measured) -> TrialStory:
    record = replace(
        story.record,
        costs=story.record.costs | content.costs,
        measurements=story.record.measurements | content.measurements,
    )
    return replace(
        story,
        record=record,
        summary=content.summary,
        journey=content.journey,
        measured_on=story.measured_on or story.device,
    )


def _epoch_ended(story: TrialStory, content: EpochEnded) -> TrialStory:
    kept = tuple(done for done in story.record.history if done.epoch < content.result.epoch)
    return replace(story, record=replace(story.record, history=(*kept, content.result)))


def _ended(story: TrialStory, content: Ended, now: float) -> TrialStory:
    # Who ends the trial of a lost worker knows no more than the outcome: what the log has
    # of it is kept.
    ended = content.record
    first = ended.history[0].epoch if ended.history else len(story.record.history) + 1
    before = tuple(done for done in story.record.history if done.epoch < first)
    record = replace(
        ended,
        costs=story.record.costs | ended.costs,
        measurements=story.record.measurements | ended.measurements,
        history=(*before, *ended.history),
        # Nobody knew better while it ran, and MLflow's runs keep the start they were made with.
        started=story.record.started,
        ended=now if ended.ended is None else ended.ended,
    )
    return replace(story, record=record, details=content.details)
