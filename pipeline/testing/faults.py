"""Faults around the real thing: storage and tracking that fail, hang or answer late.

A fault can come before a call is done, or after it: then it was done, and nobody was told.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

from optuna.storages import BaseStorage

from pipeline.core.errors import StorageError
from pipeline.search.storage import Patience, StorageLost, StudyStorage
from pipeline.tracking.event_log import Event, EventLog

T = TypeVar("T")
#: ``fails``: not done. ``unheard``: done, but the answer is lost. ``hangs``: not done, and it
#: takes long to notice. ``late``: done, after a while.
Fault = Literal["fails", "unheard", "hangs", "late"]
Faults = Callable[[str], Fault | None]
HANG_SECONDS, LATE_SECONDS = 40.0, 5.0


class SimulatedClock:
    """Time that passes when somebody sleeps.

    Attributes
    ----------
    passed
        Called whenever time has passed.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.passed: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self.passed()


def random_faults(source: random.Random, probability: float) -> Faults:
    """Return faults of every kind, each call with the same probability."""
    kinds: tuple[Fault, ...] = ("fails", "unheard", "hangs", "late")
    return lambda call: source.choice(kinds) if source.random() < probability else None


class FaultAt:
    """One fault, at call number ``count``, from 0; ``happened`` says whether it came so far."""

    def __init__(self, count: int, fault: Fault) -> None:
        self._left = count
        self._fault = fault
        self.happened = False

    def __call__(self, call: str) -> Fault | None:
        """Return the fault of this call."""
        self._left -= 1
        if self._left != -1:
            return None
        self.happened = True
        return self._fault


class FaultyStorage:
    """A ``StudyStorage`` whose calls go wrong.

    Parameters
    ----------
    inner
        Does the calls that are done.
    faults
        Chooses for each call, by the name of the method.
    """

    def __init__(
        self,
        inner: StudyStorage,
        faults: Faults,
        clock: SimulatedClock,
        patience_seconds: float = 300.0,
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._clock = clock
        self._patience = Patience(patience_seconds, sleep=clock.sleep, clock=clock.now)
        self._optuna = _faulty_optuna(inner.optuna, self._call)

    @property
    def optuna(self) -> BaseStorage:
        """The same storage as Optuna knows it."""
        return self._optuna

    @property
    def heartbeat_seconds(self) -> float | None:
        """How often a worker must say that it lives."""
        return self._inner.heartbeat_seconds

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all others out meanwhile."""
        with self._patience.suspended(), self._inner.alone():
            yield

    def retrying(self, call: Callable[[], T]) -> T:
        """Call, again and again while the storage is lost."""
        return self._patience.retrying(call)

    def beat(self, study: str, number: int) -> bool:
        """Say that the worker lives."""
        return self._call("beat", lambda: self._inner.beat(study, number))

    def silent(self, study: str) -> frozenset[int]:
        """Return the trials whose workers are silent."""
        return self._call("silent", lambda: self._inner.silent(study))

    def _call(self, name: str, do: Callable[[], T]) -> T:
        fault = self._faults(name)
        if fault == "hangs":
            self._clock.sleep(HANG_SECONDS)
        if fault == "late":
            self._clock.sleep(LATE_SECONDS)
        if fault in ("fails", "hangs"):
            raise StorageLost(f"{name} was not done: simulated")
        result = do()
        if fault == "unheard":
            raise StorageLost(f"{name} was done, and nobody was told: simulated")
        return result


def _faulty_optuna(
    inner: BaseStorage, through: Callable[[str, Callable[[], Any]], Any]
) -> BaseStorage:
    """Return a storage each of whose methods goes through ``through``."""

    def method(name: str) -> Callable[..., Any]:
        def call(_self: object, *positional: Any, **named: Any) -> Any:
            return through(name, lambda: getattr(inner, name)(*positional, **named))

        return call

    names = BaseStorage.__abstractmethods__
    faulty = type("FaultyOptuna", (BaseStorage,), {name: method(name) for name in names})
    return cast(BaseStorage, faulty())


@contextmanager
def faulty_event_logs(faults: Faults, clock: SimulatedClock) -> Iterator[None]:
    """Let events inside the block go wrong: a full disk, written or not, or a slow one."""
    append = EventLog.append

    def faulty(log: EventLog, kind: str, **values: Any) -> Event:
        fault = faults("append")
        if fault in ("hangs", "late"):
            clock.sleep(LATE_SECONDS)
        if fault == "fails":
            raise StorageError(f"the event log {log.path} cannot be written: simulated")
        event = append(log, kind, **values)
        if fault == "unheard":
            raise StorageError(f"the event log {log.path} was written, not synced: simulated")
        return event

    EventLog.append = faulty  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        EventLog.append = append  # type: ignore[method-assign]
