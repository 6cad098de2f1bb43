"""How a sweep goes, from its folder's files alone; ``sweep`` and ``status`` show it alike."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.errors import StorageError
from pipeline.core.finalists import choose_finalists
from pipeline.core.records import front_records
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import count_outcomes
from pipeline.core.trial import Outcome, RunKey, TrialRecord
from pipeline.reporting.files import CONFIG_NAME
from pipeline.reporting.time_left import seconds_left
from pipeline.tracking.event_log import Event, read_from, sweep_log_path, training_log_paths
from pipeline.tracking.events import SessionEnded, SessionStarted, content_of
from pipeline.tracking.story import TrialStory, trial_story


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


@dataclass
class _Log:
    """A log that was read so far."""

    offset: int = 0
    events: list[Event] = field(default_factory=list)

    def read(self, path: Path) -> bool:
        """Read what is new; False where nothing is."""
        new, self.offset = read_from(path, self.offset)
        self.events += new
        return bool(new)


class ProgressReader:
    """Reads a sweep's progress again and again; only what is new is read from the disk.

    Parameters
    ----------
    sweep_dir
        The sweep's folder; its logs may not be there yet.
    clock
        Seconds since the epoch, UTC.
    supervised
        Whether somebody runs the sweep on that host now; a log whose last session has no end
        does not tell, as its supervisor may have been killed.
    """

    def __init__(
        self,
        sweep_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        supervised: Callable[[str], bool] = lambda host: True,
    ) -> None:
        self._dir = sweep_dir
        self._clock = clock
        self._supervised = supervised
        self._sweep_log = _Log()
        self._logs: dict[RunKey, _Log] = {}
        self._stories: dict[RunKey, TrialStory] = {}
        self._settings = _Settings()
        self._settings_changed: int | None = None

    @property
    def stories(self) -> list[TrialStory]:
        """What is known of each trial of the search as of the last ``read``, by number."""
        return [self._stories[run] for run in sorted(self._stories) if not run.repetition]

    @property
    def further(self) -> list[TrialStory]:
        """What is known of the further trainings of finalists, by number and repetition."""
        return [self._stories[run] for run in sorted(self._stories) if run.repetition]

    def read(self) -> SweepProgress:
        """Return the progress now.

        Raises
        ------
        StorageError
            There is no such sweep, or its files cannot be read.
        """
        if not self._dir.is_dir():
            raise StorageError(f"there is no sweep {self._dir.name} in {self._dir.parent}")
        self._sweep_log.read(sweep_log_path(self._dir))
        for run, path in training_log_paths(self._dir).items():
            log = self._logs.setdefault(run, _Log())
            if log.read(path) and (story := trial_story(log.events)) is not None:
                self._stories[run] = story
        settings = self._read_settings()
        session = _Session.of(self._sweep_log.events, supervised=self._supervised)
        return _progress(
            self._dir.name, self.stories, self.further, settings, session, now=self._clock()
        )

    def _read_settings(self) -> "_Settings":
        """Read the configuration where it is new: another session may change the budget."""
        path = self._dir / CONFIG_NAME
        changed = path.stat().st_mtime_ns if path.exists() else None
        if changed != self._settings_changed:
            self._settings, self._settings_changed = _Settings.read(self._dir), changed
        return self._settings


def read_progress(
    sweep_dir: Path,
    *,
    clock: Callable[[], float] = time.time,
    supervised: Callable[[str], bool] = lambda host: True,
) -> SweepProgress:
    """Return a sweep's progress now; see ``ProgressReader``."""
    return ProgressReader(sweep_dir, clock=clock, supervised=supervised).read()


def read_records(sweep_dir: Path) -> list[TrialRecord]:
    """Return what the event logs know of every trial, by number, running ones included.

    Raises
    ------
    StorageError
        There is no such sweep, or its files cannot be read.
    """
    return [item for item in read_trainings(sweep_dir) if not item.specification.repetition]


def read_trainings(sweep_dir: Path) -> list[TrialRecord]:
    """Return the records of every trial, then those of the further trainings of finalists.

    Raises
    ------
    StorageError
        As ``read_records``.
    """
    reader = ProgressReader(sweep_dir)
    reader.read()
    return [story.record for story in (*reader.stories, *reader.further)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Settings:
    """What the configuration says, None where it is not known."""

    budget: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    costs: tuple[str, ...] = ("epoch_seconds",)
    limits: Mapping[str, float] = field(default_factory=dict)
    rule: RuleSettings = field(default_factory=RuleSettings)
    finalists: int = 0
    among_all: bool = False
    seeds: int = 0

    @classmethod
    def read(cls, sweep_dir: Path) -> "_Settings":
        """Read the values that matter here from the resolved configuration."""
        path = sweep_dir / CONFIG_NAME
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls(
                budget=int(values["search"]["trials"]),
                epochs=int(values["training"]["epochs"]),
                minutes=values["search"].get("minutes"),
                costs=tuple(map(str, values["objective"]["costs"])),
                limits={
                    name: float(most)
                    for name, most in values["objective"].get("limits", {}).items()
                    if most is not None
                },
                rule=_rule(values["objective"]),
                finalists=int(values.get("finalists", {}).get("limit", 0)),
                among_all=values.get("finalists", {}).get("among") == "all",
                seeds=int(values.get("finalists", {}).get("seeds", 0)),
            )
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
        except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
            raise StorageError(f"{path} is damaged: it is no configuration of a sweep") from error


def _rule(objective: Mapping[str, Any]) -> RuleSettings:
    budget, price = objective.get("budget"), objective.get("price")
    return RuleSettings(
        name=str(objective.get("rule", "auto")),
        budget=None if budget is None else float(budget),
        price=None if price is None else float(price),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Session:
    """The supervisor's present session, or what remains of earlier ones."""

    started: float | None = None
    workers: int = 1
    earlier_seconds: float = 0.0

    @classmethod
    def of(cls, events: Sequence[Event], *, supervised: Callable[[str], bool]) -> "_Session":
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


def _progress(
    sweep: str,
    stories: Sequence[TrialStory],
    further: Sequence[TrialStory],
    settings: _Settings,
    session: _Session,
    *,
    now: float,
) -> SweepProgress:
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


def _finalists(records: Sequence[TrialRecord], settings: _Settings) -> int:
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
