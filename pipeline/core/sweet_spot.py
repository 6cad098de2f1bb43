"""Which trial is the sweet spot, why, and how often it would be chosen again.

Without finalists the rule looks at the front. With finalists ``one_standard_error``, ``budget``,
``least_accuracy`` and ``price`` look at these alone, by the means of their trainings: a single
training of another member could only be preferred to a mean because it was lucky. ``knee`` still
needs the whole front, as it lies between the front's ends; there the finalists take part with their
means, and the front is looked for anew.

A finalist with trainings that ended without a result comes behind those with fewer of them,
whatever the mean of the others is.

Of a single candidate it is not said how often it is picked again: there is nothing else to pick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.finalists import Finalist, FinalRound
from pipeline.core.front import pareto_front
from pipeline.core.records import (
    above_limits,
    comparable,
    cost_interval,
    dnn_accuracy,
    front_records,
    point,
)
from pipeline.core.resampling import Repeated, probability_on_front, stability
from pipeline.core.selection import RuleSettings, described, select
from pipeline.core.trial import RunKey, TrialRecord

#: By training: whether each validation image was classified rightly, shape ``(images,)``.
RightAnswers = Mapping[RunKey, NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True, slots=True)
class SweetSpot:
    """The trial that was chosen; ``reason`` continues "selected because …"."""

    record: TrialRecord
    rule: str
    reason: str


def choose_sweet_spot(
    records: Sequence[TrialRecord],
    costs: Sequence[str],
    rule: RuleSettings,
    last: FinalRound,
    right: RightAnswers,
    *,
    limits: Mapping[str, float] | None = None,
) -> SweetSpot | None:
    """Apply the rule; None while the front is empty.

    Parameters
    ----------
    records
        The latest attempt of each trial.
    costs
        The sweep's costs, the leading one first.
    rule
        With the number of validation images; its floor is set here.
    last
        The finalists.
    right
        Of what is known; finalists that it lacks are resampled by their standard errors.
    limits
        The most by cost name, see ``front_records``.

    Raises
    ------
    ConfigurationError
        The rule is unknown or lacks its parameter.
    """
    members = front_records(records, costs, limits)
    if not members:
        return None
    # Where every network is trained again, those behind the front cannot be picked all the same.
    front = {member.number for member in members}
    finalists = [f for f in last.finalists if f.number in front] if last.decides else []
    settings = replace(rule.without_auto(finalists=bool(finalists)), floor=dnn_accuracy(records))
    if not finalists:
        allowed = [r for r in records if not above_limits(r, limits or {})]
        known = [Finalist(original=record) for record in allowed if comparable(record, costs)]
        return _on_the_front(known, costs, settings, right)
    least = min(finalist.without_result for finalist in finalists)
    surest = [finalist for finalist in finalists if finalist.without_result == least]
    left_out = [finalist for finalist in finalists if finalist.without_result > least]
    if settings.name != "knee":
        if len(surest) > 1:
            return _among_finalists(surest, costs, settings, right, left_out)
        if left_out:
            return _the_surest(surest[0], costs, settings, left_out)
        on_the_front = replace(rule.without_auto(finalists=False), floor=settings.floor)
        return _the_only_one(surest[0], members, costs, on_the_front, settings.name)
    trained = {finalist.number: finalist for finalist in finalists}
    everyone = [trained.get(member.number, Finalist(original=member)) for member in members]
    candidates = [candidate for candidate in everyone if candidate not in left_out]
    if len(candidates) == 1 and left_out:
        return _the_surest(candidates[0], costs, settings, left_out)
    return _on_the_front(candidates, costs, settings, right, left_out)


def _among_finalists(
    finalists: Sequence[Finalist],
    costs: Sequence[str],
    rule: RuleSettings,
    right: RightAnswers,
    left_out: Sequence[Finalist],
) -> SweetSpot:
    settings = replace(
        rule,
        standard_errors=[finalist.accuracy.standard_error for finalist in finalists],
        trainings=[finalist.accuracy.n for finalist in finalists],
    )
    points = [finalist.mean_point(costs) for finalist in finalists]
    selection = select(points, costs[0], settings)
    again = stability(
        points,
        selection.index,
        costs[0],
        settings,
        repeated=_repeated(dict(enumerate(finalists)), costs, right),
    )
    chosen = finalists[selection.index]
    return SweetSpot(
        record=chosen.original,
        rule=selection.rule,
        reason=f"{selection.reason} (means of its trainings){_failures(chosen, left_out)}; "
        f"{again.reason}",
    )


def _the_surest(
    finalist: Finalist, costs: Sequence[str], rule: RuleSettings, left_out: Sequence[Finalist]
) -> SweetSpot:
    """Return the finalist that no other one equals in how often it ended with a result."""
    return SweetSpot(
        record=finalist.original,
        rule=rule.name,
        reason="it is the finalist that ended with a result most often, "
        f"{_mean(finalist, costs)}{_failures(finalist, left_out)}",
    )


def _the_only_one(
    finalist: Finalist,
    members: Sequence[TrialRecord],
    costs: Sequence[str],
    on_the_front: RuleSettings,
    among_finalists: str,
) -> SweetSpot:
    """Return the only finalist, for the reason why the front's member it is was trained again.

    Parameters
    ----------
    on_the_front
        The rule as it is without finalists. It may pick another one by now: the finalist alone
        has been trained again.
    among_finalists
        The name of the rule that finalists are compared by.
    """
    selection = select([point(member, costs) for member in members], costs[0], on_the_front)
    is_picked = members[selection.index].number == finalist.number
    if is_picked:
        reason = f"{selection.reason}; it is the only finalist, {_mean(finalist, costs)}"
    else:
        reason = f"it is the only finalist, {_mean(finalist, costs)}"
    return SweetSpot(
        record=finalist.original,
        rule=selection.rule if is_picked else among_finalists,
        reason=f"{reason}{_failures(finalist, ())}",
    )


def _mean(finalist: Finalist, costs: Sequence[str]) -> str:
    """Return a finalist's mean in words."""
    trainings = len(finalist.trainings)
    of_how_many = f" (mean of its {trainings} trainings)" if trainings > 1 else ""
    return described(finalist.mean_point(costs), costs[0]) + of_how_many


def _on_the_front(
    candidates: Sequence[Finalist],
    costs: Sequence[str],
    rule: RuleSettings,
    right: RightAnswers,
    left_out: Sequence[Finalist] = (),
) -> SweetSpot:
    """Choose among those candidates that no other one beats; in a resample it may be another."""
    points = [candidate.mean_point(costs) for candidate in candidates]
    errors = [candidate.accuracy.standard_error for candidate in candidates]
    names = [candidate.original.specification.reference for candidate in candidates]
    floor_index = names.index("dnn") if "dnn" in names else None
    settings = replace(
        rule,
        standard_errors=errors,
        floor=rule.floor if floor_index is None else points[floor_index][0],
    )
    on_front = pareto_front(points)
    selection = select(
        [points[index] for index in on_front],
        costs[0],
        replace(settings, standard_errors=[errors[index] for index in on_front]),
    )
    selected = on_front[selection.index]
    intervals = [cost_interval(candidate.original, costs[0]) for candidate in candidates]
    again_trained = {i: c for i, c in enumerate(candidates) if c.further}
    chosen = candidates[selected]
    counted = ", finalists counting with the means of their trainings" if again_trained else ""
    reason = f"{selection.reason}{counted}{_failures(chosen, left_out)}"
    if len(candidates) > 1:
        again = stability(
            points,
            selected,
            costs[0],
            settings,
            floor_index=floor_index,
            # One that reaches down to 0 has no place on a logarithmic scale.
            cost_intervals=[i if i is not None and i.low > 0 else None for i in intervals],
            repeated=_repeated(again_trained, costs, right),
        )
        reason += f"; {again.reason}"
    return SweetSpot(record=chosen.original, rule=selection.rule, reason=reason)


def _failures(chosen: Finalist, left_out: Sequence[Finalist]) -> str:
    """Say which trainings ended without a result, of the one chosen or of those left out."""
    said = ""
    if chosen.without_result:
        said = f"; it ended with a result in {chosen.with_result} trainings"
    if not left_out:
        return said
    named = [f"trial {f.number} in {f.with_result} trainings" for f in left_out]
    return f"{said}; behind it are finalists that ended with a result less often: " + ", ".join(
        named
    )


def probabilities_on_front(
    members: Sequence[TrialRecord],
    last: FinalRound,
    costs: Sequence[str],
    right: RightAnswers,
) -> dict[int, float]:
    """Return by number how probable it is that each finalist is on the front.

    Seeds and validation images are drawn anew, of the finalists and of the front's other
    members. Empty where the answers of one of these are not known.
    """
    finalists = {finalist.number: finalist for finalist in last.finalists}
    candidates = [finalists.get(m.number, Finalist(original=m)) for m in members]
    repeated = _repeated(dict(enumerate(candidates)), costs, right)
    if not finalists or not repeated:
        return {}
    found = probability_on_front(
        [item.correct for item in repeated], [item.costs for item in repeated]
    )
    shares = zip(candidates, found, strict=True)
    return {c.number: share for c, share in shares if c.number in finalists}


def _repeated(
    finalists: Mapping[int, Finalist], costs: Sequence[str], right: RightAnswers
) -> list[Repeated]:
    """Return the trainings of points by index; none where one of their answers is missing."""
    runs = [r.specification.run for f in finalists.values() for r in f.trainings]
    if any(run not in right for run in runs):
        return []
    return [
        Repeated(
            index=index,
            correct=np.stack([right[r.specification.run] for r in finalist.trainings]),
            costs=np.array([[r.costs[name] for name in costs] for r in finalist.trainings]),
        )
        for index, finalist in finalists.items()
    ]
