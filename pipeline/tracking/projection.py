"""What MLflow is to show of a trial and of a sweep: pure functions from the event logs.

The same logs always give the same runs, so a mirror that is behind, or gone, is made good by
projecting again.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.core.architecture import Architecture
from pipeline.core.errors import SIGNAL_STATUS
from pipeline.core.trial import Outcome, TrialSpecification
from pipeline.tracking.event_log import Event
from pipeline.tracking.events import (
    SessionEnded,
    SessionStarted,
    content_of,
)
from pipeline.tracking.points import Point, sweep_points, trial_points
from pipeline.tracking.story import TrialStory, trial_story
from pipeline.tracking.sweep_facts import SweepFacts

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """What one MLflow run is to show.

    Parameters
    ----------
    position
        Ends of the last events that count for this run, in its own log and in the sweep's: a
        run mirrored up to here needs nothing.
    points
        From its own log, in the order of their events.
    sweep_points
        From the sweep's log.
    files
        Text artifacts by name.
    model
        Path of the model to attach, relative to the sweep's folder.
    model_time
        When that was decided, in seconds since the epoch.
    """

    name: str
    status: RunStatus
    started: float
    ended: float | None
    position: tuple[int, int]
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    sweep_points: tuple[Point, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    story: TrialStory | None = None
    model: str | None = None
    model_time: float = 0.0


def run_name(specification: TrialSpecification) -> str:
    """Return a trial's run name: ``007 64k3-d128``, ``001 cnn`` or ``001 cnn seed 2``."""
    name = (
        f"{specification.number:03d} "
        f"{specification.reference or specification.architecture.notation}"
    )
    return f"{name} seed {specification.repetition + 1}" if specification.repetition else name


def trial_view(
    sweep: str, fingerprint: str, events: Sequence[Event], facts: SweepFacts
) -> RunView | None:
    """Return what a trial's run is to show; None before the trial started.

    Parameters
    ----------
    fingerprint
        Of the data.
    events
        The whole of the trial's log.
    facts
        From the whole of the sweep's log.
    """
    story = trial_story(events)
    if story is None:
        return None
    record = story.record
    assert record.started is not None
    run = record.specification.run
    # Test is read for the network that the search found, not for its further trainings.
    readings = () if run.repetition else facts.readings.get(run.number, ())
    # A trial without an end of its own is over when the session that it ran in is.
    closing = facts.left_behind_at(story.last_time) if record.outcome is None else None
    outcome = record.outcome
    if outcome is None and closing is not None:
        outcome = Outcome.INTERRUPTED
    ended = record.ended if closing is None else closing.time
    models = [event for event in events if event.kind == "model"]
    reason = record.reason
    tags = {
        "sweep": sweep,
        "trial": str(run.number),
        "kind": "finalist" if run.repetition else "trial",
        **({"repetition": str(run.repetition)} if run.repetition else {}),
        "status": "running" if outcome is None else outcome.value,
        "data_fingerprint": fingerprint,
        "device": _device_name(story.device),
        "host": story.host,
        "worker": story.worker,
        "retries": str(story.retries),
        **({"reference": record.specification.reference} if record.specification.reference else {}),
        **({"reason": reason} if reason else {}),
        **_commit_tags(facts.commit_at(record.started)),
    }
    return RunView(
        name=run_name(record.specification),
        status=_trial_status(outcome),
        started=record.started,
        ended=None if outcome is None else ended,
        position=(
            events[-1].end,
            max([0 if closing is None else closing.end, *(reading.end for reading in readings)]),
        ),
        tags=tags,
        params=_params(record.specification),
        points=tuple(trial_points(events)),
        sweep_points=tuple(
            Point(
                name="test_accuracy",
                value=reading.accuracy,
                time=reading.time,
                step=0,
                end=reading.end,
            )
            for reading in readings
        ),
        files=_trial_files(story),
        story=story,
        model=story.model,
        model_time=models[-1].time if models else 0.0,
    )


def sweep_view(
    sweep: str,
    fingerprint: str,
    sweep_events: Sequence[Event],
    facts: SweepFacts,
    first_trial: float | None,
) -> RunView | None:
    """Return what the sweep's own run is to show; None before anything happened.

    Parameters
    ----------
    first_trial
        When the first trial started, for a sweep whose own log lacks its beginning.
    """
    times = [time for time, _ in facts.commits]
    times += [] if first_trial is None else [first_trial]
    if not times:
        return None
    status, ended, label = _session_state(sweep_events)
    return RunView(
        name=sweep,
        status=status,
        started=min(times),
        ended=ended,
        position=(sweep_events[-1].end if sweep_events else 0, 0),
        tags={
            "sweep": sweep,
            "kind": "sweep",
            "status": label,
            "data_fingerprint": fingerprint,
            **_commit_tags(facts.commit_at(math.inf)),
        },
        points=tuple(sweep_points(sweep_events)),
    )


def _trial_status(outcome: Outcome | None) -> RunStatus:
    """Return MLflow's status: a trial that was ended on purpose did what it was to do."""
    match outcome:
        case None:
            return "RUNNING"
        case Outcome.FAILED:
            return "FAILED"
        case Outcome.INTERRUPTED:
            return "KILLED"
        case _:
            return "FINISHED"


def _session_state(sweep_events: Iterable[Event]) -> tuple[RunStatus, float | None, str]:
    status: RunStatus = "RUNNING"
    ended: float | None = None
    label = "running"
    for event in sweep_events:
        content = content_of(event)
        if isinstance(content, SessionStarted):
            status, ended, label = "RUNNING", None, "running"
        elif isinstance(content, SessionEnded):
            ended = event.time
            if content.exit_status == 0:
                status, label = "FINISHED", "complete"
            elif content.exit_status > SIGNAL_STATUS:
                status, label = "KILLED", "interrupted"
            else:
                status, label = "FAILED", "failed"
    return status, ended, label


def _commit_tags(commit: str | None) -> dict[str, str]:
    return {} if commit is None else {"git_commit": commit, "mlflow.source.git.commit": commit}


def _device_name(device: dict[str, Any]) -> str:
    name = device.get("name") or device.get("device")
    return str(name) if name else json.dumps(device, sort_keys=True)


def _params(specification: TrialSpecification) -> dict[str, str]:
    values: dict[str, Any] = {
        **_architecture_params(specification.architecture),
        **asdict(specification.recipe),
        "seed": specification.seed,
    }
    return {name: str(value) for name, value in values.items()}


def _architecture_params(architecture: Architecture) -> dict[str, Any]:
    values: dict[str, Any] = {"architecture": architecture.notation, "depth": architecture.depth}
    for index, block in enumerate(architecture.blocks, start=1):
        values |= {f"{name}_{index}": value for name, value in asdict(block).items()}
    return values | {"dense_units": architecture.dense_units, "dropout": architecture.dropout}


def _trial_files(story: TrialStory) -> dict[str, str]:
    files: dict[str, str] = {}
    if story.summary is not None:
        files["summary.txt"] = story.summary
    if story.journey:
        journey = [asdict(stage) for stage in story.journey]
        files["shape_journey.json"] = json.dumps(journey, indent=2, ensure_ascii=False) + "\n"
    if story.details is not None:
        files["traceback.txt"] = story.details
    return files
