"""Runs a mirror beside a sweep, in a thread that the sweep never waits for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.config import Config
from pipeline.core.description import DataDescription
from pipeline.tracking.event_log import read, training_log_paths
from pipeline.tracking.events import EpochEnded, Measured
from pipeline.tracking.mirror import Mirror, SyncReport

_LOOK_SECONDS = 0.5
#: MLflow is begun with once a trial trains, and after so long whatever happens.
_AFTER_SECONDS = 60.0


class SyncLoop:
    """Syncs every ``interval_seconds`` in a daemon thread, and once more when it is closed.

    MLflow is imported in that thread, once the sweep ``is_under_way`` or is being closed: that
    takes seconds of a processor that those who train need to begin. A failure is said once and
    then retried in silence until a pass succeeds again; so are refused artifacts, apart from it.

    Parameters
    ----------
    say
        Takes a sentence for the user; called from the thread.
    is_under_way
        Whether there is reason to begin; asked now and then until there is.
    """

    def __init__(
        self,
        mirror: Mirror,
        interval_seconds: float,
        say: Callable[[str], None],
        is_under_way: Callable[[], bool] = lambda: True,
    ) -> None:
        self.mirror = mirror
        self._is_under_way = is_under_way
        self._interval_seconds = interval_seconds
        self._say = say
        self._closing = threading.Event()
        self._said: set[str] = set()
        self._last: SyncReport | None = None
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)
        self._thread.start()

    @property
    def is_late(self) -> bool:
        """Whether it is closed and still at its last pass, and holds the mirror."""
        return self._closing.is_set() and self._thread.is_alive()

    def close(self, patience: Callable[[], float]) -> SyncReport:
        """Do a last pass, and return what it did.

        Parameters
        ----------
        patience
            Returns how many seconds to wait for it in all, and is asked again and again; what is
            then missing is left to ``sweetspot sync``.
        """
        self._closing.set()
        began = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - began < patience():
            self._thread.join(min(_LOOK_SECONDS, patience()))
        if self._thread.is_alive() or self._last is None:
            late = SyncReport(
                failure=f"MLflow was not brought up to date within {patience():.0f} s; nothing is "
                f"lost, and `{self.mirror.sync_command()}` finishes it"
            )
            self._tell(late)
            return late
        return self._last

    def _run(self) -> None:
        try:
            while not self._is_under_way() and not self._closing.wait(_LOOK_SECONDS):
                pass
            while True:
                last_pass = self._closing.is_set()
                if last_pass:
                    self.mirror.end_waiting()
                self._last = self.mirror.sync()
                self._tell(self._last)
                if last_pass:
                    return
                self._closing.wait(self._interval_seconds)
        finally:
            self.mirror.close()

    def _tell(self, report: SyncReport) -> None:
        self._tell_once("failure", report.failure)
        # A pass that fails may not come to what is refused.
        if report.failure is None or report.refused is not None:
            self._tell_once("refused", report.refused)

    def _tell_once(self, kind: str, sentence: str | None) -> None:
        """Say a sentence unless one of its kind was said since there was none."""
        if sentence is None:
            self._said.discard(kind)
        elif kind not in self._said:
            self._said.add(kind)
            self._say(sentence)


def start_mirror(
    config: Config, data: DataDescription, say: Callable[[str], None]
) -> SyncLoop | None:
    """Mirror a sweep that begins or goes on; None where it is not tracked."""
    if not config.tracking.enabled:
        return None
    began = time.time()
    return SyncLoop(
        Mirror(config.sweep_dir, config, data),
        config.tracking.interval_seconds,
        say,
        lambda: time.time() - began > _AFTER_SECONDS or is_training(config.sweep_dir, began),
    )


def is_training(sweep_dir: Path, since: float) -> bool:
    """Return whether a trial has come to its first epoch since then, seconds since the epoch."""
    kinds = (Measured.kind, EpochEnded.kind)
    logs = training_log_paths(sweep_dir).values()
    fresh = [path for path in logs if path.stat().st_mtime >= since]
    return any(e.kind in kinds and e.time >= since for path in fresh for e in read(path))
