"""What a study needs of the place where it is kept, whatever that place is.

Two things beyond Optuna's own interface: steps that exclude each other across all workers, and
patience with a server that is away for a while. Each step of ``pipeline.search.ledger`` may be
repeated from its start, so that a connection that breaks in the middle of a commit, when nobody
can tell whether it was done, neither loses nor doubles anything.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import tenacity
from optuna.storages import BaseStorage

from pipeline.core.errors import StorageError

T = TypeVar("T")
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 2.0
#: How long whoever has been told to leave still waits for the storage.
STORAGE_LEAVING_SECONDS = 3.0


class StorageLost(StorageError):
    """The storage did not answer; whether it did what it was asked to is not known."""


class StudyStorage(Protocol):
    """The storage of a sweep's studies."""

    @property
    def optuna(self) -> BaseStorage:
        """The same storage as Optuna knows it."""

    @property
    def heartbeat_seconds(self) -> float | None:
        """How often a worker must say that it lives; None where nobody asks."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep all other workers of the sweep out meanwhile, those on other machines too.

        If the storage is lost inside, so is the lock: nothing more is written in this block,
        and whoever began it begins again.
        """

    def retrying(self, call: Callable[[], T]) -> T:
        """Call, again and again while the storage is lost, and return what it returns.

        Inside ``alone`` it is called once: there the whole step is repeated.

        Raises
        ------
        StorageError
            The storage is still lost when patience ends.
        """

    def beat(self, study: str, number: int) -> bool:
        """Say that the worker of Optuna's trial ``number`` lives; return whether it still runs."""

    def silent(self, study: str) -> frozenset[int]:
        """Return Optuna's numbers of the running trials whose workers were not heard of lately."""


class Patience:
    """How long a storage may be lost.

    Parameters
    ----------
    seconds
        In all, from the first failure on. Once it was waited for in vain, it is asked only once.
    is_leaving
        Whether this process has been told to leave: then there is no time to wait.
    sleep, clock
        Seconds; a simulation has its own.
    """

    def __init__(
        self,
        seconds: float,
        is_leaving: Callable[[], bool] = lambda: False,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._is_leaving = is_leaving
        self._sleep = sleep
        self._clock = clock
        self._used_up = False
        self._inside = threading.local()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let ``retrying`` call once inside this block, in this thread."""
        self._inside.depth = self._depth() + 1
        try:
            yield
        finally:
            self._inside.depth -= 1

    def retrying(self, call: Callable[[], T]) -> T:
        """See ``StudyStorage.retrying``."""
        if self._depth():
            return call()
        began = self._clock()

        def enough(state: tenacity.RetryCallState) -> bool:
            waited = self._clock() - began
            leaving = self._is_leaving()
            most = min(self._seconds, STORAGE_LEAVING_SECONDS) if leaving else self._seconds
            return self._used_up or waited >= most

        retries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StorageLost),
            wait=tenacity.wait_random_exponential(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS),
            stop=enough,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            result = retries(call)
        except StorageLost:
            self._used_up = True
            raise
        self._used_up = False
        return result

    def _depth(self) -> int:
        return getattr(self._inside, "depth", 0)
