"""Selection rules: which member of the front is the sweet spot, and why.

A rule is what it picks (``pipeline.core.picking``) and how it says why. To add one, write both
and enter them in ``RULES``; what it needs to know goes into ``RuleSettings``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pipeline.core import picking
from pipeline.core.errors import ConfigurationError, one_of
from pipeline.core.picking import ROUNDING, Fronts, Picks
from pipeline.core.wording import number, percentage

Point = Sequence[float]
#: The rule that is ``one_standard_error`` where there are finalists, else ``knee``.
AUTO = "auto"
#: How many members a front without anything between its ends has.
_ENDS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSettings:
    """Which rule selects, and what it needs.

    Parameters
    ----------
    name
        A key of ``RULES``, or ``auto`` where ``without_auto`` is still to be asked.
    budget
        For ``budget``: the most that the leading cost may be, in that cost's unit.
    least_accuracy
        For ``least_accuracy``: what the accuracy has to be at least, in (0, 1].
    price
        For ``price``: how many percentage points of accuracy a doubling of the leading cost
        has to bring.
    floor
        For ``knee``: the accuracy of the plain dense network (the ``dnn`` reference). A
        network below it answers no question, however cheap it is, so the knee is looked for
        above it; None where it is not known.
    standard_errors
        Of each accuracy, in the order of the points, as repeated training gives it; None (for
        one, or for all) where it is not known.
    images
        Validation images; they give the binomial standard error where no other is known.
    trainings
        How often each point was trained, in their order, where the points are finalists and
        their values means; None for members of the front that were trained once.
    """

    name: str = "knee"
    budget: float | None = None
    least_accuracy: float | None = None
    price: float | None = None
    floor: float | None = None
    standard_errors: Sequence[float | None] | None = None
    images: int | None = None
    trainings: Sequence[int] | None = None

    def without_auto(self, *, finalists: bool) -> "RuleSettings":
        """Return the settings with ``auto`` settled, by whether there are finalists."""
        if self.name != AUTO:
            return self
        return replace(self, name="one_standard_error" if finalists else "knee")


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


class Rule(NamedTuple):
    """A rule: what it picks of each front, and why it picks that one of a single front."""

    pick: Callable[[Fronts, RuleSettings], Picks]
    explain: Callable[[Sequence[Point], int, str, RuleSettings], str]


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
        The front is empty, a leading cost is not positive, or no standard error is known where
        the rule needs one.
    """
    rule = named_rule(front, leading_cost, settings)
    index = int(rule.pick(Fronts.of(front, settings.floor), settings)[0])
    reason = rule.explain(front, index, leading_cost, settings)
    return Selection(index=index, rule=settings.name, reason=reason)


def named_rule(front: Sequence[Point], leading_cost: str, settings: RuleSettings) -> Rule:
    """Return the rule that the settings name, after checking that it can be applied.

    Raises
    ------
    ConfigurationError, ValueError
        As ``select``.
    """
    if settings.name not in RULES:
        raise ConfigurationError(f"objective.rule must be {one_of(RULES)}, not {settings.name!r}")
    if settings.name == "budget" and settings.budget is None:
        raise ConfigurationError(
            f"the rule budget needs objective.budget, the most {leading_cost} may be"
        )
    if settings.name == "least_accuracy" and settings.least_accuracy is None:
        raise ConfigurationError(
            "the rule least_accuracy needs objective.least_accuracy, what the validation accuracy "
            "has to be at least"
        )
    if settings.name == "price" and settings.price is None:
        raise ConfigurationError(
            "the rule price needs objective.price, the percentage points of accuracy that a "
            f"doubling of {leading_cost} has to bring"
        )
    if not front:
        raise ValueError("nothing can be selected from an empty front")
    if any(not point[1] > 0 for point in front):
        raise ValueError(f"{leading_cost} must be positive for every member of the front")
    return RULES[settings.name]


def _explain_knee(
    front: Sequence[Point], index: int, leading_cost: str, settings: RuleSettings
) -> str:
    fronts = Fronts.of(front, settings.floor)
    reaching = fronts.reaching
    low = front[int(fronts.cheapest(reaching)[0])]
    high = front[int(fronts.best(reaching)[0])]
    count = int(reaching.sum())
    members = "the front"
    if count < len(front):
        members += f" from accuracy {percentage(_given(settings.floor))} (the dnn reference) on"
    if count == 1:
        return f"it is the only member of {members}, {described(low, leading_cost)}"
    if high[0] == low[0]:
        return (
            f"no member of {members} is more accurate than the cheapest one, "
            f"{described(low, leading_cost)}"
        )
    above = picking.heights(fronts)[0]
    if above.max() <= ROUNDING:
        lies = "between" if count == _ENDS else "above the line between"
        return (
            f"{members} has no knee, as nothing lies {lies} {described(low, leading_cost)} and "
            f"{described(high, leading_cost)}; the more accurate end is taken"
        )
    gained, paid = picking.shares(fronts)
    tied = int((above >= above.max() - ROUNDING).sum())
    return (
        f"of the {count} members of {members} it lies farthest above the line from "
        f"{described(low, leading_cost)} to {described(high, leading_cost)}: "
        f"{_percent(gained[0, index])} of that gain in accuracy for "
        f"{_percent(paid[0, index])} of that way in log10({leading_cost}){_tie_remark(tied)}"
    )


def _explain_budget(
    front: Sequence[Point], index: int, leading_cost: str, settings: RuleSettings
) -> str:
    most = _given(settings.budget)
    limit = f"{leading_cost} of at most {number(most)}"
    fitting = [point for point in front if point[1] <= most]
    it = described(front[index], leading_cost)
    if not fitting:
        if settings.trainings is not None:
            return f"no finalist has {limit}; it is the cheapest of them, {it}"
        return f"nothing on the front has {limit}; it is the cheapest there, {it}"
    tied = sum(point[0] == front[index][0] for point in fitting)
    return (
        f"it is the most accurate of the {_members(len(fitting), settings)} with {limit}: "
        f"{it}{_tie_remark(tied)}"
    )


def _explain_least_accuracy(
    front: Sequence[Point], index: int, leading_cost: str, settings: RuleSettings
) -> str:
    least = _given(settings.least_accuracy)
    limit = f"accuracy of at least {percentage(least)}"
    enough = [point for point in front if point[0] >= least - ROUNDING]
    it = described(front[index], leading_cost)
    if not enough:
        if settings.trainings is not None:
            return f"no finalist has an {limit}; it is the most accurate of them, {it}"
        return f"nothing on the front has an {limit}; it is the most accurate there, {it}"
    tied = sum(point[1] == front[index][1] for point in enough)
    return (
        f"it is the cheapest of the {_members(len(enough), settings)} with an {limit}: "
        f"{it}{_tie_remark(tied, 'most accurate')}"
    )


def _explain_price(
    front: Sequence[Point], index: int, leading_cost: str, settings: RuleSettings
) -> str:
    price = _given(settings.price)
    it = described(front[index], leading_cost)
    if len(front) == 1:
        return f"it is the only {_members(1, settings, counted=False)}, {it}"
    terms = f"{_points(price)} of accuracy for a doubling of {leading_cost}"
    values = picking.worth(Fronts.of(front, None), price)[0]
    behind = values[index] - values
    tied = int((behind <= ROUNDING).sum())
    rest = [i for i in range(len(front)) if behind[i] > ROUNDING]
    if not rest:
        return (
            f"at {terms} all {_members(len(front), settings, counted=False)} are worth the same; "
            f"it is the cheapest, {it}"
        )
    next_best = min(rest, key=lambda i: (behind[i], front[i][1]))
    return (
        f"at {terms} none of the {_members(len(front), settings)} is worth more: "
        f"{it}, {_points(behind[next_best])} ahead of "
        f"{described(front[next_best], leading_cost)}{_tie_remark(tied)}"
    )


def _explain_one_standard_error(
    front: Sequence[Point], index: int, leading_cost: str, settings: RuleSettings
) -> str:
    fronts = Fronts.of(front, None)
    trainings = settings.trainings
    if len(front) == 1:
        only = _members(1, settings, counted=False)
        return f"it is the only {only}, {described(front[0], leading_cost)}"
    best = int(fronts.best(fronts.everyone)[0])
    errors = _errors(fronts, settings)
    error = (
        f"one standard error ({100 * errors[0, best]:.2f} points, {_error_source(best, settings)})"
    )
    within = [front[i] for i in picking.within_one(fronts, errors)[0].nonzero()[0]]
    if index == best:
        first = "front's most accurate member" if trainings is None else "most accurate finalist"
        return (
            f"nothing cheaper is within {error} of the {first}, "
            f"{described(front[best], leading_cost)}"
        )
    tied = sum(point[1] == front[index][1] for point in within)
    return (
        f"it is the cheapest of the {_members(len(within), settings)} within {error} of the "
        f"most accurate one, {described(front[best], leading_cost)}: "
        f"{described(front[index], leading_cost)}{_tie_remark(tied, 'most accurate')}"
    )


def _error_source(index: int, settings: RuleSettings) -> str:
    known = settings.standard_errors
    if known is None or known[index] is None:
        return f"binomial for {settings.images:,} validation images, as it was trained once"
    if settings.trainings is None:
        return "of its repeated training"
    return f"of the mean of its {settings.trainings[index]} trainings"


#: The rules by the name that `objective.rule` gives.
RULES: dict[str, Rule] = {
    "knee": Rule(lambda fronts, _: picking.knee(fronts), _explain_knee),
    "budget": Rule(lambda fronts, s: picking.budget(fronts, _given(s.budget)), _explain_budget),
    "least_accuracy": Rule(
        lambda fronts, s: picking.least_accuracy(fronts, _given(s.least_accuracy)),
        _explain_least_accuracy,
    ),
    "price": Rule(lambda fronts, s: picking.price(fronts, _given(s.price)), _explain_price),
    "one_standard_error": Rule(
        lambda fronts, s: picking.one_standard_error(fronts, _errors(fronts, s)),
        _explain_one_standard_error,
    ),
}


def _given(value: float | None) -> float:
    """Return a parameter that ``named_rule`` has checked."""
    assert value is not None and math.isfinite(value)
    return value


def _errors(fronts: Fronts, settings: RuleSettings) -> picking.Floats:
    return picking.standard_errors(fronts, settings.standard_errors, settings.images)


def described(point: Point, leading_cost: str) -> str:
    """Return a point in words: ``accuracy 91.00% at epoch_seconds 4``."""
    return f"accuracy {percentage(point[0])} at {leading_cost} {number(point[1])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _points(points: float) -> str:
    return f"{points:.3g} {'point' if points == 1 else 'points'}"


def _members(count: int, settings: RuleSettings, *, counted: bool = True) -> str:
    """Name those that there are to choose among: ``3 finalists``, ``2 members of the front``."""
    ending = "" if count == 1 else "s"
    names = f"member{ending} of the front" if settings.trainings is None else f"finalist{ending}"
    return f"{count} {names}" if counted else names


def _tie_remark(tied: int, first: str = "cheapest") -> str:
    return "" if tied == 1 else f" ({tied} members tie, the {first} of them is taken)"
