"""A storage in memory with the heartbeats of a simulated clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.testing.faults import SimulatedClock

T = TypeVar("T")


class MemoryStudies:
    """A ``StudyStorage`` for workers of one process, of which one runs at a time.

    Parameters
    ----------
    grace_seconds
        A worker that is silent for longer is lost.
    """

    def __init__(self, clock: SimulatedClock, grace_seconds: float = 120.0) -> None:
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._memory = InMemoryStorage()
        self._beats: dict[tuple[str, int], float] = {}

    @property
    def optuna(self) -> BaseStorage:
        """The same storage as Optuna knows it."""
        return self._memory

    @property
    def heartbeat_seconds(self) -> float:
        """How often a worker must say that it lives."""
        return self._grace_seconds / 8

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Do nothing: one worker runs at a time."""
        yield

    def retrying(self, call: Callable[[], T]) -> T:
        """Call: memory is never lost."""
        return call()

    def beat(self, study: str, number: int) -> bool:
        """Say that the worker of a trial lives; return whether the trial still runs."""
        self._beats[study, number] = self._clock.now()
        study_id = self._memory.get_study_id_from_name(study)
        trials = self._memory.get_all_trials(study_id, deepcopy=False)
        return trials[number].state is TrialState.RUNNING

    def beat_for(self, lives: Callable[[str], bool]) -> None:
        """Beat for every running trial whose worker lives, as each worker's thread would."""
        for study in self._memory.get_all_studies():
            for trial in self._running(study._study_id):
                if lives(trial.user_attrs.get("worker", "")):
                    self._beats[study.study_name, trial.number] = self._clock.now()

    def silent(self, study: str) -> frozenset[int]:
        """Return the running trials whose last heartbeat is too long ago."""
        study_id = self._memory.get_study_id_from_name(study)
        latest = self._clock.now() - self._grace_seconds
        return frozenset(
            trial.number
            for trial in self._running(study_id)
            if self._beats.get((study, trial.number), 0.0) < latest
        )

    def _running(self, study_id: int) -> list[FrozenTrial]:
        states = (TrialState.RUNNING,)
        return self._memory.get_all_trials(study_id, deepcopy=False, states=states)
