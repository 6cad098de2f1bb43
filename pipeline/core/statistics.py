"""How sure a number is: intervals of proportions, a paired test, standard errors of means.

Proportions are shares of images that are classified rightly. z is the quantile of the standard
normal distribution that leaves half of ``1 - confidence`` above it, 1.96 for 95%.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A confidence interval, its ends included."""

    low: float
    high: float


class MeanError(NamedTuple):
    """A mean, its standard error (None where it cannot be known), and of how many values."""

    mean: float
    standard_error: float | None
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedTest:
    """Two classifiers on the same images.

    Parameters
    ----------
    images
        How many.
    only_first, only_second
        Images that only this one classifies rightly.
    p_value
        Probability of a split of these images at least as uneven if both were equally good.
    difference
        Accuracy of the first minus that of the second, in [-1, 1].
    interval
        Of the difference.
    """

    images: int
    only_first: int
    only_second: int
    p_value: float
    difference: float
    interval: Interval


def normal_quantile(confidence: float) -> float:
    """Return z, see the module's docstring.

    Raises
    ------
    ValueError
        ``confidence`` does not lie between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)


def wilson_interval(correct: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a proportion.

    Parameters
    ----------
    correct, n
        Images classified rightly, of how many; at least one.

    Raises
    ------
    ValueError
        ``correct`` does not lie in 0 to n, or there are no images.

    Notes
    -----
    With p = correct / n, ``(p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)``:
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927) 209-212. It stays within [0, 1] and has a width at 0 and n.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} right of {n} images is no proportion")
    z = normal_quantile(confidence)
    share, squared = correct / n, z * z / n
    centre = share + squared / 2
    half = z * math.sqrt(share * (1 - share) / n + squared / (4 * n))
    low = (centre - half) / (1 + squared)
    high = (centre + half) / (1 + squared)
    # At the ends the formula gives 0 and 1 but for rounding.
    return Interval(low=low if correct else 0.0, high=high if correct < n else 1.0)


def mean_standard_error(values: Sequence[float]) -> MeanError:
    """Return the mean of repeated measurements and its standard error, ``s/√n``.

    ``s`` is the sample standard deviation, with n - 1 degrees of freedom; of a single value it
    is not known.

    Raises
    ------
    ValueError
        There are no values, or one is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a mean needs finite values, not {list(values)}")
    n = len(values)
    error = stdev(values) / math.sqrt(n) if n > 1 else None
    return MeanError(mean=fmean(values), standard_error=error, n=n)


def mcnemar(
    first_right: ArrayLike, second_right: ArrayLike, confidence: float = CONFIDENCE
) -> PairedTest:
    """Compare two classifiers on the same images.

    Parameters
    ----------
    first_right, second_right
        Shape ``(images,)`` each, in the same order: whether each image is classified rightly.

    Raises
    ------
    ValueError
        The arrays are not rows of truth values of one length, at least one.

    Notes
    -----
    If both were equally good, the b images that only the first gets right would be a draw from
    a binomial distribution with probability ½ and b + c draws: the p-value is the exact
    two-sided one, ``min(1, 2 P(X ≤ min(b, c)))``. Q. McNemar, "Note on the sampling error of
    the difference between correlated proportions or percentages", Psychometrika 12 (1947)
    153-157. The interval is Wald's with one image added to b and to c: D. G. Bonett and
    R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", J. Educ. Behav. Stat. 37 (2012) 479-488.
    """
    first, second = _truth(first_right), _truth(second_right)
    if len(first) != len(second):
        raise ValueError(f"images come in pairs, not {len(first)} and {len(second)}")
    n = len(first)
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    gained, lost = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = normal_quantile(confidence) * math.sqrt((gained + lost - (gained - lost) ** 2) / (n + 2))
    return PairedTest(
        images=n,
        only_first=only_first,
        only_second=only_second,
        p_value=_sign_test(only_first, only_second),
        difference=(only_first - only_second) / n,
        interval=Interval(low=max(gained - lost - half, -1.0), high=min(gained - lost + half, 1.0)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all of several tests together, in the order given.

    Notes
    -----
    The k-th smallest of m is multiplied by m - k + 1, and none is below a smaller one's:
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6
    (1979) 65-70. No assumption is made on how the tests depend on each other.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _truth(values: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype != np.bool_ or not len(array):
        raise ValueError(
            f"a row of truth values is needed, not {array.dtype} of shape {array.shape}"
        )
    return array


def _sign_test(ours: int, theirs: int) -> float:
    """Return the two-sided p-value of so uneven a split, exactly, in whole numbers."""
    draws = ours + theirs
    term = tail = 1
    for k in range(min(ours, theirs)):
        term = term * (draws - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << draws))
