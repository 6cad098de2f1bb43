"""Which processes of a sweep are alive, and whether a supervisor is: each holds a lock.

A lock is released by the operating system when its process dies, however it dies, and unlike a
process number it is never given to somebody else.
"""

import fcntl
import os
import re
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

SUPERVISOR_LOCK = "supervisor.lock"
#: Who trains, and who keeps workers going beside others that do.
Role = Literal["workers", "peers"]


def _lock_path(sweep_dir: Path, name: str, role: Role) -> Path:
    return sweep_dir / role / f"{name}.lock"


class Presence:
    """A worker or peer of a sweep: the process that makes it; ``name`` is its own for ever."""

    def __init__(self, sweep_dir: Path, role: Role = "workers") -> None:
        self.name = f"{_host()}-{os.getpid()}"
        path = _lock_path(sweep_dir, self.name, role)
        path.parent.mkdir(parents=True, exist_ok=True)
        count = 1
        while path.exists():  # process numbers come round, in containers soon
            count += 1
            self.name = f"{_host()}-{os.getpid()}.{count}"
            path = _lock_path(sweep_dir, self.name, role)
        self._lock = FileLock(path)

    def __enter__(self) -> "Presence":
        self._lock.acquire(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def is_there(self) -> bool:
        """Whether it counts as alive."""
        return bool(self._lock.is_locked)

    def release(self) -> None:
        """Be gone; a second time does nothing."""
        self._lock.release()


def living(sweep_dir: Path, role: Role) -> frozenset[str]:
    """Return the names of all who are alive."""
    names = {path.stem for path in (sweep_dir / role).glob("*.lock")}
    return frozenset(name for name in names if is_alive(sweep_dir, name, role))


def is_alive(sweep_dir: Path, name: str, role: Role = "workers") -> bool:
    """Whether the worker or peer still holds its lock."""
    return bool(name) and _is_held(_lock_path(sweep_dir, name, role))


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
                path.unlink(missing_ok=True)


def is_here(worker: str) -> bool:
    """Whether the worker is, or was, one of this machine."""
    return re.fullmatch(rf"{re.escape(_host())}-\d+(\.\d+)?", worker) is not None


def supervisor_lock(sweep_dir: Path) -> FileLock:
    """Return the lock that whoever runs the sweep holds."""
    return FileLock(sweep_dir / SUPERVISOR_LOCK)


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
    except PermissionError:  # somebody else's sweep, which we may read
        return _is_held_by_another(path)


def _is_held_by_another(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _host() -> str:
    return socket.gethostname().partition(".")[0]
