"""The lock of whoever runs a sweep, with a note of who that is."""

import json
import os
import socket
import time
from pathlib import Path

from filelock import Timeout

from pipeline.core.errors import AGAIN_STATUS, SweetspotError
from pipeline.launching.presence import make_folder, supervisor_lock, take
from pipeline.reporting.files import write_atomically

NOTE_NAME = "supervisor.json"


class SweepBusy(SweetspotError):
    """Somebody else runs the sweep, and nobody wants to wait."""

    status = AGAIN_STATUS


class SupervisorLock:
    """Held by the one process that runs a sweep; freed by the system when it dies."""

    def __init__(self, sweep_dir: Path) -> None:
        self._note = sweep_dir / NOTE_NAME
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

    def holder(self) -> str:
        """Say who holds the lock, as far as the note does: the end of a sentence."""
        try:
            values = json.loads(self._note.read_text(encoding="utf-8"))
            host, pid, since = str(values["host"]), int(values["pid"]), float(values["since"])
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
        return f"process {pid} on {host} since {begun}"
