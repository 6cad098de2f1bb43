"""Pure statistics of timed samples: percentiles, a bootstrap interval, paired ratios."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.core.statistics import CONFIDENCE, Interval

#: Below this number of samples a 99th percentile is the largest sample by another name.
SAMPLES_FOR_P99 = 100
#: With ten samples the ends of the interval jump from one to the next; with fewer resamples, which
#: one it is would hang on the draw.
RESAMPLES = 20_000
RESAMPLES_AT_ONCE = 1_000
#: Beyond this many samples their correlation is estimated.
_CORRELATED_FROM = 5
#: An interval is widened to 4.4 times its width at most.
_MOST_CORRELATED = 0.9

#: Seconds of a call and of the reference's right after it.
Pair = tuple[float, float]


def median_interval(samples: ArrayLike, seed: int = 0) -> Interval:
    """Return the 95% bootstrap interval of the median.

    The percentile bootstrap (Efron 1979) draws ``RESAMPLES`` samples with replacement. The
    median of a resample is an order statistic of the samples whose rank has a known
    distribution, so the ranks are drawn once, from a generator seeded with ``seed``.

    Parameters
    ----------
    samples
        At least one value; one value gives an interval of no width.
    """
    values = np.sort(np.asarray(samples, dtype=np.float64))
    if values.ndim != 1 or not len(values):
        raise ValueError("an interval needs at least one sample")
    lower, upper = _median_ranks(len(values), seed)
    medians = (values[lower] + values[upper]) / 2.0
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(medians, (tail, 1.0 - tail))
    return Interval(low=float(low), high=float(high))


@lru_cache(maxsize=32)
def _median_ranks(samples: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ranks of the two samples in the middle of each resample, in sorted samples."""
    generator = np.random.default_rng(seed)
    middle = ((samples - 1) // 2, samples // 2)
    found = []
    # In parts, as thousands of samples would need hundreds of megabytes.
    for _ in range(0, RESAMPLES, RESAMPLES_AT_ONCE):
        drawn = generator.integers(samples, size=(RESAMPLES_AT_ONCE, samples))
        found.append(np.partition(drawn, middle, axis=1)[:, list(middle)])
    ranks = np.concatenate(found)
    return ranks[:, 0].copy(), ranks[:, 1].copy()


def interval_of_turns(values: Sequence[float]) -> Interval:
    """Return the 95% interval of the median of values that were taken one after the other.

    Neighbours resemble each other where a machine's moods outlast a turn; n values then say as
    little as n·(1 - ρ)/(1 + ρ) that have nothing to do with each other, ρ being the correlation
    of neighbours. The bootstrap interval is widened from the median by the root of that factor;
    it is never made narrower.

    Parameters
    ----------
    values
        In the order in which they were taken, at least one.

    Notes
    -----
    The effective number of samples is from G. V. Bayley, J. M. Hammersley, "The 'Effective'
    Number of Independent Observations in an Autocorrelated Time Series", JRSS Supplement 8
    (1946); a correlation estimated from few samples is too low by about (1 + 4ρ)/n on average
    (F. H. C. Marriott, J. A. Pope, "Bias in the Estimation of Autocorrelations", Biometrika 41
    (1954) 390-402), which is added back.
    """
    interval = median_interval(values)
    median = float(np.median(values))
    correlation = neighbour_correlation(values)
    factor = math.sqrt((1.0 + correlation) / (1.0 - correlation))
    return Interval(
        low=max(median - factor * (median - interval.low), 0.0),
        high=median + factor * (interval.high - median),
    )


def neighbour_correlation(values: Sequence[float]) -> float:
    """Return the correlation of neighbours, corrected for few samples, in [0, 0.9].

    Of the values' logarithms, as what slows a machine multiplies; values have to be positive.
    With five samples or fewer nothing can be said, and 0 is returned.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    n = len(logs)
    apart = logs - logs.mean()
    spread = float(apart @ apart)
    if n <= _CORRELATED_FROM or spread <= n * np.finfo(np.float64).eps:
        return 0.0
    estimated = float(apart[1:] @ apart[:-1]) / spread
    # Its expectation is about ρ - (1 + 4ρ)/n; solved for ρ.
    corrected = (n * estimated + 1.0) / (n - 4.0)
    return min(max(corrected, 0.0), _MOST_CORRELATED)


def is_known(values: Sequence[float], tolerance: float) -> bool:
    """Say whether the interval of the median of turns is no wider than this share of it."""
    interval = interval_of_turns(values)
    return interval.high - interval.low <= tolerance * float(np.median(values))


def turn_values(turns: Sequence[Sequence[Pair]], value: Callable[[Pair], float]) -> list[float]:
    """Return the median value of each turn's pairs."""
    return [float(np.median([value(pair) for pair in pairs])) for pairs in turns]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """How long one call takes, beside a reference that was timed in turn with it.

    Parameters
    ----------
    batch_size, samples
        Images a call; timed calls in all turns.
    median_ms
        Median over the turns of each turn's median.
    low_ms, high_ms
        95% bootstrap interval of ``median_ms``, over the turns (``interval_of_turns``).
    p90_ms, p99_ms
        Of all calls; ``p99_ms`` is None with fewer than 100 of them.
    reference_ms
        The reference's median, as ``median_ms``.
    ratio, ratio_low, ratio_high
        Median over the turns of the ratio of a call to the reference's right after it, and its
        interval: what slows the machine for a while slows both.
    noisy
        The interval of the ratio stayed wider than the tolerance.
    """

    batch_size: int
    samples: int
    median_ms: float
    low_ms: float
    high_ms: float
    p90_ms: float
    p99_ms: float | None
    reference_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    noisy: bool

    @property
    def images_per_second(self) -> float:
        """Throughput at the median."""
        return self.batch_size / self.median_ms * 1000.0


def summarise(turns: Sequence[Sequence[Pair]], *, batch_size: int, tolerance: float) -> Latency:
    """Return what the pairs of some turns say.

    Parameters
    ----------
    turns
        Seconds of a call and of the reference's right after it; at least one pair a turn.
    tolerance
        Widest interval of the ratio, as a share of it, that is not called noisy.
    """
    ours = turn_values(turns, lambda pair: pair[0] * 1000.0)
    theirs = turn_values(turns, lambda pair: pair[1] * 1000.0)
    ratios = turn_values(turns, lambda pair: pair[0] / pair[1])
    calls = [pair[0] * 1000.0 for pairs in turns for pair in pairs]
    interval, ratio_interval = interval_of_turns(ours), interval_of_turns(ratios)
    return Latency(
        batch_size=batch_size,
        samples=len(calls),
        median_ms=float(np.median(ours)),
        low_ms=interval.low,
        high_ms=interval.high,
        p90_ms=float(np.quantile(calls, 0.9)),
        p99_ms=float(np.quantile(calls, 0.99)) if len(calls) >= SAMPLES_FOR_P99 else None,
        reference_ms=float(np.median(theirs)),
        ratio=float(np.median(ratios)),
        ratio_low=ratio_interval.low,
        ratio_high=ratio_interval.high,
        noisy=not is_known(ratios, tolerance),
    )
