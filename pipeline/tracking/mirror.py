"""The mirror: the only writer to MLflow, fed from the event logs of one sweep.

A pass compares what the logs and the sweep's folder say with what was mirrored before, which
each MLflow run itself keeps in a tag, and writes the difference. So a pass that is repeated
changes nothing, one that fails on its way is made good by the next, and a store that was
deleted is rebuilt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout

from pipeline.config import Config, command
from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.tracking.event_log import read, sweep_log_path, training_log_paths
from pipeline.tracking.events import Concluded
from pipeline.tracking.failure import (
    failure_details,
    failure_sentence,
    is_unanswered,
    refusal_sentence,
)
from pipeline.tracking.ownership import Owner, owner_of
from pipeline.tracking.projection import RunView, sweep_view, trial_view
from pipeline.tracking.refusals import Refusals
from pipeline.tracking.run_content import read_summary, sweep_content, trial_content
from pipeline.tracking.run_state import KnownRun, RunContent
from pipeline.tracking.store import artifact_location, is_missing, open_client
from pipeline.tracking.sweep_facts import SweepFacts

if TYPE_CHECKING:
    from pipeline.tracking.runs import SweepRuns

#: What the names of all experiments start with.
EXPERIMENT_PREFIX = "sweetspot-"
#: In a sweep's folder.
MIRROR_LOCK = ".mirror.lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncReport:
    """What one pass did.

    Parameters
    ----------
    runs
        Runs that the sweep should have, its own included.
    updated
        Runs that were written to.
    failure
        Why the pass is not complete, in one sentence; None where it is.
    refused
        Why runs lack artifacts although all else of them is there, in one sentence; None where
        they lack none. It may last, and concerns nobody who does not need these.
    details
        The traceback of what went wrong and is ours: not the user's, MLflow's or the network's.
    """

    runs: int = 0
    updated: int = 0
    failure: str | None = None
    refused: str | None = None
    details: str | None = None


def experiment_name(data_name: str) -> str:
    """Return the name of the MLflow experiment for a data set."""
    return f"{EXPERIMENT_PREFIX}{data_name}"


def mirror_lock(sweep_dir: Path) -> FileLock:
    """Return the lock that whoever writes a sweep to MLflow holds."""
    return FileLock(sweep_dir / MIRROR_LOCK, timeout=0, thread_local=False)


class Mirror:
    """Brings one sweep to MLflow; nothing is opened before the first pass.

    Parameters
    ----------
    sweep_dir
        The sweep's folder; its name is the sweep's.
    """

    def __init__(self, sweep_dir: Path, config: Config, description: DataDescription) -> None:
        self._sweep_dir = sweep_dir
        self._sweep = sweep_dir.name
        self._config = config
        self._data = description
        self._lock = mirror_lock(sweep_dir)
        self._runs: SweepRuns | None = None
        self._known: dict[RunKey | None, KnownRun] = {}
        self._seen: dict[RunKey, tuple[int, tuple[int, int]]] = {}
        self._refusals = Refusals()
        self._sweep_run_id: str | None = None

    def sync(self) -> SyncReport:
        """Do one pass; whatever goes wrong is in the report, and nothing is raised."""
        progress = _Progress()
        try:
            self._acquire()
            self._pass(progress)
        except Exception as error:
            # Whatever it is, a sweep does not end because of its mirror: it is reported.
            self._forget()
            return SyncReport(
                runs=progress.runs,
                updated=progress.updated,
                failure=self._sentence(error),
                refused=progress.refusal,
                details=failure_details(error),
            )
        return SyncReport(
            runs=progress.runs,
            updated=progress.updated,
            failure=progress.failure,
            refused=progress.refusal,
            details=progress.details,
        )

    def end_waiting(self) -> None:
        """Have the next pass try again whatever was refused, however often it was."""
        self._refusals.end_waiting()

    def sweep_run_id(self) -> str | None:
        """Return the ID of the sweep's own run; None before a pass has found or created it."""
        return self._sweep_run_id

    def close(self) -> None:
        """Let another process mirror this sweep."""
        self._forget()
        self._lock.release(force=True)

    def __enter__(self) -> Self:
        """Return the mirror itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the mirror."""
        self.close()

    def sync_command(self) -> str:
        """Return the command that brings MLflow what it lacks of this sweep."""
        return command(self._config, "sync", self._sweep)

    def _sentence(self, error: Exception) -> str:
        return failure_sentence(error, self._config, self._sweep)

    def _acquire(self) -> None:
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StorageError(
                f"another process is bringing {self._sweep} to MLflow, which it goes on doing"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{self._lock.lock_file} cannot be created: {error.strerror or error}"
            ) from error

    def _forget(self) -> None:
        """Look again at what MLflow has, before anything else is written."""
        self._runs = None
        self._known = {}
        self._seen = {}

    def _pass(self, progress: "_Progress") -> None:
        self._refusals.begin_pass()
        summary = None
        try:
            summary = read_summary(self._sweep_dir)
        except StorageError as error:
            progress.fail(str(error))
        # That all is done is written when MLflow has all, and is nothing that it would show.
        written = read(sweep_log_path(self._sweep_dir))
        sweep_events = [event for event in written if event.kind != Concluded.kind]
        logs = training_log_paths(self._sweep_dir)
        fingerprint = self._data.fingerprint
        facts = SweepFacts.of(sweep_events)
        first = None if facts.commits else _first_start(logs)
        view = sweep_view(self._sweep, fingerprint, sweep_events, facts, first)
        if view is None:
            return
        self._open(lambda: (view.started, *_starts(logs)))
        parent = self._write(None, sweep_content(self._sweep_dir, view, summary), None, progress)
        if self._sweep_run_id != parent.run_id and self._runs is not None:
            self._runs.share_view(parent, self._config.objective.costs)
        self._sweep_run_id = parent.run_id
        for run, path in logs.items():
            seen = (path.stat().st_size, facts.version_for(run.number))
            if self._seen.get(run) == seen and not self._refusals.is_due(run):
                progress.runs += 1
                progress.lack(self._refusals.reason(run))
                continue
            trial = trial_view(self._sweep, fingerprint, read(path), facts)
            if trial is None:
                continue
            try:
                self._mirror_trial(run, trial, parent.run_id, progress)
            except Exception as error:
                if not _concerns_one_run(error):
                    raise
                progress.fail(self._sentence(error))
            else:
                self._seen[run] = seen
        if progress.failure is not None:
            self._forget()

    def _open(self, starts: Callable[[], tuple[float, ...]]) -> None:
        """Open MLflow and find this sweep's runs, where that is not done yet.

        ``starts`` tells the moments at which it may have been begun.
        """
        if is_missing(self._config):
            self._forget()
        if self._runs is not None:
            return
        client = open_client(self._config)
        # Imports MLflow, which takes seconds: not before there is something to mirror.
        from pipeline.tracking.runs import SweepRuns

        experiment, owner = experiment_name(self._data.name), owner_of(self._sweep_dir)
        self._runs = SweepRuns(
            client,
            experiment,
            artifact_location(self._config, experiment),
            self._sweep,
            owner=Owner(digest=owner.digest if owner else None, starts=starts()),
            shared=self._config.tracking.uri is not None,
            renaming=command(self._config, "clean", f"rename={self._sweep}:NEW"),
        )
        self._known = self._runs.find()

    def _mirror_trial(
        self, run: RunKey, view: RunView, parent_id: str, progress: "_Progress"
    ) -> None:
        known = self._known.get(run)
        if known is not None and self._runs is not None:
            known = self._known[run] = self._runs.put_below(known, parent_id)
        done = known.mirrored if known is not None else None
        waits = self._refusals.waits(run)
        if done and done.position == view.position and (done.complete or waits):
            progress.runs += 1
            if not done.complete:
                self._refusals.postpone(run)
            progress.lack(self._refusals.reason(run))
            return
        content = trial_content(self._sweep_dir, view, self._config, self._data.fingerprint)
        self._write(run, content, parent_id, progress)

    def _write(
        self,
        run: RunKey | None,
        content: RunContent,
        parent_id: str | None,
        progress: "_Progress",
    ) -> KnownRun:
        """Bring one run up to its content; how far it is, is kept with it last.

        Artifacts that were refused wait, and nothing waits for them.
        """
        assert self._runs is not None
        progress.runs += 1
        known = self._known.get(run)
        if known is not None and known.mirrored == content.mirrored:
            self._refusals.settle(run)
            return known
        waits = self._refusals.waits(run)
        if known is None:
            known = self._runs.create(content.view, parent_id)
        elif waits and known.mirrored and known.mirrored.position == content.view.position:
            self._refusals.postpone(run)
            progress.lack(self._refusals.reason(run))
            return known
        written, refused = self._runs.write(known, content, self._data, artifacts=not waits)
        self._known[run] = written
        progress.updated += 1
        if refused is not None:
            # Where some files were taken, now or before, it is the next one's fault.
            answered = bool(_files(written)) or not is_unanswered(refused)
            sentence = refusal_sentence(refused, self._config, self._sweep)
            self._refusals.add(run, sentence, answered=answered)
        elif waits:
            self._refusals.postpone(run)
        else:
            self._refusals.settle(run)
            if _files(written) != _files(known):
                self._refusals.reach()
        progress.lack(self._refusals.reason(run), refused)
        return written


@dataclass(kw_only=True)
class _Progress:
    """What a pass has done so far; the first failure is the one that is told.

    After a failure MLflow is looked through again; after a refused artifact it is not.
    """

    runs: int = 0
    updated: int = 0
    failure: str | None = None
    refusal: str | None = None
    details: str | None = None

    def fail(self, sentence: str) -> None:
        if self.failure is None:
            self.failure = sentence

    def lack(self, sentence: str | None, error: Exception | None = None) -> None:
        """Note why a run lacks artifacts, where it does."""
        if self.refusal is None:
            self.refusal = sentence
        if error is not None and self.details is None:
            self.details = failure_details(error)


def _files(run: KnownRun) -> Mapping[str, str]:
    return {} if run.mirrored is None else run.mirrored.files


def _first_start(logs: Mapping[RunKey, Path]) -> float | None:
    """Return when the first trial started, for a sweep whose own log does not know."""
    return min(_starts(logs), default=None)


def _starts(logs: Mapping[RunKey, Path]) -> list[float]:
    return [event.time for path in logs.values() for event in read(path)[:1]]


def _concerns_one_run(error: Exception) -> bool:
    """Return whether other runs may still succeed: a run in the trash, a value MLflow refuses."""
    code = getattr(error, "error_code", None)
    return isinstance(error, StorageError) or code in (
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
    )
