"""The journal: Optuna's log in one file, for one machine or several that share a folder."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from pipeline.core.errors import StorageError
from pipeline.core.places import in_a_sentence

T = TypeVar("T")
_BLOCK_BYTES = 65_536
#: Whoever holds the lock for longer is dead, as Optuna has it, too.
_LONGEST_WRITE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_NO_JOURNAL = "it is no journal of Optuna's"


class JournalStudies:
    """A ``StudyStorage`` in a journal file.

    The supervisor knows its dead by the locks they held, so nobody has to beat.

    Parameters
    ----------
    path
        The journal.
    lock
        Who holds this file's lock is alone.

    Raises
    ------
    StorageError
        The journal cannot be read or written.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_begin(path)
            self._journal = JournalStorage(_MendingBackend(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise StorageError(f"the journal {path} cannot be opened: {reason}") from error
        # Lines of another program's, in Optuna's hands.
        except (AssertionError, AttributeError, LookupError, TypeError) as error:
            raise StorageError(f"the journal {path} cannot be opened: {_NO_JOURNAL}") from error
        # Whoever waits looks again after so long: a claim takes milliseconds.
        self._lock = FileLock(lock, poll_interval=0.02)

    @property
    def optuna(self) -> BaseStorage:
        """The same storage as Optuna knows it."""
        return self._journal

    @property
    def heartbeat_seconds(self) -> None:
        """Nobody has to say that it lives."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other workers of the sweep out meanwhile."""
        with in_a_sentence(f"the lock {self._lock.lock_file} cannot be taken"):
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def retrying(self, call: Callable[[], T]) -> T:
        """Call: a file is there or not, waiting does not bring it back."""
        return call()

    def beat(self, study: str, number: int) -> bool:
        """Return whether Optuna's trial ``number`` still runs."""
        study_id = self._journal.get_study_id_from_name(study)
        trial_id = self._journal.get_trial_id_from_study_id_trial_number(study_id, number)
        return not self._journal.get_trial(trial_id).state.is_finished()

    def silent(self, study: str) -> frozenset[int]:
        """Return none: whoever asks knows by their locks which workers are dead."""
        return frozenset()


def _check_begin(path: Path) -> None:
    """Raise ValueError for a text without a whole line: it would be cut off as a torn one."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if file.read(1) not in (b"", b"{"):
            raise ValueError(_NO_JOURNAL)


class _MendingBackend(JournalFileBackend):
    """Cuts off what a full disk or a sudden death left of a last line before it writes on.

    Optuna's own would write behind it, and the journal could never be read again.
    """

    def __init__(self, path: Path) -> None:
        self._journal = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._writing = JournalFileSymlinkLock(str(path))
        super().__init__(str(path), self._writing)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._locked():
            try:
                self._append(data)
            except OSError as error:
                raise StorageError(
                    f"the journal {self._journal} cannot be written: {error.strerror}; what was "
                    "in it before is intact"
                ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._take_away_moved_lock()
            self._writing.acquire()
        except OSError as error:
            raise StorageError(
                f"the journal {self._journal} cannot be written: its lock, a symbolic link beside "
                f"it, cannot be made ({error.strerror}); what was in it before is intact"
            ) from error
        try:
            yield
        finally:
            # Where it was held for long, another process may have taken it away. What there was to
            # write is written by then, or its own error tells what was not.
            with suppress(RuntimeError):
                self._writing.release()

    def _take_away_moved_lock(self) -> None:
        """Remove the lock of a process that died before the journal's folder was moved.

        The link still leads to where the journal was, by which Optuna cannot tell its age: it would
        wait for ever. A host that knows the folder by another name holds such a lock, too, but not
        for long.
        """
        while (age := self._age_of_moved_lock()) is not None:
            if age <= _LONGEST_WRITE_SECONDS:
                time.sleep(_LOOK_SECONDS)
                continue
            # Alone, so that nobody takes away the next one's lock instead.
            with self._journal.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if (self._age_of_moved_lock() or 0.0) > _LONGEST_WRITE_SECONDS:
                    self._lock_path.unlink(missing_ok=True)

    def _age_of_moved_lock(self) -> float | None:
        """Return the seconds since a lock was made elsewhere than here; None without one."""
        try:
            if self._lock_path.readlink() == self._journal:
                return None
            return abs(time.time() - self._lock_path.lstat().st_mtime)
        except OSError:  # there is none, or no link
            return None

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self._journal, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            end = _end_of_last_line(descriptor)
            if end < os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, end)
            if os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _end_of_last_line(descriptor: int) -> int:
    """Return the offset behind the last line that is whole."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
