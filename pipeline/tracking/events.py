"""The events of a trial and of a sweep: one definition for writers and readers.

A worker records what happens to its trial: ``Started``, ``Measured``, ``EpochEnded``,
``SystemSampled``, ``Ended``, ``ModelKept``. The supervisor records what happens to the sweep:
``SessionStarted``, ``SessionEnded``, ``Concluded``, ``TestRead``; whoever rewrites the summary adds
``SummaryChanged``.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from pipeline.core.errors import StorageError, SweetspotError
from pipeline.core.journey import Stage
from pipeline.core.json_values import numbers, text_or_none
from pipeline.core.trial import (
    EpochResult,
    TrialRecord,
    TrialSpecification,
    specification_from_json,
    specification_to_json,
)
from pipeline.tracking.event_log import Event, EventLog


class Content(ABC):
    """What an event says, as a typed value."""

    __slots__ = ()
    kind: ClassVar[str]

    def to_values(self) -> dict[str, Any]:
        """Return plain values for JSON; ``from_values`` of them gives an equal content."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Self:
        """Rebuild from ``to_values``.

        Raises
        ------
        StorageError
            The values are not those of such an event.
        """
        try:
            return cls(**cls._arguments(values))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise StorageError(f"a {cls.kind!r} event is damaged: {error!r}") from error
        except SweetspotError as error:
            raise StorageError(f"a {cls.kind!r} event is damaged: {error}") from error

    @classmethod
    @abstractmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that build the content from plain values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started(Content):
    """A worker takes up a trial.

    Parameters
    ----------
    attempt
        0 for the original, 1 for its first retry, and so on.
    worker
        Name of the worker in the sweep: its host and process, such as ``box-1234``.
    device
        What it trains on; ``name`` is shown to people.
    """

    kind: ClassVar[str] = "started"
    attempt: int
    specification: TrialSpecification
    worker: str
    host: str
    pid: int
    device: dict[str, Any] = field(default_factory=dict)

    def to_values(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        specification = specification_to_json(self.specification)
        return {**asdict(self), "specification": specification}

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": int(values["attempt"]),
            "specification": specification_from_json(values["specification"]),
            "worker": str(values["worker"]),
            "host": str(values["host"]),
            "pid": int(values["pid"]),
            "device": dict(values["device"]),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured(Content):
    """The untrained network was built and measured.

    Parameters
    ----------
    costs, measurements
        As in ``TrialRecord``.
    summary
        Keras' model summary as text.
    journey
        The shape journey of the architecture.
    clocks
        Seconds of the attempt so far, by clock.
    """

    kind: ClassVar[str] = "measured"
    attempt: int
    costs: dict[str, float]
    measurements: dict[str, float]
    summary: str
    journey: tuple[Stage, ...]
    clocks: dict[str, float] = field(default_factory=dict)

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": int(values["attempt"]),
            "costs": numbers(values["costs"]),
            "measurements": numbers(values["measurements"]),
            "summary": str(values["summary"]),
            "journey": tuple(
                Stage(**{**stage, "shape": tuple(int(side) for side in stage["shape"])})
                for stage in values["journey"]
            ),
            "clocks": numbers(values.get("clocks", {})),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochEnded(Content):
    """An epoch of training and its validation are over."""

    kind: ClassVar[str] = "epoch"
    attempt: int
    result: EpochResult

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": int(values["attempt"]),
            "result": EpochResult.from_json(values["result"]),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemSampled(Content):
    """The machine's load while a trial runs.

    Parameters
    ----------
    metrics
        Values by MLflow's own names, without their ``system/``.
    """

    kind: ClassVar[str] = "system"
    attempt: int
    metrics: dict[str, float]

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"attempt": int(values["attempt"]), "metrics": numbers(values["metrics"])}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended(Content):
    """A trial, or an attempt at it, is over.

    Parameters
    ----------
    record
        With its outcome; ``interrupted`` may be followed by another ``Started``.
    details
        The traceback of a failure.
    """

    kind: ClassVar[str] = "ended"
    attempt: int
    record: TrialRecord
    details: str | None = None

    def to_values(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "attempt": self.attempt,
            "record": self.record.to_json(),
            "details": self.details,
        }

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": int(values["attempt"]),
            "record": TrialRecord.from_json(values["record"]),
            "details": text_or_none(values["details"]),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelKept(Content):
    """The trial's model is kept in the sweep's folder, or no longer.

    Parameters
    ----------
    path
        Relative to the sweep's folder; None where the trial left the front and its model was
        removed.
    """

    kind: ClassVar[str] = "model"
    path: str | None

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"path": text_or_none(values["path"])}


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionStarted(Content):
    """A supervisor begins or continues the sweep.

    Parameters
    ----------
    versions
        Version by package name.
    git_commit
        Of the project; None outside a git checkout.
    threads
        Compute threads of a worker; None in the logs of earlier versions.
    run
        The scheduler's run that it is part of; None where there is none, or in earlier logs.
    """

    kind: ClassVar[str] = "session_started"
    workers: int
    host: str
    versions: dict[str, str]
    git_commit: str | None
    threads: int | None = None
    run: str | None = None

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "workers": int(values["workers"]),
            "host": str(values["host"]),
            "versions": {str(name): str(text) for name, text in values["versions"].items()},
            "git_commit": text_or_none(values["git_commit"]),
            "threads": None if values.get("threads") is None else int(values["threads"]),
            "run": text_or_none(values.get("run")),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionEnded(Content):
    """The supervisor leaves; ``exit_status`` is that of its command.

    ``concludes`` says whether ``Concluded`` is to follow, which it never is in earlier logs.
    """

    kind: ClassVar[str] = "session_ended"
    wall_seconds: float
    exit_status: int
    concludes: bool = False

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "wall_seconds": float(values["wall_seconds"]),
            "exit_status": int(values["exit_status"]),
            "concludes": bool(values.get("concludes", False)),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Concluded(Content):
    """All that follows a session's end is done: the report, MLflow, the promotion."""

    kind: ClassVar[str] = "concluded"

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class TestRead(Content):
    """The test split was read for a trial: ``correct`` of ``images``, and why it was read."""

    __test__: ClassVar[bool] = False  # so that pytest does not take it for a test
    kind: ClassVar[str] = "test_read"
    trial: int
    accuracy: float
    correct: int
    images: int
    reason: str

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "trial": int(values["trial"]),
            "accuracy": float(values["accuracy"]),
            "correct": int(values["correct"]),
            "images": int(values["images"]),
            "reason": str(values["reason"]),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryChanged(Content):
    """Numbers of ``summary.json`` at a moment, so that their course can be drawn.

    Parameters
    ----------
    ended
        Trials that had ended by then.
    metrics
        Value by tracking name.
    """

    kind: ClassVar[str] = "summary"
    ended: int
    metrics: dict[str, float]

    @classmethod
    def _arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"ended": int(values["ended"]), "metrics": numbers(values["metrics"])}


TrialContent = Started | Measured | EpochEnded | SystemSampled | Ended | ModelKept
SweepContent = SessionStarted | SessionEnded | Concluded | TestRead | SummaryChanged

_CONTENTS: dict[str, type[TrialContent | SweepContent]] = {
    content.kind: content
    for content in (
        Started, Measured, EpochEnded, SystemSampled, Ended, ModelKept,
        SessionStarted, SessionEnded, Concluded, TestRead, SummaryChanged,
    )
}  # fmt: skip


def record(log: EventLog, content: TrialContent | SweepContent) -> Event:
    """Append a content to its log; see ``EventLog.append`` for what can go wrong."""
    return log.append(content.kind, **content.to_values())


def content_of(event: Event) -> TrialContent | SweepContent | None:
    """Return what an event says; None for a kind of another version, or damaged values."""
    kind = _CONTENTS.get(event.kind)
    if kind is None:
        return None
    try:
        return kind.from_values(event.values)
    except StorageError:
        return None
