"""The lock of whoever runs a sweep, with a note of who that is."""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from pipeline.core.errors import AGAIN_STATUS, SweetspotError
from pipeline.launching.presence import make_folder, supervisor_lock, take
from pipeline.reporting.files import write_atomically

_NOTE = "supervisor.json"


class SweepBusy(SweetspotError):
    """Somebody else runs the sweep, and nobody wants to wait."""

    status = AGAIN_STATUS


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who runs a sweep; ``since`` in seconds since the epoch."""

    host: str
    pid: int
    since: float

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host} since {since}"


class SupervisorLock:
    """Held by the one process that runs a sweep; freed by the system when it dies."""

    def __init__(self, sweep_dir: Path) -> None:
        self._note = sweep_dir / _NOTE
        make_folder(sweep_dir)
        self._lock = supervisor_lock(sweep_dir)

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock and say who we are; False where somebody else has it."""
        try:
            take(self._lock, timeout=-1 if wait else 0)
        except Timeout:
            return False
        note = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        write_atomically(self._note, json.dumps(note) + "\n")
        return True

    def release(self) -> None:
        """Let others have it; the note goes first."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()

    def holder(self) -> Holder | str:
        """Return who holds the lock, as far as the note says."""
        try:
            values = json.loads(self._note.read_text(encoding="utf-8"))
            return Holder(
                host=str(values["host"]), pid=int(values["pid"]), since=float(values["since"])
            )
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"
