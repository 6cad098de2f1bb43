"""Time a callable beside a reference: warm up until steady, then take turns.

Both callables synchronise: they return when the device is done. Taking turns (call, reference,
call, reference, …) puts what slows the machine for a while into both, so their ratio survives
a noisy machine.
"""

import time
from collections.abc import Callable

import numpy as np

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


def paired_samples(
    call: Call, reference: Call, samples: int, now: Now = time.perf_counter
) -> tuple[list[float], list[float]]:
    """Return seconds of ``samples`` calls and of as many of the reference, taken in turn."""
    ours, theirs = [], []
    for _ in range(samples):
        started = now()
        call()
        between = now()
        reference()
        ended = now()
        ours.append(between - started)
        theirs.append(ended - between)
    return ours, theirs


def measure_latency(
    call: Call,
    reference: Call,
    *,
    batch_size: int,
    samples: int,
    warmup_seconds: float,
    tolerance: float,
    rounds: int,
    seed: int = 0,
    now: Now = time.perf_counter,
) -> Latency:
    """Measure a call's latency beside the reference's.

    Parameters
    ----------
    call, reference
        Classify one batch and return when the result is there.
    samples
        Timed calls of each in a round.
    warmup_seconds
        Longest warm-up of each.
    tolerance, rounds
        While the interval of the median is wider than this share of it, another round is
        taken, up to so many; what is still wider after the last round is flagged as noisy.
        The round with the narrowest interval counts.
    """
    warm_up(reference, seconds=warmup_seconds, now=now)
    warm_up(call, seconds=warmup_seconds, now=now)
    best: Latency | None = None
    for _ in range(rounds):
        ours, theirs = paired_samples(call, reference, samples, now)
        found = summarise(ours, theirs, batch_size=batch_size, tolerance=tolerance, seed=seed)
        if best is None or found.relative_width < best.relative_width:
            best = found
        if not best.noisy:
            return best
    if best is None:
        raise ValueError(f"rounds must be at least 1, not {rounds}")
    return best
