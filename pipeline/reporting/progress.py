"""Reads how a sweep goes from its folder's files alone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.errors import StorageError
from pipeline.core.selection import RuleSettings
from pipeline.core.trial import RunKey, TrialRecord
from pipeline.reporting.files import CONFIG_NAME
from pipeline.reporting.sweep_progress import Session, Settings, SweepProgress, sweep_progress
from pipeline.tracking.event_log import Event, read_from, sweep_log_path, training_log_paths
from pipeline.tracking.story import TrialStory, trial_story


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
        Whether somebody runs the sweep on that host now, of which nothing was heard for so many
        seconds; a log whose last session has no end does not tell, as its supervisor may have been
        killed.
    """

    def __init__(
        self,
        sweep_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        supervised: Callable[[str, float], bool] = lambda host, silent_seconds: True,
    ) -> None:
        self._dir = sweep_dir
        self._clock = clock
        self._supervised = supervised
        self._sweep_log = _Log()
        self._logs: dict[RunKey, _Log] = {}
        self._stories: dict[RunKey, TrialStory] = {}
        self._settings = Settings()
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
        now = self._clock()
        session = Session.of(
            self._sweep_log.events,
            supervised=lambda host: self._supervised(host, now - self._last_time()),
        )
        return sweep_progress(
            self._dir.name, self.stories, self.further, settings, session, now=now
        )

    def _last_time(self) -> float:
        """Return when something was last written into any log, as whoever wrote it says."""
        logs = (self._sweep_log, *self._logs.values())
        return max((log.events[-1].time for log in logs if log.events), default=0.0)

    def _read_settings(self) -> Settings:
        """Read the configuration where it is new: another session may change the budget."""
        path = self._dir / CONFIG_NAME
        changed = path.stat().st_mtime_ns if path.exists() else None
        if changed != self._settings_changed:
            self._settings, self._settings_changed = _settings(self._dir), changed
        return self._settings


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


def _settings(sweep_dir: Path) -> Settings:
    """Return what the resolved configuration says that matters here."""
    path = sweep_dir / CONFIG_NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Settings(
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
        return Settings()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        raise StorageError(f"{path} is damaged: it is no configuration of a sweep") from error


def _rule(objective: Mapping[str, Any]) -> RuleSettings:
    def given(name: str) -> float | None:
        value = objective.get(name)
        return None if value is None else float(value)

    return RuleSettings(
        name=str(objective.get("rule", "auto")),
        budget=given("budget"),
        least_accuracy=given("least_accuracy"),
        price=given("price"),
    )
