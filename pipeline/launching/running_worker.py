"""A worker that its supervisor has started, and what it says last."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.launching.forking import WorkerProcess


@dataclass(frozen=True, kw_only=True)
class RunningWorker:
    """A worker, and the log whose bytes before ``log_start`` are those of earlier runs."""

    process: WorkerProcess
    log: Path
    log_start: int = 0

    def last_line(self) -> str:
        """Return the last line that this worker has written, or why there is none."""
        return last_line(self.log, self.log_start)


def last_line(path: Path, start: int = 0) -> str:
    """Return the last line of a worker's log from that byte on, or why there is none."""
    try:
        lines = path.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    except OSError as error:
        return str(error)
    return lines[-1][:300] if lines else "(empty)"
