"""Selection rules: which member of the front is the sweet spot, and why.

A rule is a pure function from the front's points to a ``Selection``. To add one, write it and
enter it in ``RULES``; what it needs to know goes into ``RuleSettings``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.core.errors import ConfigurationError, one_of

Point = Sequence[float]
#: Heights above the line, in shares of the front's range, that differ by less are equal.
_ROUNDING = 1e-9
#: How many members a front without anything between its ends has.
_ENDS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSettings:
    """Which rule selects, and what it needs.

    Parameters
    ----------
    name
        A key of ``RULES``.
    budget
        For ``budget``: the most that the leading cost may be, in that cost's unit.
    floor
        For ``knee``: the accuracy of the plain dense network (the ``dnn`` reference). A
        network below it answers no question, however cheap it is, so the knee is looked for
        above it; None where it is not known.
    """

    name: str = "knee"
    budget: float | None = None
    floor: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """A selected member.

    Parameters
    ----------
    index
        Into the points that were given.
    rule
        The rule's name.
    reason
        Why this one, in words with numbers; continues "selected because …".
    """

    index: int
    rule: str
    reason: str


Rule = Callable[[Sequence[Point], str, RuleSettings], Selection]


def select(front: Sequence[Point], leading_cost: str, settings: RuleSettings) -> Selection:
    """Apply the rule that the settings name.

    Parameters
    ----------
    front
        Members of the front as ``(accuracy, leading cost, further cost, …)``, at least one,
        in any order; accuracy in [0, 1], the leading cost positive.
    leading_cost
        The leading cost's name, for the reason.

    Raises
    ------
    ConfigurationError
        There is no such rule, or it lacks its parameter.
    ValueError
        The front is empty, or a leading cost is not positive.
    """
    if settings.name not in RULES:
        raise ConfigurationError(f"objective.rule must be {one_of(RULES)}, not {settings.name!r}")
    if not front:
        raise ValueError("nothing can be selected from an empty front")
    if any(not point[1] > 0 for point in front):
        raise ValueError(f"{leading_cost} must be positive for every member of the front")
    return RULES[settings.name](front, leading_cost, settings)


def knee(front: Sequence[Point], leading_cost: str, settings: RuleSettings) -> Selection:
    """Select the member that lies farthest above the line between the front's two ends.

    Accuracy is taken against the logarithm of the leading cost, both scaled to [0, 1] between
    the ends, so that the rule does not depend on units and a halved cost weighs the same
    everywhere. The ends are the cheapest member that reaches ``settings.floor`` and the most
    accurate one: without a floor one cheap network that learned nothing would move the knee
    to the first network that learned something. Of members equally far, the cheapest is taken.
    Where no member lies above the line (two members, or a front that bends the other way)
    there is no knee, and the most accurate member is selected.

    Notes
    -----
    The distance to the line between the individual optima is from I. Das, "On characterizing
    the 'knee' of the Pareto curve based on Normal-Boundary Intersection", Structural
    Optimization 18 (1999) 107-115.
    """
    indices, members = _reaching(front, settings.floor)
    cheapest = min(indices, key=lambda i: _cheaper_first(front[i]))
    best = min(indices, key=lambda i: _better_first(front[i]))
    low, high = front[cheapest], front[best]
    if len(indices) == 1:
        reason = f"it is the only member of {members}, {_described(low, leading_cost)}"
        return Selection(index=cheapest, rule="knee", reason=reason)
    if high[0] == low[0]:
        reason = (
            f"no member of {members} is more accurate than the cheapest one, "
            f"{_described(low, leading_cost)}"
        )
        return Selection(index=cheapest, rule="knee", reason=reason)
    shares = {index: _shares(front[index], low, high) for index in indices}
    above = {index: gained - paid for index, (gained, paid) in shares.items()}
    most = max(above.values())
    if most <= _ROUNDING:
        lies = "between" if len(indices) == _ENDS else "above the line between"
        reason = (
            f"{members} has no knee, as nothing lies {lies} {_described(low, leading_cost)} and "
            f"{_described(high, leading_cost)}; the more accurate end is taken"
        )
        return Selection(index=best, rule="knee", reason=reason)
    tied = [index for index, height in above.items() if height >= most - _ROUNDING]
    index = min(tied, key=lambda i: _cheaper_first(front[i]))
    gained, paid = shares[index]
    reason = (
        f"of the {len(indices)} members of {members} it lies farthest above the line from "
        f"{_described(low, leading_cost)} to {_described(high, leading_cost)}: "
        f"{_percent(gained)} of that gain in accuracy for {_percent(paid)} of that way in "
        f"log10({leading_cost}){_tie_remark(len(tied))}"
    )
    return Selection(index=index, rule="knee", reason=reason)


def budget(front: Sequence[Point], leading_cost: str, settings: RuleSettings) -> Selection:
    """Select the most accurate member whose leading cost is within the budget.

    Of members equally accurate, the cheapest is taken. Where nothing fits, the cheapest member
    is selected and the reason says so.
    """
    if settings.budget is None:
        raise ConfigurationError(
            f"the rule budget needs objective.budget, the most {leading_cost} may be"
        )
    limit = f"{leading_cost} of at most {settings.budget:.4g}"
    fitting = [index for index, point in enumerate(front) if point[1] <= settings.budget]
    if not fitting:
        index = min(range(len(front)), key=lambda i: _cheaper_first(front[i]))
        return Selection(
            index=index,
            rule="budget",
            reason=f"nothing on the front has {limit}; it is the cheapest there, "
            f"{_described(front[index], leading_cost)}",
        )
    index = min(fitting, key=lambda i: _better_first(front[i]))
    tied = sum(front[i][0] == front[index][0] for i in fitting)
    return Selection(
        index=index,
        rule="budget",
        reason=(
            f"it is the most accurate of the {len(fitting)} "
            f"{'member' if len(fitting) == 1 else 'members'} of the front with {limit}: "
            f"{_described(front[index], leading_cost)}{_tie_remark(tied)}"
        ),
    )


#: The rules by the name that `objective.rule` gives.
RULES: dict[str, Rule] = {"knee": knee, "budget": budget}


def _reaching(front: Sequence[Point], floor: float | None) -> tuple[list[int], str]:
    """Return the members that reach the floor (all where none does), and what to call them."""
    indices = [i for i, point in enumerate(front) if floor is not None and point[0] >= floor]
    if not indices or len(indices) == len(front):
        return list(range(len(front))), "the front"
    return indices, f"the front from accuracy {floor:.4f} (the dnn reference) on"


def _cheaper_first(point: Point) -> tuple[float, ...]:
    """Order by leading cost, then accuracy, then the further costs."""
    accuracy, cost, *further = point
    return (cost, -accuracy, *further)


def _better_first(point: Point) -> tuple[float, ...]:
    """Order by accuracy, then the costs as they come."""
    accuracy, *costs = point
    return (-accuracy, *costs)


def _shares(point: Point, low: Point, high: Point) -> tuple[float, float]:
    """Return which share of the way from low to high is gained in accuracy, and paid in cost."""
    gained = (point[0] - low[0]) / (high[0] - low[0])
    paid = math.log(point[1] / low[1]) / math.log(high[1] / low[1])
    return gained, paid


def _described(point: Point, leading_cost: str) -> str:
    return f"accuracy {point[0]:.4f} at {leading_cost} {point[1]:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _tie_remark(tied: int) -> str:
    return "" if tied == 1 else f" ({tied} members tie, the cheapest of them is taken)"
