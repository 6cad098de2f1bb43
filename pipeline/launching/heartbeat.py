"""Signs of life: while a worker has a trial, storage hears so every few seconds."""

import threading
from types import TracebackType
from typing import Self

from pipeline.core.errors import StorageError
from pipeline.search.ledger import Claim


class Heartbeat:
    """Beats for one claim in a thread of its own, for as long as the block lasts.

    The first beat is part of the claim. Where storage asks for none, nothing happens.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._seconds = claim.storage.heartbeat_seconds
        self._over = threading.Event()
        self._taken_away = False
        self._thread: threading.Thread | None = None

    @property
    def taken_away(self) -> bool:
        """Whether the trial was given to another worker, as this one was silent for too long."""
        return self._taken_away

    def __enter__(self) -> Self:
        """Start to beat."""
        if self._seconds is not None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Beat no more; a beat that hangs is not waited for."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                self._taken_away = not self._claim.beat()
            except StorageError:
                continue  # the server is away: the next beat may reach it
            if self._taken_away:
                return
