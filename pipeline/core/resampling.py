"""Would it be chosen again? Accuracies and costs are measured, so they are drawn anew many times.

Every function is deterministic: its random numbers come from a seed that is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.core.picking import Floats, Fronts
from pipeline.core.selection import Point, RuleSettings, named_rule
from pipeline.core.statistics import Interval, normal_quantile
from pipeline.core.wording import share_of_draws

RESAMPLES = 1_000
_TABLE = 2  #: dimensions of an array of seeds by images, or of measurements by costs


@dataclass(frozen=True, kw_only=True, slots=True)
class Stability:
    """How often a rule picks the same member when accuracies and costs are drawn anew.

    Parameters
    ----------
    share
        Of the resamples in which the selected member was picked, in [0, 1].
    shares
        The same for each point, in the order given; they sum to 1.
    resamples
        How many.
    seeds
        Whether trainings were drawn anew, and not validation images alone.
    """

    share: float
    shares: tuple[float, ...]
    resamples: int
    seeds: bool = False

    @property
    def reason(self) -> str:
        """In words; continues a selection's reason after a semicolon."""
        drawn = " of seeds and validation images" if self.seeds else ""
        share = share_of_draws(self.share)
        return f"the same is picked in {share} of {self.resamples:,} resamples{drawn}"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Repeated:
    """A point that was trained more than once.

    Parameters
    ----------
    index
        Of the point.
    correct
        Shape ``(trainings, images)``: whether each validation image was classified rightly.
    costs
        Shape ``(trainings, costs)``.
    """

    index: int
    correct: NDArray[np.bool_]
    costs: Floats


def stability(
    points: Sequence[Point],
    selected: int,
    leading_cost: str,
    settings: RuleSettings,
    *,
    floor_index: int | None = None,
    cost_intervals: Sequence[Interval | None] | None = None,
    repeated: Sequence[Repeated] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Stability:
    """Return how often the rule would pick the same point.

    Each accuracy p is drawn from a normal distribution with its standard error, where
    ``settings.standard_errors`` knows it, else from the binomial distribution of
    ``settings.images`` draws with probability p. Each leading cost whose interval is known is
    drawn from the log-normal distribution that has this value as its median and this width.
    Points that were trained repeatedly are drawn as ``probability_on_front`` does.

    Parameters
    ----------
    points
        As ``selection.select`` takes them. Best are all complete trials, not the front alone:
        a rule picks the same of both, but here trials behind the front may come to lie on it.
    selected
        Index of the point that was selected.
    floor_index
        The point whose accuracy is ``settings.floor``, which is then drawn with it; None where
        it is not among them.
    cost_intervals
        95% interval of each point's leading cost; None (for one, or for all) where it has none.
    repeated
        Those points whose trainings and validation images are drawn instead.

    Raises
    ------
    ConfigurationError, ValueError
        As ``selection.select``; or there is no point ``selected``, or not an interval (positive,
        its ends in order) for each point.

    Notes
    -----
    A parametric bootstrap (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993),
    section 6.5). The draws of two points are independent, though both are validated on the same
    images: differences vary less in truth, so that the stability is rather better than this.
    Repeated points are drawn together, on the same images.
    """
    rule = named_rule(points, leading_cost, settings)
    if not 0 <= selected < len(points):
        raise ValueError(f"there is no point {selected} among {len(points)}")
    random = np.random.default_rng(seed)
    one = Fronts.of(points, settings.floor)
    accuracy = _drawn_accuracies(random, one.accuracy[0], settings, resamples)
    leading = _drawn_costs(random, one.costs[0][0], cost_intervals, resamples)
    further = [np.repeat(cost, resamples, axis=0) for cost in one.costs[1:]]
    costs = np.stack([leading, *further], axis=-1)
    if repeated:
        columns = [item.index for item in repeated]
        accuracy[:, columns], costs[:, columns] = _drawn_means(
            random,
            [item.correct for item in repeated],
            [item.costs for item in repeated],
            resamples,
        )
    fronts = Fronts(
        accuracy=accuracy,
        costs=tuple(np.moveaxis(costs, -1, 0)),
        floor=np.broadcast_to(one.floor, (resamples, 1))
        if floor_index is None
        else accuracy[:, [floor_index]],
    )
    picked = np.bincount(rule.pick(fronts, settings), minlength=len(points)) / resamples
    return Stability(
        share=float(picked[selected]),
        shares=tuple(picked.tolist()),
        resamples=resamples,
        seeds=bool(repeated),
    )


def probability_on_front(
    correct: Sequence[ArrayLike],
    costs: Sequence[ArrayLike],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, ...]:
    """Return for each candidate the share of resamples in which it is on the Pareto front.

    A resample draws, each with replacement, as many validation images as there are (the same
    ones for all candidates), as many seeds of each candidate as it has, and as many of its cost
    measurements. A candidate's accuracy is the share of right answers over what was drawn, its
    costs are the means.

    Parameters
    ----------
    correct
        For each candidate a bool array of shape ``(seeds, images)``: whether each image was
        classified rightly. Seeds may differ in number, images not. Where there is one seed,
        only the images are resampled.
    costs
        For each candidate an array of shape ``(measurements, costs)``, or ``(measurements,)``
        for one cost.

    Raises
    ------
    ValueError
        The arrays do not have these shapes, or there are no candidates.

    Notes
    -----
    The non-parametric bootstrap (B. Efron, "Bootstrap methods: another look at the jackknife",
    Ann. Stat. 7 (1979) 1-26), of seeds and images crossed. Images on which every network has
    the same pattern of right and wrong are drawn together, by their number, which is the same
    distribution.
    """
    accuracies, means = _drawn_means(np.random.default_rng(seed), correct, costs, resamples)
    losses = [-accuracies, *np.moveaxis(means, -1, 0)]
    return tuple(_on_front(losses).mean(axis=0).tolist())


def _drawn_means(
    random: np.random.Generator,
    correct: Sequence[ArrayLike],
    costs: Sequence[ArrayLike],
    resamples: int,
) -> tuple[Floats, Floats]:
    """Return accuracies ``(resamples, candidates)`` and costs ``(resamples, candidates, costs)``.

    See ``probability_on_front``.
    """
    rights = [_right_answers(values) for values in correct]
    tables = [_cost_table(values) for values in costs]
    if not rights or len(rights) != len(tables):
        raise ValueError(f"{len(rights)} candidates cannot have the costs of {len(tables)}")
    if len({table.shape[1] for table in rights}) > 1:
        raise ValueError("all candidates need right answers for the same images")
    if len({table.shape[1] for table in tables}) > 1:
        raise ValueError("all candidates need the same costs")
    images = rights[0].shape[1]
    patterns, counts = np.unique(np.concatenate(rights), axis=1, return_counts=True)
    drawn = random.multinomial(images, counts / images, size=resamples)
    by_network = drawn @ patterns.T.astype(np.float64) / images
    accuracies = []
    for seeds in np.split(by_network, np.cumsum([len(table) for table in rights])[:-1], axis=1):
        accuracies.append((_weights(random, seeds.shape[1], resamples) * seeds).sum(axis=1))
    means = [_weights(random, len(table), resamples) @ table for table in tables]
    return np.stack(accuracies, axis=1), np.stack(means, axis=1)


def _drawn_accuracies(
    random: np.random.Generator, accuracy: Floats, settings: RuleSettings, resamples: int
) -> Floats:
    points = len(accuracy)
    known = settings.standard_errors
    errors = np.array([None] * points if known is None else known, dtype=np.float64)
    if errors.shape != (points,):
        raise ValueError(f"{points} points need as many standard errors, not {errors.size}")
    unknown = np.isnan(errors)
    normal = random.normal(accuracy, np.where(unknown, 0.0, errors), size=(resamples, points))
    if not unknown.any():
        return normal.clip(0.0, 1.0)
    if not settings.images:
        raise ValueError("where a standard error is not known, the number of images has to be")
    right = random.binomial(settings.images, accuracy, size=(resamples, points))
    return np.where(unknown, right / settings.images, normal.clip(0.0, 1.0))


def _drawn_costs(
    random: np.random.Generator,
    cost: Floats,
    intervals: Sequence[Interval | None] | None,
    resamples: int,
) -> Floats:
    known = [None] * len(cost) if intervals is None else intervals
    if len(known) != len(cost):
        raise ValueError(f"{len(cost)} points need as many intervals, not {len(known)}")
    ends = np.array([(1.0, 1.0) if i is None else (i.low, i.high) for i in known])
    if not ((ends[:, 0] > 0) & (ends[:, 0] <= ends[:, 1]) & np.isfinite(ends[:, 1])).all():
        raise ValueError("the interval of a cost needs two positive ends in order")
    deviation = np.log(ends[:, 1] / ends[:, 0]) / (2 * normal_quantile(0.95))
    return cost * np.exp(random.normal(0.0, deviation, size=(resamples, len(cost))))


def _right_answers(values: ArrayLike) -> NDArray[np.bool_]:
    table = np.asarray(values)
    if table.dtype != np.bool_ or table.ndim != _TABLE or not table.size:
        raise ValueError(
            "right answers are a table of truth values, seeds by images, not "
            f"{table.dtype} of shape {table.shape}"
        )
    return table


def _cost_table(values: ArrayLike) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != _TABLE or not table.size or not np.isfinite(table).all():
        raise ValueError(
            f"costs are a table of finite numbers, measurements by costs, not {values!r}"
        )
    return table


def _weights(random: np.random.Generator, count: int, resamples: int) -> Floats:
    """Return the weight of each of ``count`` values in the mean of a draw of as many."""
    return random.multinomial(count, np.full(count, 1 / count), size=resamples) / count


def _on_front(losses: Sequence[Floats]) -> NDArray[np.bool_]:
    """Return who is dominated by nobody, shape ``(resamples, candidates)``, as each loss is."""
    as_good = np.logical_and.reduce([loss[:, :, None] <= loss[:, None, :] for loss in losses])
    better = np.logical_or.reduce([loss[:, :, None] < loss[:, None, :] for loss in losses])
    on_front: NDArray[np.bool_] = ~(as_good & better).any(axis=1)
    return on_front
