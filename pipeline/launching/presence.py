"""Which workers are alive, and whether a supervisor is: each holds a lock while it lives.

A lock is released by the operating system when its process dies, however it dies, and unlike a
process number it is never given to somebody else.
"""

import os
import re
import socket
from pathlib import Path

from filelock import FileLock, Timeout


def _lock_path(sweep_dir: Path, worker: str) -> Path:
    return sweep_dir / "workers" / f"{worker}.lock"


class Presence:
    """A worker of a sweep: the process that makes it; ``name`` is its own for ever."""

    def __init__(self, sweep_dir: Path) -> None:
        self.name = f"{_host()}-{os.getpid()}"
        path = _lock_path(sweep_dir, self.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        count = 1
        while path.exists():  # process numbers come round, in containers soon
            count += 1
            self.name = f"{_host()}-{os.getpid()}.{count}"
            path = _lock_path(sweep_dir, self.name)
        self._lock = FileLock(path)

    def __enter__(self) -> "Presence":
        self._lock.acquire(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def is_here(worker: str) -> bool:
    """Whether the worker is, or was, one of this machine."""
    return re.fullmatch(rf"{re.escape(_host())}-\d+(\.\d+)?", worker) is not None


def is_alive(sweep_dir: Path, worker: str) -> bool:
    """Whether the worker still holds its lock."""
    return bool(worker) and _is_held(_lock_path(sweep_dir, worker))


def supervisor_lock(sweep_dir: Path) -> FileLock:
    """Return the lock that whoever runs the sweep holds."""
    return FileLock(sweep_dir / "supervisor.lock")


def is_supervised(sweep_dir: Path) -> bool:
    """Whether somebody runs the sweep now."""
    return _is_held(sweep_dir / "supervisor.lock")


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _host() -> str:
    return socket.gethostname().partition(".")[0]
