"""Several workers in one process, in an order that a seed decides.

Each runs the real worker loop in a thread of its own, one of them at a time: between two epochs
of a trial, and where a worker waits, another one may go on. There a worker may also be killed,
be told to leave, or hang until its trial is given to somebody else.
"""

import random
import threading
from collections.abc import Callable
from contextlib import suppress

from pipeline.core.errors import StorageError
from pipeline.core.trial import TrialSpecification
from pipeline.launching.planning import SweepPlan
from pipeline.launching.recovery import recover_lost
from pipeline.launching.results import SweepResults
from pipeline.launching.trial_run import TrialRun
from pipeline.launching.worker import TRIALS_A_PROCESS, train_all
from pipeline.search.storage import StudyStorage
from pipeline.search.study import SweepStudy
from pipeline.testing.faults import SimulatedClock
from pipeline.testing.memory import MemoryStudies
from pipeline.testing.simulated_run import simulated_run

#: Of an epoch: it is the worker's last one, with or without a chance to say so, or takes ages.
KILLED, TOLD_TO_LEAVE, HANGS = 0.04, 0.04, 0.03
#: How often another worker goes on after an epoch.
SWITCHES = 0.5
EPOCH_SECONDS, AGES_SECONDS = 10.0, 400.0


class Killed(StorageError):
    """The worker dies on the spot; a storage error, as nothing may be told any more."""


class SimulatedCluster:
    """Runs one sweep to its end on workers that are lost again and again.

    Parameters
    ----------
    plan
        Of a sweep whose folder exists.
    memory
        Keeps the study.
    open_storage
        Called by each worker; what it returns keeps the study there, with faults.
    seed
        Decides everything that happens.
    """

    def __init__(
        self,
        plan: SweepPlan,
        clock: SimulatedClock,
        memory: MemoryStudies,
        open_storage: Callable[[], StudyStorage],
        *,
        seed: int,
        workers: int = 3,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._open_storage = open_storage
        self._chance = random.Random(seed)
        self._count = workers
        self._turn = threading.Condition()
        self._whose: int | None = None
        self._alive: dict[int, threading.Thread] = {}
        self._hanging: set[int] = set()
        self._started = 0
        self._errors: list[BaseException] = []
        clock.passed = lambda: memory.beat_for(self._lives)

    def run(self, study: SweepStudy) -> None:
        """Start workers, and others for those that go, until the sweep is done.

        Parameters
        ----------
        study
            On a storage without faults.
        """
        results = SweepResults(self._plan.config, self._plan.description)
        while not study.is_done():
            for _ in range(self._count):
                self._start()
            self._pass_on()
            for thread in list(self._alive.values()):
                thread.join()
            self._alive.clear()
            if self._errors:
                raise self._errors[0]
            self._clock.sleep(AGES_SECONDS)
            with suppress(StorageError):  # a full disk: whoever comes next tries again
                recover_lost(self._plan.config.sweep_dir, study, results)

    def _start(self) -> None:
        self._started += 1
        number = self._started
        thread = threading.Thread(target=self._work, args=(number,), daemon=True)
        self._alive[number] = thread
        thread.start()

    def _work(self, number: int) -> None:
        self._await_turn(number)
        leaving: list[str] = []
        try:
            run = self._trial_run(number, leaving)
            train_all(run, lambda seconds: self._pause(number, seconds), TRIALS_A_PROCESS)
        except StorageError:
            pass  # killed, or its storage was away for too long
        except BaseException as error:
            self._errors.append(error)
        finally:
            del self._alive[number]
            self._pass_on()

    def _trial_run(self, number: int, leaving: list[str]) -> TrialRun:
        plan = self._plan

        def before_epoch(specification: TrialSpecification, epoch: int) -> None:
            fate = self._chance.random()
            if fate < KILLED:
                raise Killed(f"worker {number} is killed")
            if fate < KILLED + TOLD_TO_LEAVE:
                leaving.append("the worker was told to leave")
            elif fate < KILLED + TOLD_TO_LEAVE + HANGS:
                self._hang(number)
            self._pause(number, EPOCH_SECONDS)

        return simulated_run(
            plan,
            study=SweepStudy(plan.config, plan.space, self._open_storage()),
            before_epoch=before_epoch,
            worker=f"simulated-{number}",
            must_leave=lambda: leaving[0] if leaving else None,
        )

    def _pause(self, number: int, seconds: float) -> None:
        """Let time pass, and perhaps others work."""
        self._clock.sleep(seconds)
        if self._chance.random() < SWITCHES:
            self._pass_on()
            self._await_turn(number)

    def _hang(self, number: int) -> None:
        """Do nothing for so long that the trial is given to another worker, if there is one."""
        self._hanging.add(number)
        self._clock.sleep(AGES_SECONDS)
        self._pass_on()
        self._await_turn(number)
        self._hanging.discard(number)

    def _lives(self, worker: str) -> bool:
        number = int(worker.rpartition("-")[2] or 0)
        return number in self._alive and number not in self._hanging

    def _await_turn(self, number: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._whose == number)

    def _pass_on(self) -> None:
        with self._turn:
            self._whose = self._chance.choice(sorted(self._alive)) if self._alive else None
            self._turn.notify_all()
