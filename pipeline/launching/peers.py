"""A supervisor among equals: tasks of a job array, pods, or hosts that share one sweep.

Every peer keeps its own workers going. One of them leads, whoever holds the supervisor's lock:
it mirrors to MLflow and queues the trials of lost workers again. When the leader leaves or is
lost, the next peer that asks leads. Whoever is last ends the sweep.
"""

import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import ClassVar

from pipeline.core.errors import AGAIN_STATUS, SIGNAL_STATUS, StorageError, SweetspotError
from pipeline.launching.holder import SupervisorLock
from pipeline.launching.local import LocalSupervisor
from pipeline.launching.planning import set_up
from pipeline.launching.presence import (
    Presence,
    is_supervised,
    leaving_lock,
    living,
    make_folder,
    take,
)
from pipeline.launching.provenance import git_commit, versions
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions, this_run
from pipeline.launching.worker import out_of_time
from pipeline.reporting.writing import write_report
from pipeline.search.opening import open_storage
from pipeline.search.storage import StorageLost, StudyStorage
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import Concluded, SessionEnded, SessionStarted, SweepContent, record
from pipeline.tracking.sync_loop import SyncLoop

_POLL_SECONDS = 0.2
#: Between two attempts to lead, and between a leader's two looks for lost workers.
_ROUND_SECONDS = 5.0
#: Longest wait for MLflow at the end, and when there is no time because we were told to leave.
_HURRIED_MIRROR_SECONDS = 3.0
#: How often the last peer starts workers again for what others left behind.
_MOST_ROUNDS = 5


@dataclass
class _Lead:
    """What the leading peer holds."""

    lock: SupervisorLock
    mirror: SyncLoop | None
    run_id: str | None = None


@dataclass
class Peer(LocalSupervisor):
    """One of several supervisors of the same sweep, on this machine or on others.

    The sweep's folder has to be on a file system whose locks hold between the machines: NFS
    from version 4 on, GPFS, Lustre mounted with ``flock``.

    Parameters
    ----------
    sets_up
        Whether the plan is still to be set up; one that was loaded is.
    trains
        Whether it keeps workers going; else it only does what is due at the end.
    """

    sets_up: bool = False
    trains: bool = True

    _told_by: ClassVar[tuple[signal.Signals, ...]] = (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGUSR2,
        signal.SIGHUP,
    )
    _lead: _Lead | None = None
    _rounds: int = 0
    #: When the session that we take part in began, as far as another peer has led it.
    _session: float | None = None
    #: When this peer came.
    _came: float = 0.0
    #: Whether this peer was the last one and has ended the sweep's session, or found it lost.
    ended: bool = False

    def run(self) -> int:
        """Work on the sweep until there is nothing left to do here.

        Returns
        -------
        int
            0 when nothing is left to do here, 1 when more trials failed than
            ``search.max_failed`` allows, ``AGAIN_STATUS`` when told to leave before, 130 after
            Ctrl-C.
        """
        folder = self.config.sweep_dir
        self._came = time.time()
        self._first_threads = Sessions.read(folder).threads
        with self._signals():
            try:
                status = self._work()
            except StorageLost:
                if not self._must_come_again():
                    raise
                # Nobody to say it to: whoever comes next finds what we leave behind.
                return AGAIN_STATUS
        return AGAIN_STATUS if self._must_come_again() else status

    def _must_come_again(self) -> bool:
        return self._signal in (signal.SIGTERM, signal.SIGUSR2)

    def _work(self) -> int:
        folder = self.config.sweep_dir
        if self._is_new():
            make_folder(folder)
        with ExitStack() as stack:
            with self._coming():
                alone = not living(folder, "peers")
                presence = stack.enter_context(Presence(folder, "peers"))
                if alone:
                    self._leave_behind_what_was_killed()
            try:
                return self._work_as(presence)
            except SweetspotError:
                # Of those that have waited together for a server, the last one tells.
                with leaving_lock(folder):
                    gives_up = presence.is_there and self._is_last(presence)
                    presence.release()
                self.ended |= gives_up and self._signal is None
                raise

    @contextmanager
    def _coming(self) -> Iterator[None]:
        """Hold the lock of who comes; who removes or renames the sweep holds it, too."""
        self._check_is_there()
        lock = leaving_lock(self.config.sweep_dir)
        try:
            take(lock)
        except StorageError:
            self._check_is_there()
            raise
        try:
            self._check_is_there()
            yield
        finally:
            lock.release()

    def _check_is_there(self) -> None:
        """Raise StorageError where the sweep was removed or renamed."""
        config = self.config
        if not (self._is_new() or (config.sweep_dir / "config.yaml").exists()):
            raise StorageError(f"the sweep {config.sweep_name} was removed or renamed meanwhile")

    def _is_new(self) -> bool:
        return self.sets_up and not self.plan.exists

    def _work_as(self, presence: Presence) -> int:
        storage = self._open_storage()
        if self.sets_up:
            self.plan = set_up(self.plan, storage)
        study = SweepStudy(self.config, self.plan.space, storage, self.plan.first)
        results = SweepResults(self.config, self.plan.description)
        status = 1
        try:
            # A task that starts late, when all is done, does not even look for work.
            done = not self.trains or self._is_finished(study, results) or self._is_too_late()
            staying = not done
            while staying:
                self._take_part(study, results, presence)
                staying = self._is_needed(study, results, presence)
            status = self._status(study)
        finally:
            self._stop_workers()
            self._recover(study, results)
            with leaving_lock(self.config.sweep_dir):
                last = self._is_last(presence)
                presence.release()  # whoever leaves next does not count on us
                if last:
                    self._end(study, results, status)
            self._hand_over()
        return status

    def _open_storage(self) -> StudyStorage:
        return open_storage(
            self.config, is_leaving=lambda: self._signal is not None, patient=not self.patient
        )

    def _is_too_late(self) -> bool:
        """Whether our scheduler's run has ended by ``search.minutes``, and has told of its end.

        Tasks that come to a place in the queue after that would each have the minutes anew. Where
        all were told to leave, nobody has told: whoever comes back has that to do.
        """
        minutes, run = self.config.search.minutes, this_run()
        sessions = Sessions.read(self.config.sweep_dir)
        if minutes is None or run is None or sessions.open_since is not None:
            return False
        was_told = (sessions.exit_status or 0) > SIGNAL_STATUS
        return not was_told and sessions.seconds_of(run) > 60 * minutes

    def verdict(self, since: float = math.inf) -> int | None:
        """Return the exit status of a sweep in which nothing is left to do; else None.

        Nothing is, either, where ``search.minutes`` have ended a session after ``since`` (in
        seconds since the epoch) that no worker's failure has ended.
        """
        study = SweepStudy(
            self.config, self.plan.space, self._open_storage(), first=self.plan.first
        )
        results = SweepResults(self.config, self.plan.description)
        if self._is_finished(study, results):
            return self._status(study)
        sessions = Sessions.read(self.config.sweep_dir)
        if self.config.search.minutes is None or sessions.last_ended <= since:
            return None
        status = self._status(study)
        return status if sessions.exit_status == status else None

    def _told(self, number: int, _frame: FrameType | None) -> None:
        # Schedulers say it several times; only what said it first tells why.
        if self._signal is None:
            self._signal = number

    def _wanted_workers(self) -> int:
        return 1 if self.config.launch.kind == "slurm" else super()._wanted_workers()

    def _threads(self) -> int:
        launch = self.config.launch
        if launch.kind == "slurm" and launch.threads == "auto":
            return launch.cpus
        return super()._threads()

    def _mirror_patience(self) -> float:
        return super()._mirror_patience() if self._signal is None else _HURRIED_MIRROR_SECONDS

    def _log_name(self) -> str:
        # Peers on several machines write into the same folder.
        return f"worker-{socket.gethostname().partition('.')[0]}-{os.getpid()}"

    def _take_part(self, study: SweepStudy, results: SweepResults, presence: Presence) -> None:
        # First, so that workers find a session that is open, and how much of its time is left.
        self._lead = self._lead or self._try_to_lead(presence)
        self._start_workers(self._wanted_workers())
        looked = -_ROUND_SECONDS
        while self._workers and self._signal is None:
            if time.monotonic() - looked > _ROUND_SECONDS:
                looked = time.monotonic()
                self._lead = self._lead or self._try_to_lead(presence)
                if self._lead is not None:
                    self._look_after(study, results, self._lead)
                with suppress(SweetspotError):  # to see how it goes is no reason to end it
                    self.show()
            time.sleep(_POLL_SECONDS)
            self._reap(study, results)

    def _is_needed(self, study: SweepStudy, results: SweepResults, presence: Presence) -> bool:
        """Whether the last peer has to stay: somebody left a trial behind, or test to read."""
        self._recover(study, results)
        if self._signal is not None or not self._is_last(presence):
            return False
        self._rounds += 1
        if out_of_time(self.config):
            left = study.is_idle() and self._is_test_due(study, results)
        else:
            done = study.is_done()
            left = bool(study.waiting()) or (done and not self._is_finished(study, results))
        return left and self._rounds < _MOST_ROUNDS

    def _is_last(self, presence: Presence) -> bool:
        return living(self.config.sweep_dir, "peers") <= {presence.name}

    def _try_to_lead(self, presence: Presence) -> _Lead | None:
        folder = self.config.sweep_dir
        lock = SupervisorLock(folder)
        if not lock.acquire(wait=False):
            self._session = Sessions.read(folder).open_since
            return None
        # A session that is open goes on, unless everybody who took part in it is gone. We did if
        # it began beside us; who led it may not have said so yet when we asked to lead.
        began = Sessions.read(folder).open_since
        took_part = began is not None and (began == self._session or began >= self._came)
        if began is None or (not took_part and self._is_last(presence)):
            self._open_session()
        return _Lead(lock=lock, mirror=self._start_mirror())

    def _leave_behind_what_was_killed(self) -> None:
        """Begin a session where everybody of the one that is open is gone.

        Whoever comes next finds us here, and would take it for ours.
        """
        folder = self.config.sweep_dir
        if Sessions.read(folder).open_since is not None and not is_supervised(folder):
            self._open_session()

    def _open_session(self) -> None:
        launch = self.config.launch
        self._record(
            SessionStarted(
                workers=launch.workers if launch.kind == "slurm" else self._wanted_workers(),
                threads=self._threads(),
                host=os.uname().nodename,
                versions=versions(),
                git_commit=git_commit(),
                run=this_run(),
            )
        )

    def _look_after(self, study: SweepStudy, results: SweepResults, lead: _Lead) -> None:
        self._recover(study, results)
        if lead.run_id is None and lead.mirror is not None:
            lead.run_id = lead.mirror.mirror.sweep_run_id()
            if lead.run_id is not None:
                results.refresh(study, lead.run_id)

    def _end(self, study: SweepStudy, results: SweepResults, status: int) -> None:
        """End the session that is open, and do what follows, also where who ended it was killed."""
        folder = self.config.sweep_dir
        sessions = Sessions.read(folder)
        began = sessions.open_since
        if began is None and sessions.is_concluded:
            return
        if self._must_come_again() and self._is_finished(study, results):
            return  # it comes again, and then there is time for the report and all that follows
        if began is not None:
            results.complete_logs(study)
            seconds = max(0.0, time.time() - began)
            self._record(SessionEnded(wall_seconds=seconds, exit_status=status, concludes=True))
        results.refresh(study)
        if self._signal is not None:  # no time for more
            return
        self.ended = True
        write_report(folder)
        if self._lead is None:
            lock = SupervisorLock(folder)
            lock.acquire(wait=True)  # a leader that is leaving still brings MLflow up to date
            self._lead = _Lead(lock=lock, mirror=self._start_mirror())
        mirror = self._lead.mirror
        if mirror is not None:
            mirror.close(self._mirror_patience)
            results.refresh(study, mirror.mirror.sweep_run_id())
        self._promote(status, mirror)
        self._record(Concluded())

    def _record(self, content: SweepContent) -> None:
        with EventLog(sweep_log_path(self.config.sweep_dir)) as log:
            record(log, content)

    def _hand_over(self) -> None:
        """Let another peer lead."""
        if self._lead is None:
            return
        mirror = self._lead.mirror
        if mirror is not None and not mirror.is_late:  # who was waited for already
            mirror.close(self._mirror_patience)
        self._lead.lock.release()
