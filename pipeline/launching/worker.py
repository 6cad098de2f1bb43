"""A worker: claims trials of a sweep, then of its final round, until none is left.

The same on a laptop and on a cluster. It leaves when it is told to (SIGTERM, SIGUSR2) and when
the process that started it is gone.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from itertools import count
from types import FrameType, TracebackType
from typing import Self

from pipeline.config import Config
from pipeline.data.dataset import TrainingData
from pipeline.launching.devices import lock_name
from pipeline.launching.evaluation import evaluate
from pipeline.launching.presence import Presence
from pipeline.launching.recovery import Lookout
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions
from pipeline.launching.sweep_folder import (
    check_backend,
    check_times,
    load_description,
    unchanged_data,
)
from pipeline.launching.trainer import Trainer
from pipeline.launching.trial_run import TrialRun
from pipeline.measuring.machine import default_threads, describe_device
from pipeline.measuring.quiet import QuietLock
from pipeline.search.ledger import Claim
from pipeline.search.opening import open_storage
from pipeline.search.space import SearchSpace
from pipeline.search.study import SweepStudy

#: The worker leaves before all is done and wants to be replaced: it was told to, or has trained
#: enough (Keras keeps a few MiB of each network; another process is forked in no time).
RECYCLE_STATUS = 75
TRIALS_A_PROCESS = 20
_WAIT_SECONDS = 0.5
#: A worker that has been told to leave and cannot stop what it does is ended after so long; its
#: trial goes on from the last epoch's checkpoint all the same.
LEAVING_SECONDS = 8.0
_LOOK_SECONDS = 1.0
_TOLD_BY: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGUSR2)


class Leaving:
    """Whether this process has to leave; remembers the signal that said so.

    Inside the block the process is ended if it has not left ``LEAVING_SECONDS`` after a signal,
    or after its parent was gone.

    Parameters
    ----------
    note
        Called at once when a signal is heard, by another thread than the main one.
    alone
        Whether nobody supervises this process: it hears Ctrl-C itself, and whoever started it may
        go.
    """

    def __init__(self, note: Callable[[], None] = lambda: None, *, alone: bool = False) -> None:
        self._note = note
        self._alone = alone
        self._told_by = _TOLD_BY
        if alone:
            self._told_by += (signal.SIGINT,)
            # Whoever started it with nohup wants it to outlive the terminal.
            if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                self._told_by += (signal.SIGHUP,)
        self._reason: str | None = None
        self._parent = os.getppid()
        self._left = threading.Event()

    def __enter__(self) -> Self:
        """React to the signals that tell a worker to leave; Ctrl-C is a supervisor's."""
        heard, told = socket.socketpair()
        told.setblocking(False)
        self._told_through = told
        threading.Thread(target=self._watch, args=(heard,), name="leaving", daemon=True).start()
        # Python calls a handler once the main thread is out of whatever library it is in; the
        # signal's number is written here at once.
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in self._told_by:
            signal.signal(number, self._told)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the process take its time: it leaves."""
        signal.set_wakeup_fd(-1)
        self._left.set()
        self._told_through.close()

    def _told(self, number: int, _frame: FrameType | None) -> None:
        self._reason = f"the worker was told to leave ({signal.Signals(number).name})"

    def _watch(self, heard: socket.socket) -> None:
        """End the process where it does not leave in time."""
        with heard:  # open until the end, for a cluster tells twice: USR2, then TERM
            status = self._hear(heard)
            if status is not None and not self._left.wait(LEAVING_SECONDS):
                os._exit(status)

    def _hear(self, heard: socket.socket) -> int | None:
        """Wait for a reason to leave; return what a process that does not is ended with."""
        heard.settimeout(_LOOK_SECONDS)
        while True:
            try:
                numbers = heard.recv(1)
            except TimeoutError:
                if self._is_orphan():
                    return 1
                continue
            if not numbers:
                return None
            if numbers[0] in self._told_by:
                self._note()
                return 128 + numbers[0]

    def _is_orphan(self) -> bool:
        if self._alone:
            return False
        # Who was forked has the fork server for its parent, which lives as long as its workers.
        supervisor = multiprocessing.parent_process()
        return os.getppid() != self._parent or not (supervisor is None or supervisor.is_alive())

    def is_told(self) -> bool:
        """Whether there is a reason to leave."""
        return self.reason() is not None

    def reason(self) -> str | None:
        """Return why to leave, or None to stay."""
        if self._reason is None and self._is_orphan():
            self._reason = "the supervisor is gone"
        return self._reason


def work(
    config: Config,
    build_trainer: Callable[[TrainingData, int], Trainer] | None = None,
    *,
    alone: bool = False,
) -> int:
    """Train trials of ``config``'s sweep; return 0, or ``RECYCLE_STATUS`` to be started anew.

    Parameters
    ----------
    build_trainer
        From the data and the number of threads; by default a Keras session.
    alone
        Whether nobody supervises it, and nobody would start it anew after some trials.
    """
    check_backend(config.sweep_dir)
    check_times(config)
    threads = default_threads() if config.launch.threads == "auto" else config.launch.threads
    presence = Presence(config.sweep_dir)
    with Leaving(presence.note_told, alone=alone) as leaving, presence:
        data = unchanged_data(config, load_description(config.sweep_dir))
        description = data.description
        space = SearchSpace(config.space, description.image_shape, len(description.classes))
        trainer = (build_trainer or _keras_session(config))(data, threads)
        storage = open_storage(config, is_leaving=leaving.is_told, patient=True)
        study = SweepStudy(config, space, storage)
        results = SweepResults(config, description)
        run = TrialRun(
            config=config,
            description=description,
            study=study,
            results=results,
            trainer=trainer,
            worker=presence.name,
            device=describe_device(),
            must_leave=leaving.reason,
            threads=threads,
        )
        return train_all(run, trials=None if alone else TRIALS_A_PROCESS)


def train_all(
    run: TrialRun, wait: Callable[[float], None] = time.sleep, trials: int | None = None
) -> int:
    """Train until no trial is left; return 0, or ``RECYCLE_STATUS`` to be started anew.

    Parameters
    ----------
    wait
        Waits so many seconds for other workers.
    trials
        After so many it returns; None for no such number.
    """
    study = run.study
    lookout = Lookout(run.config.sweep_dir, study, run.results)
    for _ in count() if trials is None else range(trials):
        claim = _next_claim(run, lookout, wait)
        if claim is None:
            break
        run.run(claim)
    else:
        return RECYCLE_STATUS
    if run.must_leave() is not None:
        return RECYCLE_STATUS  # whoever still has work for us starts another one
    if study.is_idle() and study.finalists.is_idle():
        # The sweep is over and nobody trains: only now somebody may see the test images.
        evaluate(run.config, study, run.results, run.trainer)
    return 0


def _next_claim(run: TrialRun, lookout: Lookout, wait: Callable[[float], None]) -> Claim | None:
    """Claim a trial of the search, and after it one of the final round; None to stop here.

    Who is a finalist is known once the last trial of the search has ended, and until then a
    worker of it may be lost: so one that finds no trial waits for those that still train.
    """
    study, config = run.study, run.config
    while run.must_leave() is None:
        lookout.look()
        late = out_of_time(config)
        claim = None if late else study.claim(run.worker)
        if claim is not None:
            return claim
        if study.is_idle() if late else study.is_done():
            if not config.finalists.limit:
                return None
            return study.finalists.claim(run.worker, run.results.final_trainings(study))
        wait(_WAIT_SECONDS)
    return None


def out_of_time(config: Config) -> bool:
    """Return whether the run in progress has used up ``search.minutes``.

    Where a scheduler's run is interrupted, and all that belong to it leave, what they had of them
    is gone when the first one comes back.
    """
    minutes = config.search.minutes
    if minutes is None:
        return False
    sessions = Sessions.read(config.sweep_dir)
    return sessions.open_since is not None and sessions.seconds_of(sessions.run) > 60 * minutes


def _keras_session(config: Config) -> Callable[[TrainingData, int], Trainer]:
    def build(data: TrainingData, threads: int) -> Trainer:
        quiet = QuietLock(lock_name())
        # Importing Keras takes ten seconds of all that the processor has: only a worker that
        # trains pays them, and not while another one measures.
        with quiet.training():
            from pipeline.launching.keras_trainer import KerasTrainer

            return KerasTrainer(config, data, threads, quiet)

    return build
