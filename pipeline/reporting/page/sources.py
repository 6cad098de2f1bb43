"""What the page is made from: a sweep's files, read once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.core.trial import RunKey, TrialRecord
from pipeline.reporting.compare import Answers, read_answers
from pipeline.reporting.comparison import read_comparison
from pipeline.reporting.exports import read_exports
from pipeline.reporting.files import CONFIG_NAME, read_summary
from pipeline.reporting.kept_maps import KeptMaps, kept_maps_name
from pipeline.reporting.mistakes import Mistakes, mistakes_name
from pipeline.reporting.right_answers import read_answers as read_right_answers
from pipeline.reporting.sentence import Comparison
from pipeline.tracking.event_log import Event, read, sweep_log_path, training_log_paths
from pipeline.tracking.events import Ended, Started, content_of
from pipeline.tracking.story import TrialStory, trial_story


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """The time that a worker spent on a trial.

    Parameters
    ----------
    again
        It is a further training of a finalist.
    ended
        Seconds since the epoch; of the last event where the attempt has no end.
    outcome
        None while it runs, or where the worker was lost.
    """

    trial: int
    worker: str
    host: str
    started: float
    ended: float
    outcome: str | None
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """The sweet spot or a reference.

    Parameters
    ----------
    title
        ``sweet spot``, ``cnn reference``, …; both where they are one.
    values
        As ``summary.json`` has them.
    """

    title: str
    trial: int
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportSources:
    """The values of one report.

    Parameters
    ----------
    sweep_dir
        The sweep's folder, for commands that are shown.
    summary
        The content of ``summary.json``.
    stories
        Of every trial, by number.
    attempts
        Of every training, those of finalists included.
    importance
        The content of ``importance.json``.
    config_text
        The resolved configuration; None where there is none.
    answers, mistakes
        By trial number, of those for which test was read.
    maps
        By trial number, of those of them that have convolutions.
    exports
        As ``pipeline.core.exports`` has them, of the networks that were exported.
    further
        The further trainings of finalists.
    validation_right
        By trial number, of the sweet spot and the references, as far as they are kept: whether
        each validation image was classified rightly, shape ``(images,)``.
    written
        When, in seconds since the epoch.
    """

    sweep_dir: Path
    summary: Mapping[str, Any]
    stories: Sequence[TrialStory]
    attempts: Sequence[Attempt]
    sweep_events: Sequence[Event]
    importance: Mapping[str, Any]
    written: float
    comparison: Comparison | None = None
    config_text: str | None = None
    answers: Mapping[int, Answers] = field(default_factory=dict)
    mistakes: Mapping[int, Mistakes] = field(default_factory=dict)
    maps: Mapping[int, KeptMaps] = field(default_factory=dict)
    exports: Sequence[Mapping[str, Any]] = ()
    further: Sequence[TrialRecord] = ()
    validation_right: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def records(self) -> list[TrialRecord]:
        """Every trial, by number."""
        return [story.record for story in self.stories]

    @property
    def networks(self) -> list[Network]:
        """The sweet spot, then the references that were trained: the cnn, then the dnn."""
        spot, references = self.summary["sweet_spot"], self.summary["references"]
        found = [Network(title="sweet spot", trial=spot["trial"], values=spot)] if spot else []
        for name in ("cnn", "dnn"):
            values = references[name]
            if values["trial"] is None:
                continue
            if spot and values["trial"] == spot["trial"]:
                title = f"sweet spot and {name} reference"
                found[0] = Network(title=title, trial=spot["trial"], values=spot)
            else:
                title = f"{name} reference"
                found.append(Network(title=title, trial=values["trial"], values=values))
        return found

    @classmethod
    def read(cls, sweep_dir: Path, *, clock: Callable[[], float] = time.time) -> "ReportSources":
        """Read a sweep's folder.

        Raises
        ------
        StorageError
            There is no such sweep, it has no summary yet, or a file is damaged.
        """
        from pipeline.search.importance import importance_summary

        summary = read_summary(sweep_dir)
        every = {run: read(path) for run, path in training_log_paths(sweep_dir).items()}
        logs = [events for run, events in every.items() if not run.repetition]
        again = [events for run, events in every.items() if run.repetition]
        stories = _stories(logs)
        spot = summary["sweet_spot"]
        tested = {spot["trial"]} if spot else set()
        tested |= {reference["trial"] for reference in summary["references"].values()} - {None}
        config = sweep_dir / CONFIG_NAME
        answers = {number: read_answers(sweep_dir, number) for number in tested}
        mistakes = {n: Mistakes.read(sweep_dir / mistakes_name(n)) for n in tested}
        maps = {n: KeptMaps.read(sweep_dir / kept_maps_name(n)) for n in tested}
        right = read_right_answers(sweep_dir, map(RunKey, tested), summary["data"]["validation"])
        return cls(
            sweep_dir=sweep_dir,
            summary=summary,
            stories=stories,
            attempts=[attempt for events in (*logs, *again) for attempt in attempts_of(events)],
            sweep_events=read(sweep_log_path(sweep_dir)),
            importance=importance_summary([s.record for s in stories], summary["costs"]),
            written=clock(),
            comparison=read_comparison(sweep_dir, spot["trial"] if spot else None),
            config_text=config.read_text("utf-8", "replace") if config.is_file() else None,
            answers={n: known for n, known in answers.items() if known is not None},
            mistakes={n: known for n, known in mistakes.items() if known is not None},
            maps={n: known for n, known in maps.items() if known is not None},
            exports=read_exports(sweep_dir),
            further=[story.record for story in _stories(again)],
            validation_right={run.number: known for run, known in right.items()},
        )


def limits_of(sources: ReportSources) -> dict[str, float]:
    """Return the objective's limits by cost name; none where the configuration is not known."""
    try:
        limits = yaml.safe_load(sources.config_text or "")["objective"]["limits"]
        return {str(name): float(most) for name, most in limits.items() if most is not None}
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError):
        return {}


def _stories(logs: Sequence[Sequence[Event]]) -> list[TrialStory]:
    return [story for events in logs if (story := trial_story(events)) is not None]


def attempts_of(events: Sequence[Event]) -> list[Attempt]:
    """Return the attempts that a trial's log tells of, in order."""
    found: list[Attempt] = []
    begun: Started | None = None
    since = last = 0.0

    def close(outcome: str | None) -> None:
        if begun is not None:
            found.append(
                Attempt(
                    trial=begun.specification.number,
                    worker=begun.worker,
                    host=begun.host,
                    started=since,
                    ended=max(last, since),
                    outcome=outcome,
                    again=begun.specification.repetition > 0,
                )
            )

    for event in events:
        content = content_of(event) if event.kind in (Started.kind, Ended.kind) else None
        if isinstance(content, Started):
            close(None)
            begun, since = content, event.time
        if isinstance(content, Ended):
            # Of a lost worker somebody else writes it, when it is found, perhaps a night later.
            last = content.record.ended or last
        elif event.kind != "model":  # that a model is removed happens long after its trial
            last = event.time
        if isinstance(content, Ended):
            outcome = content.record.outcome
            close(None if outcome is None else outcome.value)
            begun = None
    close(None)
    return found
