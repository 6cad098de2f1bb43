"""Time a callable beside a reference: warm up until steady, then one after the other.

Both callables synchronise: they return when the device is done. Call, reference, call,
reference, … puts what slows the machine for a while into both, so their ratio survives a noisy
machine.
"""

import time
from collections.abc import Callable

import numpy as np

from pipeline.measuring.statistics import Latency, Pair, is_known, summarise, turn_values

Call = Callable[[], object]
Now = Callable[[], float]

#: Calls in a window of the warm-up; two windows whose medians agree to STEADY are steady.
WINDOW = 5
STEADY = 0.05
#: A turn lasts about this long, and has one pair of calls at least.
TURN_SECONDS = 0.03
#: Of so many pairs of calls the shortest says how many a turn has.
SINGLE_PAIRS = 2


def warm_up(call: Call, *, seconds: float, now: Now = time.perf_counter) -> int:
    """Call until the time of a call is steady, or until ``seconds`` are over.

    Steady means that the medians of two successive windows of ``WINDOW`` calls differ by less
    than the share ``STEADY``.

    Returns
    -------
    int
        The number of calls, at least 1.
    """
    end = now() + seconds
    before: float | None = None
    window: list[float] = []
    calls = 0
    while True:
        started = now()
        call()
        ended = now()
        calls += 1
        window.append(ended - started)
        if ended >= end:
            return calls
        if len(window) < WINDOW:
            continue
        median = float(np.median(window))
        if before is not None and abs(median - before) <= STEADY * before:
            return calls
        before, window = median, []


class TimedLatency:
    """The latency of a call beside a reference's, timed in turns.

    Parameters
    ----------
    call, reference
        Classify one batch and return when the result is there.
    batch_size
        Images of that batch.
    warmup_seconds
        Longest warm-up of each, which happens here.
    """

    def __init__(
        self,
        call: Call,
        reference: Call,
        *,
        batch_size: int,
        warmup_seconds: float,
        now: Now = time.perf_counter,
    ) -> None:
        self._call = call
        self._reference = reference
        self._batch_size = batch_size
        self._now = now
        self._turns: list[list[Pair]] = []
        warm_up(reference, seconds=warmup_seconds, now=now)
        warm_up(call, seconds=warmup_seconds, now=now)
        pair = min(sum(self._pair()) for _ in range(SINGLE_PAIRS))
        self._pairs = max(1, int(TURN_SECONDS / pair))

    def take_turn(self) -> None:
        """Time some calls, each followed by one of the reference."""
        self._turns.append([self._pair() for _ in range(self._pairs)])

    def is_known(self, tolerance: float) -> bool:
        """Say whether the interval of the ratio is narrow enough."""
        return is_known(turn_values(self._turns, lambda pair: pair[0] / pair[1]), tolerance)

    def result(self, tolerance: float) -> Latency:
        """Return what the turns so far say; what is not known is flagged as noisy."""
        return summarise(self._turns, batch_size=self._batch_size, tolerance=tolerance)

    def _pair(self) -> Pair:
        started = self._now()
        self._call()
        between = self._now()
        self._reference()
        return between - started, self._now() - between
