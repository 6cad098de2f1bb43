"""What a store of artifacts has refused, and when it is asked again.

The store may be another one than that of metrics and tags, and may refuse a file for its size or
all of them: that concerns the artifacts of a run, and nothing else waits for them.
"""

import time
from dataclasses import dataclass, replace

from pipeline.core.trial import RunKey

#: Between the second and the third try; the next pass is the second one. Doubled every time.
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    sentence: str
    wait_seconds: float
    until: float


class Refusals:
    """The refusals of one sweep's runs; its own has the key None."""

    def __init__(self) -> None:
        self._by_run: dict[RunKey | None, _Refusal] = {}

    def add(self, run: RunKey | None, sentence: str) -> None:
        """Keep that the artifacts of a run were refused."""
        before = self._by_run.get(run)
        seconds = 0.0
        if before is not None:
            seconds = min(max(FIRST_SECONDS, 2 * before.wait_seconds), LONGEST_SECONDS)
        self._by_run[run] = _Refusal(
            sentence=sentence, wait_seconds=seconds, until=time.monotonic() + seconds
        )

    def settle(self, run: RunKey | None) -> None:
        """Keep that a run has its artifacts."""
        self._by_run.pop(run, None)

    def reason(self, run: RunKey | None) -> str | None:
        """Return why a run lacks artifacts; None where it was refused none."""
        refusal = self._by_run.get(run)
        return None if refusal is None else refusal.sentence

    def waits(self, run: RunKey | None) -> bool:
        """Whether a run's artifacts were refused so recently that they are not tried again."""
        refusal = self._by_run.get(run)
        return refusal is not None and time.monotonic() < refusal.until

    def is_due(self, run: RunKey | None) -> bool:
        """Whether a run's artifacts were refused and are to be tried again."""
        return run in self._by_run and not self.waits(run)

    def end_waiting(self) -> None:
        """Have all that was refused tried again."""
        self._by_run = {run: replace(refusal, until=0.0) for run, refusal in self._by_run.items()}
