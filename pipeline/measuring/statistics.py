"""Pure statistics of timed samples: percentiles, a bootstrap interval, paired ratios."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Below this number of samples a 99th percentile is the largest sample by another name.
SAMPLES_FOR_P99 = 100
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


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


@lru_cache(maxsize=64)
def _median_ranks(samples: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ranks of the two samples in the middle of each resample, in sorted samples."""
    drawn = np.random.default_rng(seed).integers(samples, size=(RESAMPLES, samples))
    middle = ((samples - 1) // 2, samples // 2)
    ranks = np.partition(drawn, middle, axis=1)
    return ranks[:, middle[0]].copy(), ranks[:, middle[1]].copy()


def is_wide(interval: Interval, median: float, tolerance: float) -> bool:
    """Say whether an interval is wider than the share ``tolerance`` of its median."""
    return interval.high - interval.low > tolerance * median


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """How long one call takes, beside a reference that was timed in turn with it.

    Parameters
    ----------
    batch_size, samples
        Images a call; timed calls.
    median_ms, p90_ms, p99_ms
        Of the calls; ``p99_ms`` is None with fewer than 100 samples.
    low_ms, high_ms
        95% bootstrap interval of the median.
    reference_ms
        The reference's median.
    ratio, ratio_low, ratio_high
        Median of the ratios of neighbouring calls to the reference's, and its interval: what
        slows the machine for a while slows both.
    noisy
        The interval stayed wider than the tolerance.
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


def summarise(
    seconds: ArrayLike,
    reference_seconds: ArrayLike,
    *,
    batch_size: int,
    tolerance: float,
    seed: int = 0,
) -> Latency:
    """Return what paired samples say.

    Parameters
    ----------
    seconds, reference_seconds
        Shape ``(n,)`` each; samples of one index were taken right after one another.
    tolerance
        Widest interval of the median, as a share of it, that is not called noisy.
    seed
        Of the bootstrap.
    """
    ours = np.asarray(seconds, dtype=np.float64) * 1000.0
    theirs = np.asarray(reference_seconds, dtype=np.float64) * 1000.0
    if ours.shape != theirs.shape:
        raise ValueError(f"samples come in pairs, not {len(ours)} and {len(theirs)}")
    interval = median_interval(ours, seed)
    ratios: NDArray[np.float64] = ours / theirs
    ratio_interval = median_interval(ratios, seed)
    median = float(np.median(ours))
    return Latency(
        batch_size=batch_size,
        samples=len(ours),
        median_ms=median,
        low_ms=interval.low,
        high_ms=interval.high,
        p90_ms=float(np.quantile(ours, 0.9)),
        p99_ms=float(np.quantile(ours, 0.99)) if len(ours) >= SAMPLES_FOR_P99 else None,
        reference_ms=float(np.median(theirs)),
        ratio=float(np.median(ratios)),
        ratio_low=ratio_interval.low,
        ratio_high=ratio_interval.high,
        noisy=is_wide(interval, median, tolerance),
    )
