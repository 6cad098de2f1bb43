"""The report of a sweep that is still running, written again as trials end."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipeline.core.errors import SweetspotError
from pipeline.reporting.files import SUMMARY_NAME

#: Writing takes at most one part in so many of the time.
_PAUSES = 50
#: Longest wait for the last writing.
_CLOSING_SECONDS = 30.0


class LiveReport:
    """Writes a sweep's report in a thread whenever its summary has changed.

    What goes wrong here is left to whoever writes the report at the sweep's end.

    Parameters
    ----------
    write
        Writes the report of the folder that it is given.
    quiet
        Is entered to write, so that nobody measures meanwhile.
    interval_seconds
        The shortest pause; longer where writing takes long.
    """

    def __init__(
        self,
        sweep_dir: Path,
        write: Callable[[Path], object],
        quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
        *,
        interval_seconds: float = 20.0,
    ) -> None:
        self._dir = sweep_dir
        self._write = write
        self._quiet = quiet
        self._pause = interval_seconds
        self._interval_seconds = interval_seconds
        self._written: int | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, after the writing that may be under way; not for ever if it waits for others."""
        self._closing.set()
        self._thread.join(_CLOSING_SECONDS)

    def _run(self) -> None:
        while not self._closing.wait(self._pause):
            self._refresh()

    def _refresh(self) -> None:
        summary = self._dir / SUMMARY_NAME
        changed = summary.stat().st_mtime_ns if summary.exists() else None
        if changed == self._written:
            return
        try:
            with self._quiet():
                began = time.monotonic()
                self._write(self._dir)
                self._pause = max(self._interval_seconds, _PAUSES * (time.monotonic() - began))
        except SweetspotError:
            return
        self._written = changed
