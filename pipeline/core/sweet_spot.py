"""Which trial is the sweet spot, why, and how often it would be chosen again.

Without finalists the rule looks at the front. With finalists ``one_standard_error`` looks at
these alone, by the means of their trainings: a single training of another member could only be
preferred to a mean because it was lucky. The other rules still need the whole front (a knee
lies between its ends); there the finalists take part with their means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.finalists import Finalist, FinalRound
from pipeline.core.records import (
    above_limits,
    comparable,
    cost_interval,
    dnn_accuracy,
    front_records,
    point,
)
from pipeline.core.resampling import Repeated, probability_on_front, stability
from pipeline.core.selection import RuleSettings, select
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
    if finalists and settings.name == "one_standard_error":
        return _among_finalists(finalists, costs, settings, right)
    allowed = [r for r in records if not above_limits(r, limits or {})]
    return _on_the_front(members, allowed, costs, settings, finalists=finalists, right=right)


def _among_finalists(
    finalists: Sequence[Finalist],
    costs: Sequence[str],
    rule: RuleSettings,
    right: RightAnswers,
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
    return SweetSpot(
        record=finalists[selection.index].original,
        rule=selection.rule,
        reason=f"{selection.reason} (means of its trainings); {again.reason}",
    )


def _on_the_front(
    members: Sequence[TrialRecord],
    records: Sequence[TrialRecord],
    costs: Sequence[str],
    rule: RuleSettings,
    *,
    finalists: Sequence[Finalist],
    right: RightAnswers,
) -> SweetSpot:
    means = {finalist.number: finalist for finalist in finalists}
    known = [record for record in records if comparable(record, costs)]
    points = [
        means[r.number].mean_point(costs) if r.number in means else point(r, costs) for r in known
    ]
    errors = [means[r.number].accuracy.standard_error if r.number in means else None for r in known]
    names = [record.specification.reference for record in known]
    floor_index = names.index("dnn") if "dnn" in names else None
    settings = replace(
        rule,
        standard_errors=errors if means else None,
        floor=rule.floor if floor_index is None else points[floor_index][0],
    )
    on_front = [known.index(member) for member in members]
    front_errors = None if not means else [errors[index] for index in on_front]
    selection = select(
        [points[index] for index in on_front],
        costs[0],
        replace(settings, standard_errors=front_errors),
    )
    selected = on_front[selection.index]
    intervals = [cost_interval(record, costs[0]) for record in known]
    again = stability(
        points,
        selected,
        costs[0],
        settings,
        floor_index=floor_index,
        # One that reaches down to 0 has no place on a logarithmic scale.
        cost_intervals=[i if i is not None and i.low > 0 else None for i in intervals],
        repeated=_repeated(
            {i: means[r.number] for i, r in enumerate(known) if r.number in means}, costs, right
        ),
    )
    counted = ", finalists counting with the means of their trainings" if means else ""
    return SweetSpot(
        record=known[selected],
        rule=selection.rule,
        reason=f"{selection.reason}{counted}; {again.reason}",
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
