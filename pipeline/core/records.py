"""Trial records as points: which of them can be compared, and which are on the front."""

import math
from collections.abc import Iterable, Mapping, Sequence

from pipeline.core.front import pareto_front
from pipeline.core.statistics import Interval
from pipeline.core.trial import Outcome, TrialRecord


def latest_attempts(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the latest attempt of each trial, by number."""
    latest: dict[int, TrialRecord] = {}
    for record in records:
        known = latest.get(record.number)
        if known is None or record.specification.attempt >= known.specification.attempt:
            latest[record.number] = record
    return [latest[number] for number in sorted(latest)]


def front_records(
    records: Sequence[TrialRecord],
    costs: Sequence[str],
    limits: Mapping[str, float] | None = None,
) -> list[TrialRecord]:
    """Return the front: complete trials that no other one beats, cheapest first.

    A trial whose accuracy or one of whose costs is unknown, not finite, or (a cost) not
    positive cannot be compared and is not on the front. Of equal cost, the more accurate and
    then the earlier comes first.

    Parameters
    ----------
    limits
        The most by cost name. References are trained to their end whatever they cost, as the
        others are compared with them; one that is above a limit is no choice, though, and not
        on the front.
    """
    known = [
        record
        for record in records
        if comparable(record, costs) and not above_limits(record, limits or {})
    ]
    members = [known[index] for index in pareto_front([point(r, costs) for r in known])]
    return sorted(members, key=lambda r: (r.costs[costs[0]], -(r.val_accuracy or 0.0), r.number))


def comparable(record: TrialRecord, costs: Sequence[str]) -> bool:
    """Whether a trial is complete, with a finite accuracy and finite, positive costs."""
    if record.outcome is not Outcome.COMPLETE or record.val_accuracy is None:
        return False
    values = [record.costs.get(name, math.nan) for name in costs]
    return math.isfinite(record.val_accuracy) and all(
        math.isfinite(value) and value > 0 for value in values
    )


def above_limits(record: TrialRecord, limits: Mapping[str, float]) -> set[str]:
    """Return the names of the limits that a trial is above; what is not known is above, too."""
    return {name for name, most in limits.items() if record.costs.get(name, math.inf) > most}


def point(record: TrialRecord, costs: Sequence[str]) -> tuple[float, ...]:
    """Return ``(accuracy, cost, cost, …)`` of a trial that is ``comparable``."""
    assert record.val_accuracy is not None
    return (record.val_accuracy, *(record.costs[name] for name in costs))


def cost_interval(record: TrialRecord, cost: str) -> Interval | None:
    """Return the 95% interval of an epoch's time or a latency; None where none was measured."""
    name, _, unit = cost.rpartition("_")
    low, high = (record.measurements.get(f"{name}_{end}_{unit}") for end in ("low", "high"))
    return None if low is None or high is None else Interval(low=low, high=high)


def dnn_accuracy(records: Iterable[TrialRecord]) -> float | None:
    """Return the validation accuracy of the ``dnn`` reference; None while it is not complete."""
    complete = (r for r in records if r.outcome is Outcome.COMPLETE)
    return next((r.val_accuracy for r in complete if r.specification.reference == "dnn"), None)
