"""The durable event log: a file of JSON lines that only ever grows.

Whatever is appended is on the disk when ``append`` returns. A line is one ``write`` on a
descriptor opened for appending, so lines of several processes never mix, and a process that
dies while it writes leaves at most one torn line, which readers skip and the next writer
closes off.
"""

import errno
import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.data.durable import sync

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "no file may become so large",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "there is no permission",
    errno.EPERM: "there is no permission",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file",
}
_YEAR_10000 = 253_402_300_800.0
_TRIAL_LOG = re.compile(r"([0-9]{4,9})(?:-([1-9][0-9]{0,8}))?\.jsonl", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened.

    Parameters
    ----------
    time
        Seconds since the epoch, UTC.
    kind
        What happened; ``pipeline.tracking.events`` knows the kinds.
    values
        Plain JSON values by name.
    end
        Offset in bytes of the end of the event's line in its file.
    """

    time: float
    kind: str
    values: dict[str, Any]
    end: int = field(default=0, compare=False)


def events_dir(sweep_dir: Path) -> Path:
    """Return the folder of a sweep's event logs."""
    return sweep_dir / "events"


def trial_log_path(sweep_dir: Path, number: int, repetition: int = 0) -> Path:
    """Return a trial's event log, or that of a further training of a finalist.

    Parameters
    ----------
    number
        The original's.
    """
    return events_dir(sweep_dir) / f"{RunKey(number, repetition).stem}.jsonl"


def sweep_log_path(sweep_dir: Path) -> Path:
    """Return the event log of the sweep as a whole."""
    return events_dir(sweep_dir) / "sweep.jsonl"


def trial_log_paths(sweep_dir: Path) -> dict[int, Path]:
    """Return the event logs of the search's trials that exist, by number, in order."""
    logs = training_log_paths(sweep_dir)
    return {run.number: path for run, path in logs.items() if not run.repetition}


def training_log_paths(sweep_dir: Path) -> dict[RunKey, Path]:
    """Return the event logs of all trainings that exist, those of finalists too, in order."""
    found = {}
    for path in events_dir(sweep_dir).glob("*.jsonl"):
        name = _TRIAL_LOG.fullmatch(path.name)
        if name is not None:
            found[RunKey(int(name[1]), int(name[2] or 0))] = path
    return dict(sorted(found.items()))


class EventLog:
    """A log to append to; created with its folder where missing. Threads may share one.

    Raises
    ------
    StorageError
        The file cannot be created.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            self._descriptor: int | None = os.open(
                path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
            if is_new:
                sync(path.parent)  # its name, which syncing the file alone does not keep
        except OSError as error:
            raise _unwritable(path, error) from error

    def append(self, kind: str, **values: Any) -> Event:
        """Write one event; it is on the disk when this returns.

        Raises
        ------
        StorageError
            The disk is full or read-only, or the log is closed. The events before are intact.
        """
        now = self._clock()
        text = json.dumps({"time": now, "kind": kind, **values}, ensure_ascii=False)
        # A lone surrogate (an undecodable file name in a traceback) becomes its JSON escape.
        line = text.encode("utf-8", errors="backslashreplace") + b"\n"
        with self._lock:
            if self._descriptor is None:
                raise StorageError(f"the event log {self.path} is closed")
            try:
                data = line if self._ends_with_newline(self._descriptor) else b"\n" + line
                written = os.write(self._descriptor, data)
                if written < len(data):
                    raise OSError(errno.ENOSPC, "short write")
                os.fsync(self._descriptor)
                end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            except OSError as error:
                raise _unwritable(self.path, error) from error
        return Event(time=now, kind=kind, values=values, end=end)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the log."""
        self.close()

    @staticmethod
    def _ends_with_newline(descriptor: int) -> bool:
        size = os.fstat(descriptor).st_size
        return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def read(path: Path) -> list[Event]:
    """Return every event of a log, in order; none where there is no file.

    Lines that are not events (torn by a crash) are skipped.

    Raises
    ------
    StorageError
        The file is there but cannot be read.
    """
    return read_from(path, 0)[0]


def read_from(path: Path, offset: int) -> tuple[list[Event], int]:
    """Return the events after ``offset`` bytes, and the offset to continue from.

    A last line that has no end yet is left for the next time.

    Raises
    ------
    StorageError
        The file is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"the event log {path} cannot be read: {cause}") from error
    events = []
    end = offset
    for line in data.split(b"\n")[:-1]:  # what follows the last newline is not finished
        end += len(line) + 1
        event = _parse(line, end)
        if event is not None:
            events.append(event)
    return events, end


def _parse(line: bytes, end: int) -> Event | None:
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            return None
        moment, kind = values.pop("time"), values.pop("kind")
    except (ValueError, RecursionError, KeyError):
        return None
    if not isinstance(kind, str) or isinstance(moment, bool):
        return None
    if not isinstance(moment, int | float) or not 0 <= moment < _YEAR_10000:
        return None
    return Event(time=float(moment), kind=kind, values=values, end=end)


def _unwritable(path: Path, error: OSError) -> StorageError:
    cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
    return StorageError(
        f"the event log {path} cannot be written: {cause} (what was logged before is intact)"
    )
