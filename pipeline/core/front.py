"""The Pareto front, non-dominated sorting and hypervolume of trials.

A point is ``(accuracy, cost, cost, …)``: the first column is maximised, every other one is
minimised. A point dominates another if it is at least as good in every column and better in
one. So **equal points never dominate each other**: all of them are on the front or none is,
and the result does not depend on the order in which trials ended. Indices are returned in the
order of the points that were given.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Losses = NDArray[np.float64]
_TABLE = 2  #: dimensions of an array of points
_LEAST_COLUMNS = 2  #: an accuracy and one cost


def pareto_front(points: ArrayLike) -> list[int]:
    """Return the indices of the points that no other point dominates, ascending.

    Parameters
    ----------
    points
        Shape ``(n, 1 + costs)``; accuracy first. No points give an empty list.

    Raises
    ------
    ValueError
        The points are not a table of finite numbers with an accuracy and at least one cost.
    """
    losses = _losses(points)
    front: list[int] = []
    # In this order only an earlier point can dominate a later one, so one pass is enough.
    for index in _lexicographic(losses):
        if not _dominated(losses[index], losses[front]):
            front.append(int(index))
    return sorted(front)


def nondominated_ranks(points: ArrayLike) -> list[int]:
    """Return each point's rank: 0 on the front, 1 on the front of what is left, and so on.

    Parameters
    ----------
    points
        As for ``pareto_front``; equal points have equal ranks.

    Raises
    ------
    ValueError
        As ``pareto_front``.

    Notes
    -----
    Efficient non-dominated sort with binary search: a point dominated by a member of one front
    is dominated by a member of every better front, so its rank is found by bisection.
    X. Zhang, Y. Tian, R. Cheng, Y. Jin, "An Efficient Approach to Nondominated Sorting for
    Evolutionary Multiobjective Optimization", IEEE Trans. Evol. Comput. 19 (2015) 201-213.
    """
    losses = _losses(points)
    fronts: list[list[int]] = []
    ranks = [0] * len(losses)
    for index in _lexicographic(losses):
        low, high = 0, len(fronts)
        while low < high:
            middle = (low + high) // 2
            if _dominated(losses[index], losses[fronts[middle]]):
                low = middle + 1
            else:
                high = middle
        if low == len(fronts):
            fronts.append([])
        fronts[low].append(int(index))
        ranks[index] = low
    return ranks


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Return the volume that the points dominate, up to the reference point. Exact.

    Parameters
    ----------
    points
        As for ``pareto_front``; dominated and equal points add nothing. Whoever wants the
        volume over the logarithm of a cost passes the logarithm.
    reference
        The worst accuracy and the worst costs that count, in the order of the columns; a point
        that is not better than it in every column adds nothing.

    Raises
    ------
    ValueError
        As ``pareto_front``, or the reference has another length than the points.

    Notes
    -----
    The exclusive-volume recursion of L. While, L. Bradstreet, L. Barone, "A Fast Way of
    Calculating Exact Hypervolumes", IEEE Trans. Evol. Comput. 16 (2012) 86-95: with the points
    sorted by their last gain, each point adds that gain times what the points before it leave
    uncovered of it in the other columns. For two costs it takes O(n² log n) time.
    """
    worst = np.asarray(reference, dtype=np.float64)
    if worst.ndim != 1 or not np.isfinite(worst).all():
        raise ValueError(f"reference must be a row of finite numbers, not {reference}")
    losses = _losses(points)
    if not len(losses):
        return 0.0
    if losses.shape[1] != len(worst):
        raise ValueError(
            f"reference has {len(worst)} values, but the points have {losses.shape[1]} columns"
        )
    worst[0] = -worst[0]
    gains = worst - losses
    return _union_volume(gains[(gains > 0).all(axis=1)])


def _losses(points: ArrayLike) -> Losses:
    """Return the points with every column to be minimised, shape ``(n, 1 + costs)``."""
    losses = np.array(points, dtype=np.float64)
    if losses.size == 0:
        return losses.reshape(0, _LEAST_COLUMNS)
    if losses.ndim != _TABLE or losses.shape[1] < _LEAST_COLUMNS:
        raise ValueError(
            f"points must be rows of an accuracy and at least one cost, not shape {losses.shape}"
        )
    if not np.isfinite(losses).all():
        raise ValueError("points must be finite numbers, leave out trials with unknown values")
    losses[:, 0] = -losses[:, 0]
    return losses


def _lexicographic(losses: Losses) -> NDArray[np.intp]:
    return np.lexsort(losses.T[::-1])


def _dominated(point: Losses, others: Losses) -> bool:
    as_good = (others <= point).all(axis=1)
    return bool((as_good & (others < point).any(axis=1)).any())


def _union_volume(gains: Losses) -> float:
    """Return the volume of the union of the boxes from the origin to each row."""
    if not len(gains):
        return 0.0
    columns = gains.shape[1]
    gains = gains[np.argsort(-gains[:, -1], kind="stable")]
    if columns == _LEAST_COLUMNS:
        reached = np.maximum.accumulate(gains[:, 0])
        added = np.diff(reached, prepend=0.0)
        return float((added * gains[:, 1]).sum())
    volume = 0.0
    for index, gain in enumerate(gains):
        covered = np.minimum(gains[:index, :-1], gain[:-1])
        volume += float(gain[-1]) * (float(gain[:-1].prod()) - _union_volume(covered))
    return volume
