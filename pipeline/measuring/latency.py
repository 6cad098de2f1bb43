"""Time a callable beside a reference: warm up until steady, then take turns.

Both callables synchronise: they return when the device is done. Taking turns (call, reference,
call, reference, …) puts what slows the machine for a while into both, so their ratio survives
a noisy machine.
"""

import time
from collections.abc import Callable
from operator import itemgetter

import numpy as np

from pipeline.measuring.repetition import Repetition, take_samples
from pipeline.measuring.statistics import Latency, summarise

Call = Callable[[], object]
Now = Callable[[], float]

#: Calls in a window of the warm-up; two windows whose medians agree to STEADY are steady.
WINDOW = 5
STEADY = 0.05


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


def measure_latency(
    call: Call,
    reference: Call,
    *,
    batch_size: int,
    warmup_seconds: float,
    repetition: Repetition,
    seed: int = 0,
    now: Now = time.perf_counter,
) -> Latency:
    """Measure a call's latency beside the reference's.

    Parameters
    ----------
    call, reference
        Classify one batch and return when the result is there.
    batch_size
        Images of that batch.
    warmup_seconds
        Longest warm-up of each.
    repetition
        How many pairs of calls are timed; what is still wide after the last one is flagged as
        noisy.
    """
    warm_up(reference, seconds=warmup_seconds, now=now)
    warm_up(call, seconds=warmup_seconds, now=now)

    def pair() -> tuple[float, float]:
        started = now()
        call()
        between = now()
        reference()
        return between - started, now() - between

    pairs = take_samples(pair, itemgetter(0), repetition, now)
    ours, theirs = zip(*pairs, strict=True)
    return summarise(ours, theirs, batch_size=batch_size, tolerance=repetition.tolerance, seed=seed)
