"""Runs a mirror beside a sweep, in a thread that the sweep never waits for."""

import threading
from collections.abc import Callable

from pipeline.tracking.mirror import Mirror, SyncReport


class SyncLoop:
    """Syncs every ``interval_seconds`` in a daemon thread, and once more when it is closed.

    MLflow is imported in that thread. A failure is said once and then retried in silence until
    a pass succeeds again.

    Parameters
    ----------
    say
        Takes a sentence for the user; called from the thread.
    """

    def __init__(self, mirror: Mirror, interval_seconds: float, say: Callable[[str], None]) -> None:
        self.mirror = mirror
        self._interval_seconds = interval_seconds
        self._say = say
        self._closing = threading.Event()
        self._failing = False
        self._last: SyncReport | None = None
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> SyncReport:
        """Do a last pass, and return what it did.

        Parameters
        ----------
        timeout
            Seconds to wait for it; what is then missing is left to ``sweetspot sync``.
        """
        self._closing.set()
        self._thread.join(timeout)
        if self._thread.is_alive() or self._last is None:
            late = SyncReport(
                failure=f"MLflow was not brought up to date within {timeout:.0f} s; nothing is "
                "lost, and `sweetspot sync` finishes it"
            )
            self._tell(late)
            return late
        return self._last

    def _run(self) -> None:
        try:
            while True:
                last_pass = self._closing.is_set()
                self._last = self.mirror.sync()
                self._tell(self._last)
                if last_pass:
                    return
                self._closing.wait(self._interval_seconds)
        finally:
            self.mirror.close()

    def _tell(self, report: SyncReport) -> None:
        if report.failure is None:
            self._failing = False
        elif not self._failing:
            self._failing = True
            self._say(report.failure)
