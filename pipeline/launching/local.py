"""The local supervisor: starts workers, replaces the dead, shows progress, ends cleanly."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import ClassVar

from pipeline.config import Config
from pipeline.core.errors import SweetspotError
from pipeline.core.trial import Outcome
from pipeline.launching.devices import lock_name, memory_share, shared_out, workers_with
from pipeline.launching.evaluation import is_due
from pipeline.launching.forking import Assignment, WorkerProcess, prepare
from pipeline.launching.holder import SupervisorLock, SweepBusy
from pipeline.launching.live_report import LiveReport
from pipeline.launching.planning import SweepPlan, set_up
from pipeline.launching.presence import Presence, note_told
from pipeline.launching.promotion import left_to_promote, promote_at_end
from pipeline.launching.provenance import git_commit, versions
from pipeline.launching.recovery import recover_lost
from pipeline.launching.results import SweepResults
from pipeline.launching.running_worker import RunningWorker
from pipeline.launching.sessions import Sessions
from pipeline.launching.worker import RECYCLE_STATUS, out_of_time
from pipeline.measuring.automatic import automatic, settled_training
from pipeline.measuring.machine import this_machine
from pipeline.measuring.quiet import QuietLock
from pipeline.reporting.wording import counted
from pipeline.reporting.writing import write_page, write_report
from pipeline.search.opening import open_storage
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, record
from pipeline.tracking.sync_loop import SyncLoop, start_mirror

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 15.0
_DISPLAY_SECONDS = 1.0
#: Between two looks for trials of workers that are not ours.
_LOOK_SECONDS = 5.0
#: A worker that ends like this was asked wrongly, and would be again.
_REFUSED = 2
#: Longest wait for MLflow after the last trial; `sweetspot sync` finishes the rest.
_MIRROR_SECONDS = 120.0
#: And for whoever told the sweep to stop.
_HURRIED_MIRROR_SECONDS = 10.0


class WorkersFailed(SweetspotError):
    """Workers die faster than they train; the message holds the end of the last one's log."""


@dataclass
class LocalSupervisor:
    """Runs one sweep on this machine.

    Parameters
    ----------
    plan
        What to run.
    say
        Prints one line to the user.
    show
        Called about once a second while workers train.
    patient
        Whether to wait while somebody else runs the sweep; else ``SweepBusy`` is raised. Who does
        not is a scheduler, and waits instead for a storage server that is away.
    """

    plan: SweepPlan
    say: Callable[[str], None]
    show: Callable[[], None]
    patient: bool = True
    #: The signals that tell it to leave.
    _told_by: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    _workers: list[RunningWorker] = field(default_factory=list)
    _signal: int | None = None
    _restarts: int = 0
    _ended: int = 0
    _started: int = 0
    #: Compute threads of a worker when the sweep's first trials were measured, where that is known.
    _first_threads: int | None = None
    #: Whether lost trials were found since a worker died last.
    _recovered: bool = False

    def run(self) -> int:
        """Run the sweep to its budget; return the exit status.

        Returns
        -------
        int
            0 when the sweep is at its budget, 1 when more trials failed than
            ``search.max_failed`` allows, none is complete or none kept within the limits,
            128 + the signal's number when told to stop.
        """
        # Peers may join: whoever of them leaves is not the last one, and does not end our session.
        with self._alone(), self._signals(), Presence(self.config.sweep_dir, "peers"):
            return self._run()

    @property
    def config(self) -> Config:
        """The sweep's configuration."""
        return self.plan.config

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = SupervisorLock(self.config.sweep_dir)
        if not lock.acquire(wait=False):
            busy = f"{self.config.sweep_name} is being run by {lock.holder()}"
            if not self.patient:
                raise SweepBusy(f"{busy}; nothing was started")
            self.say(f"{busy}; waiting for it.")
            lock.acquire(wait=True)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self._told)
            for number in self._told_by
            # Whoever started it with nohup wants it to outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told(self, number: int, _frame: FrameType | None) -> None:
        # Told twice: no more patience. But of a closed terminal both the shell and the system tell.
        if self._signal is not None and number != signal.SIGHUP:
            self._signal_workers(signal.SIGKILL)
        self._signal = number

    def _run(self) -> int:
        folder = self.config.sweep_dir
        # Before anything is written, and before any worker: a fresh storage is set up once.
        storage = open_storage(
            self.config, is_leaving=lambda: self._signal is not None, patient=not self.patient
        )
        self.plan = set_up(self.plan, storage)
        study = SweepStudy(self.config, self.plan.space, storage, self.plan.first)
        results = SweepResults(self.config, self.plan.description)
        quiet = QuietLock(lock_name())
        began = time.monotonic()
        self._first_threads = Sessions.read(folder).threads
        with EventLog(sweep_log_path(folder)) as log:
            record(
                log,
                SessionStarted(
                    workers=self._wanted_workers(),
                    threads=self._threads(),
                    host=os.uname().nodename,
                    versions=versions(),
                    git_commit=git_commit(),
                ),
            )
            status = 1
            mirror = self._start_mirror()
            report = LiveReport(folder, write_page, quiet.training)
            try:
                self._recover(study, results)
                results.complete_logs(study)
                results.refresh(study)
                self._supervise(study, results, mirror)
                status = self._status(study)
            finally:
                try:
                    self._stop_workers()
                    report.close()
                    self._recover(study, results)
                    results.complete_logs(study)
                    seconds = time.monotonic() - began
                    record(log, SessionEnded(wall_seconds=seconds, exit_status=status))
                    results.refresh(study, mirror.mirror.sweep_run_id() if mirror else None)
                    write_report(folder)
                finally:
                    if mirror is not None:
                        mirror.close(self._mirror_patience)
            if mirror is not None:
                results.refresh(study, mirror.mirror.sweep_run_id())
        self._promote(status, mirror)
        return status

    def _promote(self, status: int, mirror: SyncLoop | None) -> None:
        """Do what ``promote=auto`` asks for at a sweep's end, or say why that is not done."""
        if self.config.promote == "manual" or not self.config.references:
            return
        if status == 0 and mirror is not None and mirror.is_late:
            self.say(left_to_promote(self.config))
        elif status == 0:
            self.say(promote_at_end(self.config))
        elif self._signal is None:
            self.say(
                "nothing is promoted: promote=auto tries what a sweep has found only where it ends "
                f"with status 0, not {status}"
            )

    def _mirror_patience(self) -> float:
        return _MIRROR_SECONDS if self._signal is None else _HURRIED_MIRROR_SECONDS

    def _start_mirror(self) -> SyncLoop | None:
        return start_mirror(self.config, self.plan.description, self.say)

    def _supervise(self, study: SweepStudy, results: SweepResults, mirror: SyncLoop | None) -> None:
        if self._is_finished(study, results):
            return
        left = self.config.search.trials - study.originals() + study.waiting()
        left = max(left, self._finalists_left(study, results))
        count = max(1, min(self._wanted_workers(), left))
        self._start_workers(count)
        shown, looked, run_id = 0.0, time.monotonic(), None
        # What workers leave that are not ours; where storage keeps heartbeats, ours look for it.
        no_beats = study.storage.heartbeat_seconds is None
        while self._workers and self._signal is None:
            time.sleep(_POLL_SECONDS)
            self._reap(study, results)
            if no_beats and time.monotonic() - looked > _LOOK_SECONDS:
                self._recover(study, results)
                looked = time.monotonic()
            if self._signal is None and time.monotonic() - shown > _DISPLAY_SECONDS:
                with suppress(SweetspotError):  # to see how it goes is no reason to end it
                    self.show()
                shown = time.monotonic()
                if run_id is None and mirror is not None:
                    run_id = mirror.mirror.sweep_run_id()
                    if run_id is not None:
                        results.refresh(study, run_id)

    def _reap(self, study: SweepStudy, results: SweepResults) -> None:
        """Let go of workers that have ended, and replace them where there is still work."""
        for worker in list(self._workers):
            status = worker.process.poll()
            if status is None:
                continue
            self._workers.remove(worker)
            if status not in (0, RECYCLE_STATUS):
                self._recover(study, results)
                ended = self._count_ended(study) or self._recovered
                self._recovered = False
                self._restarts = 1 if ended else self._restarts + 1
                if status == _REFUSED:  # in a sentence, as all commands do
                    said = worker.last_line().removeprefix("sweetspot: ")
                    raise WorkersFailed(
                        f"{said} (a worker's log, {worker.log.name}, ends with this)"
                    )
                if self._restarts > self._most_restarts():
                    raise WorkersFailed(
                        f"{self._restarts} workers died, the last with status {status}; the end "
                        f"of its log {worker.log}: {worker.last_line()}"
                    )
            if self._is_work_left(study, results, clean=status == 0):
                self._workers.append(self._start_worker())

    def _is_work_left(self, study: SweepStudy, results: SweepResults, *, clean: bool) -> bool:
        """Whether a worker that has gone, ``clean`` or not, is to be replaced."""
        if clean and self._workers:
            return False  # it found nothing to do, and the others do what they have
        open_trials = study.waiting() or not study.is_over()
        if not out_of_time(self.config) and (not clean or open_trials):
            return True
        if not study.is_idle():
            return False
        # Who has trained until it was to be replaced has not looked whether test is to be read.
        unread = not clean and self._is_test_due(study, results)
        return unread or self._finalists_left(study, results) > 0

    def _is_test_due(self, study: SweepStudy, results: SweepResults) -> bool:
        if not self.config.references:
            return False
        return is_due(self.config.sweep_dir, results.refresh(study))

    def _finalists_left(self, study: SweepStudy, results: SweepResults) -> int:
        """Return how many trainings of finalists nobody does yet, or at most will be due."""
        finalists = self.config.finalists
        if not (study.is_done() or out_of_time(self.config)):
            return finalists.limit * finalists.seeds
        return len(study.finalists.due(results.final_trainings(study)))

    def _most_restarts(self) -> int:
        # One after the other and no trial among them ended or lost: the machine is at fault. How
        # often a trial may lose its worker is `search.max_retries`.
        return 3 + 2 * self._wanted_workers()

    def _count_ended(self, study: SweepStudy) -> bool:
        """Whether a trial has ended since this was last asked."""
        records = (*study.records(), *study.finalists.records())
        before, self._ended = self._ended, sum(item.outcome is not None for item in records)
        return self._ended > before

    def _is_finished(self, study: SweepStudy, results: SweepResults) -> bool:
        if not study.is_done() or self._finalists_left(study, results):
            return False
        return not self._is_test_due(study, results)

    def _wanted_workers(self) -> int:
        workers = self.config.launch.workers
        if workers != "auto":
            return workers
        known, _ = self._automatic()
        if self.config.launch.threads == "auto" and self._first_threads is None:
            return known
        return min(known, workers_with(self._threads(), known, this_machine()))

    def _say_few_workers(self) -> None:
        """Say why there are fewer workers than the machine would have with smaller images."""
        if self.config.launch.workers != "auto":
            return
        held, usual = self._automatic()[0], automatic(self.config).workers
        if held < usual:
            self.say(
                f"{counted(self._wanted_workers(), 'worker')} with "
                f"{counted(self._threads(), 'thread')} each, and not {usual} workers: memory "
                "holds no more with these images."
            )

    def _automatic(self) -> tuple[int, int]:
        return shared_out(self.config, self.plan.description)

    def _say_other_threads(self) -> None:
        """Say where what will be measured does not compare with what was."""
        first = self._first_threads
        if first is not None and first != self._threads():
            self.say(
                f"{self.config.sweep_name} began with {counted(first, 'thread')} a worker, this "
                f"run has {self._threads()}: times of earlier trials and of these do not compare."
            )

    def _threads(self) -> int:
        threads = self.config.launch.threads
        if threads != "auto":
            return threads
        if self._first_threads is not None:
            return min(self._first_threads, this_machine().cores)
        if self.config.launch.workers == "auto":
            return self._automatic()[1]
        return max(1, this_machine().cores // self._wanted_workers())

    def _gpu_memory(self) -> float | None:
        gpus = len(this_machine().gpus)
        return memory_share(self.config.launch.gpu_memory, gpus, self._wanted_workers())

    def _log_name(self) -> str:
        return "worker"

    def _start_workers(self, count: int) -> None:
        self._say_few_workers()
        self._say_other_threads()
        ready = prepare()
        while not ready.wait(_POLL_SECONDS):
            if self._signal is not None:
                return
        for _ in range(count):
            self._workers.append(self._start_worker())

    def _start_worker(self) -> RunningWorker:
        self._started += 1
        logs = self.config.sweep_dir / "logs"
        logs.mkdir(exist_ok=True)
        log = logs / f"{self._log_name()}-{self._started:03d}.log"
        training = settled_training(self.config.training, automatic(self.config))
        # Neither is auto any more.
        assert training.jit_compile != "auto" and training.steps_per_execution != "auto"
        assignment = Assignment(
            mlruns=self.config.mlruns,
            sweep=str(self.config.sweep_name),
            threads=self._threads(),
            gpu_memory=self._gpu_memory(),
            jit_compile=training.jit_compile,
            steps_per_execution=training.steps_per_execution,
            log=log,
        )
        gpus = [worker.process.gpu for worker in self._workers]
        start = log.stat().st_size if log.exists() else 0
        return RunningWorker(process=WorkerProcess(assignment, gpus), log=log, log_start=start)

    def _signal_workers(self, number: int) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                note_told(self.config.sweep_dir, worker.process.pid)
                worker.process.send_signal(number)

    def _stop_workers(self) -> None:
        """Tell the workers to leave, and end those that do not within the grace time."""
        self._signal_workers(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for worker in self._workers:
            worker.process.end(max(0.0, deadline - time.monotonic()))
        self._workers = []

    def _recover(self, study: SweepStudy, results: SweepResults) -> None:
        self._recovered |= bool(recover_lost(self.config.sweep_dir, study, results))

    def _status(self, study: SweepStudy) -> int:
        if self._signal is not None:
            return 128 + self._signal
        unmet = study.unmet_limits()
        if unmet is not None:
            self.say(unmet)
            return 1
        trials = study.records()
        ended = {item.outcome for item in trials} - {None, Outcome.INTERRUPTED}
        if ended and Outcome.COMPLETE not in ended and study.is_idle():
            self.say("no trial is complete, so nothing can be said of any network")
            return 1
        failed = sum(
            item.outcome is Outcome.FAILED for item in (*trials, *study.finalists.records())
        )
        return 1 if failed > self.config.search.max_failed else 0
