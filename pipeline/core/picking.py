"""Which member each selection rule picks, for a whole stack of fronts at once.

A front is resampled a thousand times to see whether the same member would be picked again, so
each rule is a few array operations. The rules' words are in ``pipeline.core.selection``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: Of each front, the index of the member picked.
Picks = NDArray[np.intp]
#: Heights above a line, percentage points and accuracies that differ by less are equal.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Fronts:
    """A stack of fronts of the same members.

    Parameters
    ----------
    accuracy
        Shape ``(fronts, members)``.
    costs
        An array of that shape for each cost, the leading one first.
    floor
        Shape ``(fronts, 1)``: what accuracy a member has to reach for the knee; -inf for none.
    """

    accuracy: Floats
    costs: tuple[Floats, ...]
    floor: Floats

    @classmethod
    def of(cls, points: Sequence[Sequence[float]], floor: float | None) -> "Fronts":
        """Return a stack of one front, its points given as ``(accuracy, cost, cost, …)``."""
        accuracy, *costs = np.asarray(points, dtype=np.float64).T[:, np.newaxis, :]
        lowest = np.full((1, 1), -np.inf if floor is None else floor)
        return cls(accuracy=accuracy, costs=tuple(costs), floor=lowest)

    @property
    def everyone(self) -> Mask:
        """Every member of every front."""
        return np.ones(self.accuracy.shape, dtype=np.bool_)

    @property
    def reaching(self) -> Mask:
        """The members that reach the floor; all where none does."""
        reach: Mask = self.accuracy >= self.floor
        return reach | ~reach.any(axis=1, keepdims=True)

    def cheapest(self, among: Mask) -> Picks:
        """Return the member of lowest leading cost, then best accuracy, then further costs."""
        leading, *further = self.costs
        return _first(among, leading, -self.accuracy, *further)

    def best(self, among: Mask) -> Picks:
        """Return the member of best accuracy, then lowest costs as they come."""
        return _first(among, -self.accuracy, *self.costs)


def shares(fronts: Fronts) -> tuple[Floats, Floats]:
    """Return which share of the way between a front's ends each member gains, and pays.

    The ends are the cheapest member that reaches the floor and the most accurate one; gained
    is accuracy, paid the logarithm of the leading cost. Where both ends are one, all are NaN.
    """
    low, high = fronts.cheapest(fronts.reaching), fronts.best(fronts.reaching)
    gained = _share(fronts.accuracy, low, high)
    paid = _share(np.log(fronts.costs[0]), low, high)
    return gained, paid


def heights(fronts: Fronts) -> Floats:
    """Return how far each member that reaches the floor lies above the line; others -inf."""
    gained, paid = shares(fronts)
    above = gained - paid
    return np.where(fronts.reaching & np.isfinite(above), above, -np.inf)


def knee(fronts: Fronts) -> Picks:
    """Pick the member that lies farthest above the line between the front's two ends.

    Accuracy is taken against the logarithm of the leading cost, both scaled to [0, 1] between
    the ends, so that the rule does not depend on units and a halved cost weighs the same
    everywhere. The ends are the cheapest member that reaches the floor and the most accurate
    one: without a floor one cheap network that learned nothing would move the knee to the
    first network that learned something. Of members equally far, the cheapest is taken. Where
    no member lies above the line (two members, or a front that bends the other way) there is
    no knee, and the most accurate member is picked.

    Notes
    -----
    The distance to the line between the individual optima is from I. Das, "On characterizing
    the 'knee' of the Pareto curve based on Normal-Boundary Intersection", Structural
    Optimization 18 (1999) 107-115.
    """
    above = heights(fronts)
    most = above.max(axis=1, keepdims=True)
    highest = fronts.cheapest(above >= most - ROUNDING)
    return np.where(most[:, 0] > ROUNDING, highest, fronts.best(fronts.reaching))


def budget(fronts: Fronts, most: float) -> Picks:
    """Pick the most accurate member whose leading cost is at most ``most``.

    Of members equally accurate, the cheapest is taken. Where nothing fits, the cheapest member
    is picked.
    """
    fitting: Mask = fronts.costs[0] <= most
    cheapest = fronts.cheapest(fronts.everyone)
    return np.where(fitting.any(axis=1), fronts.best(fitting), cheapest)


def least_accuracy(fronts: Fronts, least: float) -> Picks:
    """Pick the cheapest member whose accuracy is at least ``least``.

    Of members equally cheap, the most accurate is taken. Where nothing is accurate enough, the most
    accurate member is picked.
    """
    enough: Mask = fronts.accuracy >= least - ROUNDING
    best = fronts.best(fronts.everyone)
    return np.where(enough.any(axis=1), fronts.cheapest(enough), best)


def worth(fronts: Fronts, price: float) -> Floats:
    """Return accuracy in percentage points less ``price`` for each doubling of the cost."""
    return 100.0 * fronts.accuracy - price * np.log2(fronts.costs[0])


def price(fronts: Fronts, price: float) -> Picks:
    """Pick the member of highest accuracy less what its leading cost is worth.

    A doubling of the leading cost has to bring ``price`` percentage points of accuracy:
    ``100 · accuracy - price · log2(cost)`` is largest. Of members worth the same, the cheapest
    is taken. With accuracy over the logarithm of the cost, this is where a line of that slope
    touches the front from above.
    """
    values = worth(fronts, price)
    return fronts.cheapest(values >= values.max(axis=1, keepdims=True) - ROUNDING)


def standard_errors(
    fronts: Fronts, known: Sequence[float | None] | None, images: int | None
) -> Floats:
    """Return the standard error of each accuracy, shape ``(fronts, members)``.

    Where none is known it is the binomial one, ``√(p(1 - p)/n)`` of n validation images.

    Raises
    ------
    ValueError
        One is neither known nor are there images, or there is not one for each member.
    """
    members = fronts.accuracy.shape[1]
    given = np.array([None] * members if known is None else known, dtype=np.float64)
    if given.shape != (members,):
        raise ValueError(f"{members} members need as many standard errors, not {given.size}")
    if np.isnan(given).any() and not images:
        raise ValueError("where a standard error is not known, the number of images has to be")
    binomial = np.sqrt(fronts.accuracy * (1.0 - fronts.accuracy) / (images or 1))
    return np.where(np.isnan(given), binomial, given)


def within_one(fronts: Fronts, errors: Floats) -> Mask:
    """Return the members that are not below the best by more than the best's standard error."""
    best = fronts.best(fronts.everyone)
    lowest = _at(fronts.accuracy, best) - _at(errors, best)
    return fronts.accuracy >= lowest - ROUNDING


def one_standard_error(fronts: Fronts, errors: Floats) -> Picks:
    """Pick the cheapest member that is not worse than the best by more than its standard error.

    Of members equally cheap, the most accurate is taken.

    Parameters
    ----------
    errors
        As ``standard_errors`` returns them; only those of the best members matter.

    Notes
    -----
    The "1 SE rule" of L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and
    Regression Trees" (1984), section 3.4.3, with cost in the place of a tree's size.
    """
    return fronts.cheapest(within_one(fronts, errors))


def _share(values: Floats, low: Picks, high: Picks) -> Floats:
    way = _at(values, high) - _at(values, low)
    gone = values - _at(values, low)
    return np.divide(gone, way, out=np.full_like(gone, np.nan), where=way != 0)


def _at(values: Floats, picks: Picks) -> Floats:
    """Return the values of the members picked, shape ``(fronts, 1)``."""
    return np.take_along_axis(values, picks[:, np.newaxis], axis=1)


def _first(among: Mask, *keys: Floats) -> Picks:
    """Return the member with the lowest keys, compared one after the other; of equals the first.

    Where a front has nobody to choose among, 0.
    """
    left = among
    for key in keys:
        values = np.where(left, key, np.inf)
        left = left & (values == values.min(axis=1, keepdims=True))
    picks: Picks = left.argmax(axis=1)
    return picks
