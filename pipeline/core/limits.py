"""When it is plain that no trial keeps within the limits, and how that is said.

Limits are looked at in two stages, as trials meet them: those on costs known before training,
then those on costs that training shows. A trial of the first stage has its verdict in seconds,
while one that passed it trains for minutes beside others that fail quickly. It counts as
having kept within the first stage from the moment that it was measured, so that however many
workers there are, no quick failures end a sweep in which a network that is allowed still trains.
"""

from collections.abc import Mapping, Sequence

from pipeline.core.records import above_limits
from pipeline.core.trial import (
    ANALYTIC_COSTS,
    MEASURED_COSTS,
    TRAINED_COSTS,
    Outcome,
    TrialRecord,
)
from pipeline.core.wording import number

_BEFORE_TRAINING = (*ANALYTIC_COSTS, *MEASURED_COSTS)


def unmet_limits(
    records: Sequence[TrialRecord], limits: Mapping[str, float], enough: int
) -> str | None:
    """Return one sentence on limits that no trial has kept within; None where some may.

    References are exempt from limits and count for nothing here.

    Parameters
    ----------
    records
        All trials, the running ones with the costs that are known of them.
    limits
        The most by cost name.
    enough
        So many trials have to be above, and none within.
    """
    own = [record for record in records if record.specification.reference is None]
    before = {name: limits[name] for name in _BEFORE_TRAINING if name in limits}
    passed = [record for record in own if not above_limits(record, before)]
    if not passed:
        # Whoever is above a limit on what is counted was never measured.
        known = [(r, above_limits(r, before) & set(r.costs)) for r in _infeasible(own)]
        return _sentence([(r, names) for r, names in known if names], before, enough)
    trained = {name: limits[name] for name in TRAINED_COSTS if name in limits}
    if any(record.outcome is Outcome.COMPLETE for record in passed):
        return None
    above = [(record, above_limits(record, trained)) for record in _infeasible(passed)]
    return _sentence(above, trained, enough)


def _infeasible(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    # A censored trial has not reached the target accuracy: there is no time that it took.
    above = (Outcome.INFEASIBLE, Outcome.CENSORED)
    return [record for record in records if record.outcome in above]


def _sentence(
    above: Sequence[tuple[TrialRecord, set[str]]], limits: Mapping[str, float], enough: int
) -> str | None:
    """Say what trials were above; ``above`` has the names of its limits for each."""
    records, broken = [record for record, _ in above], [names for _, names in above]
    if len(above) < max(enough, 1) or not all(broken):
        return None
    by_all = set.intersection(*broken)
    names = sorted(by_all or set.union(*broken))
    joined = " and " if by_all else " or "
    given = joined.join(f"objective.limits.{name}={limits[name]:.10g}" for name in names)
    trials = "The one trial was" if len(above) == 1 else f"All {len(above)} trials were"
    return "; ".join([f"{trials} above {given}", *(_least(records, name) for name in names)]) + "."


def _least(records: Sequence[TrialRecord], name: str) -> str:
    known = [record for record in records if name in record.costs]
    if not known:
        return "no trial reached objective.target_accuracy in that time"
    best = min(known, key=lambda record: record.costs[name])
    return (
        f"the least {name} seen is {number(best.costs[name])}, of trial {best.specification.label}"
    )
