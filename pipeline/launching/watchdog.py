"""A watchdog: ends this process where its trial does not get on any more.

What hangs in native code, a driver, a compiler or a file system, hears no signal and knows no limit
of time. It would keep its trial and its device for ever, and with the device everybody who wants to
measure on it. The kernel frees both when the process ends, and others go on.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Nothing that a trial does takes so long between two switches of its clocks.
STALLED_SECONDS = 1800.0
_LOOK_SECONDS = 10.0
_STATUS = 1


class Watchdog:
    """Watches a trial's clocks inside its block.

    Looks are counted, not seconds: a process that is suspended for a while is not to end for it.
    Who waits for others is not stalled.

    Parameters
    ----------
    trial
        What is said of it, in the log that standard error is.
    seconds
        How long one clock may run without a switch.
    end
        Ends the process with a status, at once.
    """

    def __init__(
        self,
        trial: str,
        *,
        seconds: float,
        look_seconds: float = _LOOK_SECONDS,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._trial = trial
        self._seconds = seconds
        self._look_seconds = look_seconds
        self._end = end
        self._clock: str | None = None
        self._switches = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def switched(self, clock: str | None) -> None:
        """Hear that this clock runs now, or none."""
        self._clock = clock
        self._switches += 1

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        seen, looks = self._switches, 0
        while not self._over.wait(self._look_seconds):
            clock = self._clock
            if clock in (None, "waiting") or self._switches != seen:
                seen, looks = self._switches, 0
                continue
            looks += 1
            if looks * self._look_seconds >= self._seconds:
                faulthandler.dump_traceback(sys.stderr)
                print(
                    f"sweetspot: {self._trial} has not got on for {self._seconds / 60:.0f} minutes "
                    f"({clock}); this worker ends itself",
                    file=sys.stderr,
                    flush=True,
                )
                self._end(_STATUS)
                return
