"""The metrics that an event log holds, as points in time.

Metric names with a ``/`` form a section of their own in MLflow's charts, so
that the learning curves are not lost among values that are logged once:

==================  ==========================================================
``train_loss`` …    each epoch, step = epoch (``EpochResult.metrics``)
``kept_val_accuracy``  of the weights that were kept
``test_accuracy``   where test was read
``cost/NAME``       the costs (``cost/epoch_seconds`` is the quiet one;
                    ``epoch_seconds`` is each epoch's own)
``measured/NAME``   further measurements
``clock/NAME``      seconds by clock
``system/NAME``     load of the machine, by MLflow's own names
==================  ==========================================================
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.tracking.event_log import Event
from pipeline.tracking.events import (
    Ended,
    EpochEnded,
    Measured,
    SessionEnded,
    SessionStarted,
    Started,
    SummaryChanged,
    SystemSampled,
    TestRead,
    content_of,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A value of a metric.

    Parameters
    ----------
    time
        Seconds since the epoch, UTC.
    end
        Where the event that holds it ends in its log, in bytes.
    """

    name: str
    value: float
    time: float
    step: int
    end: int


def trial_points(events: Iterable[Event]) -> Iterator[Point]:
    """Yield the metrics of a trial's log, in its order.

    What is logged once a trial is yielded again where a later attempt gives another value; its
    step is the attempt.
    """
    logged: dict[str, float] = {}
    samples = 0
    attempt = 0

    def once(values: dict[str, float], event: Event) -> Iterator[Point]:
        for name, value in values.items():
            if logged.get(name) != value:
                logged[name] = value
                yield Point(name=name, value=value, time=event.time, step=attempt, end=event.end)

    for event in events:
        content = content_of(event)
        match content:
            case Started():
                attempt = max(attempt, content.attempt)
            case Measured():
                yield from once(_named("cost", content.costs), event)
                yield from once(_named("measured", content.measurements), event)
            case EpochEnded():
                for name, value in content.result.metrics().items():
                    yield Point(
                        name=name, value=value, time=event.time, step=content.result.epoch,
                        end=event.end,
                    )  # fmt: skip
            case SystemSampled():
                for name, value in _named("system", content.metrics).items():
                    yield Point(
                        name=name, value=value, time=event.time, step=samples, end=event.end
                    )
                samples += 1
            case Ended():
                record = content.record
                kept = record.val_accuracy
                yield from once({} if kept is None else {"kept_val_accuracy": kept}, event)
                yield from once(_named("cost", record.costs), event)
                yield from once(_named("measured", record.measurements), event)
                yield from once(_named("clock", record.clocks), event)
            case _:
                pass


def sweep_points(sweep_events: Iterable[Event]) -> Iterator[Point]:
    """Yield the metrics of the sweep's own log, in its order.

    ``wall_seconds`` is that of all sessions up to then, as in the summary: one that was killed has
    lasted until its last event at least.
    """
    readings = 0
    wall_seconds, since, last = 0.0, None, 0.0
    for event in sweep_events:
        content = content_of(event)
        values: dict[str, float] = {}
        step = 0
        if isinstance(content, SummaryChanged):
            values, step = content.metrics, content.ended
        elif isinstance(content, TestRead):
            readings += 1
            values, step = {"test_readings": float(readings)}, readings
        elif isinstance(content, SessionStarted):
            wall_seconds += 0.0 if since is None else max(0.0, last - since)
            since = event.time
        elif isinstance(content, SessionEnded):
            wall_seconds += content.wall_seconds
            since = None
            values = {"wall_seconds": wall_seconds}
        last = event.time
        for name, value in values.items():
            yield Point(name=name, value=value, time=event.time, step=step, end=event.end)


def _named(section: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{section}/{name}": value for name, value in values.items()}
