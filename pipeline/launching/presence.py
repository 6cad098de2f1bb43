"""Which processes of a sweep are alive, and whether a supervisor is: each holds a lock.

A lock is released by the operating system when its process dies, however it dies, and unlike a
process number it is never given to somebody else. A note beside it says that a worker was told to
leave, however it went then.
"""

import errno
import fcntl
import os
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from pipeline.core.places import in_a_sentence

SUPERVISOR_LOCK = "supervisor.lock"
#: Who trains, and who keeps workers going beside others that do.
Role = Literal["workers", "peers"]
#: Of a lock that we may not open for writing.
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def _told_path(lock: Path) -> Path:
    return lock.with_suffix(".told")


def _lock_path(sweep_dir: Path, name: str, role: Role) -> Path:
    return sweep_dir / role / f"{name}.lock"


class Presence:
    """A worker or peer of a sweep: the process that makes it; ``name`` is its own for ever."""

    def __init__(self, sweep_dir: Path, role: Role = "workers") -> None:
        self.name = f"{_host()}-{os.getpid()}"
        path = _lock_path(sweep_dir, self.name, role)
        make_folder(path.parent)
        count = 1
        while path.exists():  # process numbers come round, in containers soon
            count += 1
            self.name = f"{_host()}-{os.getpid()}.{count}"
            path = _lock_path(sweep_dir, self.name, role)
        self._path = path
        self._lock = FileLock(path)

    def __enter__(self) -> "Presence":
        take(self._lock, timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def is_there(self) -> bool:
        """Whether it counts as alive."""
        return bool(self._lock.is_locked)

    def note_told(self) -> None:
        """Note that it was told to leave."""
        _note(self._path)

    def release(self) -> None:
        """Be gone; a second time does nothing."""
        self._lock.release()


def make_folder(path: Path) -> None:
    """Make a folder where it is not there.

    Raises
    ------
    StorageError
        It cannot be made.
    """
    with in_a_sentence(f"{path} cannot be made"):
        path.mkdir(parents=True, exist_ok=True)


def take(lock: FileLock, timeout: float = -1) -> None:
    """Take a lock; it is the caller's to release.

    Raises
    ------
    Timeout
        Somebody else has held it for ``timeout`` seconds; negative waits for ever.
    StorageError
        Its file cannot be opened: another user's, or on a full disk.
    """
    with in_a_sentence(f"{lock.lock_file} cannot be taken"):
        lock.acquire(timeout=timeout)


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock ``name`` of a folder, which is made where it is missing; see ``take``."""
    make_folder(folder)
    lock = FileLock(folder / name)
    take(lock)
    try:
        yield
    finally:
        lock.release()


def living(sweep_dir: Path, role: Role) -> frozenset[str]:
    """Return the names of all who are alive."""
    names = {path.stem for path in (sweep_dir / role).glob("*.lock")}
    return frozenset(name for name in names if is_alive(sweep_dir, name, role))


def is_alive(sweep_dir: Path, name: str, role: Role = "workers") -> bool:
    """Whether the worker or peer still holds its lock."""
    return bool(name) and _is_held(_lock_path(sweep_dir, name, role))


def note_told(sweep_dir: Path, pid: int) -> None:
    """Note that the worker of this process, one of this machine, was told to leave."""
    own = f"{_host()}-{pid}"
    with suppress(OSError):  # whoever tells it is in a hurry
        for path in (sweep_dir / "workers").glob(f"{own}*.lock"):
            if path.stem.partition(".")[0] == own and _is_held(path):
                _note(path)


def was_told(sweep_dir: Path, worker: str) -> bool:
    """Whether the worker was told to leave, so that its end is no loss."""
    return _told_path(_lock_path(sweep_dir, worker, "workers")).exists()


def _note(lock: Path) -> None:
    with suppress(OSError):  # a full disk: it counts as lost then
        _told_path(lock).touch()


def forget_gone(sweep_dir: Path, role: Role, named: Collection[str] = ()) -> None:
    """Remove the locks of all who are gone: everybody who comes looks at each of them.

    Parameters
    ----------
    named
        Whom others still speak of; nobody may have such a name again.
    """
    for path in (sweep_dir / role).glob("*.lock"):
        if path.stem not in named:
            with suppress(Timeout), FileLock(path, timeout=0):
                _told_path(path).unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def is_here(worker: str) -> bool:
    """Whether the worker is, or was, one of this machine."""
    return re.fullmatch(rf"{re.escape(_host())}-\d+(\.\d+)?", worker) is not None


def supervisor_lock(sweep_dir: Path) -> FileLock:
    """Return the lock that whoever runs the sweep holds."""
    return FileLock(sweep_dir / SUPERVISOR_LOCK)


def leaving_lock(sweep_dir: Path) -> FileLock:
    """Return the lock that peers hold while they come and while they leave, one at a time.

    Who ends a sweep holds it while waiting for the supervisor's: whoever has that may not wait.
    """
    return FileLock(sweep_dir / "leaving.lock")


def is_supervised(sweep_dir: Path) -> bool:
    """Whether somebody runs the sweep now."""
    return _is_held(sweep_dir / SUPERVISOR_LOCK)


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        return _is_held_by_another(path)  # somebody else's sweep, which we may read


def _is_held_by_another(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _host() -> str:
    return socket.gethostname().partition(".")[0]
