"""The interval of a mean of a few trainings: Student's distribution, exactly.

For whole degrees of freedom its distribution function is a finite sum (Abramowitz and Stegun,
"Handbook of Mathematical Functions", 26.7.3 and 26.7.4), so no library is needed.
"""

import math

from pipeline.core.statistics import CONFIDENCE, Interval, MeanError

_HALVINGS = 60  #: of an angle: more than a float has digits


def student_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Return t, which leaves half of ``1 - confidence`` above it: 2.776 for 4 degrees and 95%.

    Raises
    ------
    ValueError
        There is no degree of freedom, or the confidence is not within (0, 1).
    """
    if degrees < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(
            f"degrees must be at least 1 and confidence in (0, 1), not {degrees}, {confidence}"
        )
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _share_within(middle, degrees) < confidence:
            low = middle
        else:
            high = middle
    return math.tan(low) * math.sqrt(degrees)


def _share_within(angle: float, degrees: int) -> float:
    """Return the probability of values up to ``t = tan(angle)·√degrees``, either way."""
    odd = degrees % 2 == 1
    cosine = math.cos(angle)
    term = total = cosine if odd else 1.0
    for index in range(3 if odd else 2, degrees, 2):
        term *= cosine**2 * (index - 1) / index
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if degrees > 1 else 0.0))


def mean_interval(mean: MeanError, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of a mean; None for a single value, which says nothing of chance."""
    if mean.standard_error is None:
        return None
    half = student_quantile(mean.n - 1, confidence) * mean.standard_error
    return Interval(low=mean.mean - half, high=mean.mean + half)
