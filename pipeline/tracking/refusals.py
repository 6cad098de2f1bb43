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
    """The refusals of one sweep's runs; its own has the key None.

    A store that does not answer keeps whoever asks it waiting. Where it has not answered two runs
    of which it holds nothing, and nobody in between, it is asked for no other run in this pass,
    and by one run alone whenever its own wait is over. (A run some of whose files it holds is kept
    by the next one, whatever it answers to that.)
    """

    def __init__(self) -> None:
        self._by_run: dict[RunKey | None, _Refusal] = {}
        self._unanswered: set[RunKey | None] = set()
        self._store: _Refusal | None = None
        self._is_closed = False

    def begin_pass(self) -> None:
        """Look whether the store is asked in this pass."""
        self._is_closed = self._store is not None and time.monotonic() < self._store.until

    def add(self, run: RunKey | None, sentence: str, *, answered: bool = True) -> None:
        """Keep that the artifacts of a run were refused, or that the store did not even answer."""
        self._by_run[run] = _again(self._by_run.get(run), sentence)
        if answered:
            self.reach()
            return
        self._unanswered.add(run)
        if len(self._unanswered) > 1:
            self._store = _again(self._store, sentence)
            self._is_closed = True

    def postpone(self, run: RunKey | None) -> None:
        """Keep that a run lacks artifacts for which the store was not asked."""
        if self._store is not None and run not in self._by_run:
            self._by_run[run] = replace(self._store, wait_seconds=0.0, until=0.0)

    def settle(self, run: RunKey | None) -> None:
        """Keep that a run has its artifacts."""
        if self._by_run.pop(run, None) is not None:
            self.reach()

    def reason(self, run: RunKey | None) -> str | None:
        """Return why a run lacks artifacts; None where it was refused none."""
        refusal = self._by_run.get(run)
        return None if refusal is None else refusal.sentence

    def waits(self, run: RunKey | None) -> bool:
        """Whether a run's artifacts are not to be tried now."""
        refusal = self._by_run.get(run)
        return self._is_closed or (refusal is not None and time.monotonic() < refusal.until)

    def is_due(self, run: RunKey | None) -> bool:
        """Whether a run's artifacts were refused and are to be tried again."""
        return run in self._by_run and not self.waits(run)

    def end_waiting(self) -> None:
        """Have all that was refused tried again."""
        self._by_run = {run: replace(refusal, until=0.0) for run, refusal in self._by_run.items()}
        if self._store is not None:
            self._store = replace(self._store, until=0.0)

    def reach(self) -> None:
        """Keep that the store has answered."""
        self._unanswered.clear()
        self._store = None


def _again(before: _Refusal | None, sentence: str) -> _Refusal:
    seconds = 0.0
    if before is not None:
        seconds = min(max(FIRST_SECONDS, 2 * before.wait_seconds), LONGEST_SECONDS)
    return _Refusal(sentence=sentence, wait_seconds=seconds, until=time.monotonic() + seconds)
