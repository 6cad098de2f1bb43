"""Finalists: networks that are trained again, because one training is one draw.

The search keeps the luckiest of many trainings, so what it reports of its best members is too
good by a little. The members around the one that the rule picks, or with ``finalists.among=all``
every network that was trained to its end, are trained with further seeds, and then compared by
their means.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pipeline.core.records import comparable, dnn_accuracy, front_records, point
from pipeline.core.selection import AUTO, RuleSettings, select
from pipeline.core.statistics import MeanError, mean_standard_error
from pipeline.core.trial import Outcome, TrialRecord, TrialSpecification, derived_seed

#: Rules that compare finalists; where to look for these, the knee says.
_OF_FINALISTS = (AUTO, "one_standard_error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finalist:
    """A network with all its complete trainings.

    Parameters
    ----------
    original
        The trial of the search; it counts as the first training.
    further
        The others, by repetition.
    without_result
        Further trainings that ended without one: diverged, without the target accuracy, failed.
    """

    original: TrialRecord
    further: tuple[TrialRecord, ...] = ()
    without_result: int = 0

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.original.number

    @property
    def trainings(self) -> tuple[TrialRecord, ...]:
        """Every complete training, the original first."""
        return (self.original, *self.further)

    @property
    def with_result(self) -> str:
        """How many of its trainings ended with a result: ``2 of 5``."""
        return f"{len(self.trainings)} of {len(self.trainings) + self.without_result}"

    @property
    def accuracy(self) -> MeanError:
        """Of the validation accuracies."""
        return mean_standard_error([record.val_accuracy or 0.0 for record in self.trainings])

    def cost(self, name: str) -> MeanError:
        """Of a cost of the sweep."""
        return mean_standard_error([record.costs[name] for record in self.trainings])

    def mean_point(self, costs: Sequence[str]) -> tuple[float, ...]:
        """Return ``(accuracy, cost, cost, …)``, each the mean over the trainings."""
        return (self.accuracy.mean, *(self.cost(name).mean for name in costs))


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalRound:
    """The finalists of a sweep, cheapest first, and how far their trainings are.

    Parameters
    ----------
    settled
        Whether every training that is wanted has ended. Before that, nothing is chosen by
        means, some of which would be of more trainings than others.
    """

    finalists: tuple[Finalist, ...] = ()
    settled: bool = False

    @property
    def decides(self) -> bool:
        """Whether the sweet spot is chosen with these means, of which there is one at least."""
        return self.settled and any(finalist.further for finalist in self.finalists)


def choose_finalists(
    records: Sequence[TrialRecord],
    costs: Sequence[str],
    rule: RuleSettings,
    limit: int,
    limits: Mapping[str, float] | None = None,
    *,
    among_all: bool = False,
) -> list[TrialRecord]:
    """Return the members of the front that are to be trained again, cheapest first.

    They are the member that the rule picks and those nearest to it in the logarithm of the
    leading cost. For ``auto`` and ``one_standard_error``, which compare the finalists, that is
    the knee, and for ``least_accuracy`` those that are dearer come first. Members that could not be
    picked are left out: for ``budget`` those above it, for all others but ``least_accuracy`` those
    less accurate than the ``dnn`` reference.

    Parameters
    ----------
    records
        The latest attempt of each trial.
    costs
        The sweep's costs, the leading one first.
    limit
        The most finalists; 0 for none.
    limits
        The most by cost name, see ``front_records``.
    among_all
        Whether every network that was trained to its end may be one, on the front or not and
        whether it could be picked or not: where networks are compared, not searched.
    """
    members = front_records(records, costs, limits)
    if not members or limit == 0:
        return []
    name = "knee" if rule.name in _OF_FINALISTS else rule.name
    settings = replace(rule, name=name, floor=dnn_accuracy(records))
    picked = members[select([point(m, costs) for m in members], costs[0], settings).index]

    if among_all:
        known = [record for record in records if comparable(record, costs)]
        members = sorted(known, key=lambda record: (record.costs[costs[0]], record.number))

    def could_win(record: TrialRecord) -> bool:
        if among_all:
            return True
        if settings.name == "budget":
            return record.costs[costs[0]] <= (settings.budget or math.inf)
        if settings.name == "least_accuracy":
            return True  # the mean of several trainings may be on either side
        return settings.floor is None or (record.val_accuracy or 0.0) >= settings.floor

    def distance(record: TrialRecord) -> tuple[bool, float]:
        further = math.log(record.costs[costs[0]] / picked.costs[costs[0]])
        # All that are cheaper than the cheapest that is accurate enough are not, as far as is
        # known; those that are dearer would take its place if it was only lucky.
        return settings.name == "least_accuracy" and further < 0, abs(further)

    others = [member for member in members if member is not picked and could_win(member)]
    chosen = [picked, *sorted(others, key=distance)[: limit - 1]]
    return [member for member in members if member in chosen]


def wanted_trainings(
    finalists: Iterable[TrialRecord], sweep_seed: int, seeds: int
) -> list[TrialSpecification]:
    """Return the further trainings of the finalists: first one of each, then a second of each.

    Seeds depend on the sweep's seed, the trial's number and the repetition alone.
    """
    return [
        replace(
            finalist.specification,
            seed=derived_seed("finalist", sweep_seed, finalist.number, repetition),
            repetition=repetition,
            attempt=0,
        )
        for repetition, finalist in product(range(1, seeds + 1), list(finalists))
    ]


def final_round(
    finalists: Sequence[TrialRecord],
    wanted: Sequence[TrialSpecification],
    trainings: Sequence[TrialRecord],
    costs: Sequence[str],
) -> FinalRound:
    """Return what the finalists' trainings have come to.

    A finalist takes part once one further training has ended, with all of them that have: those
    of an earlier run with more seeds, too. Those without a result have no part in its means,
    and are counted: means of the lucky ones alone would hide them. They are counted among those
    that are wanted of every finalist, so that none has had more chances to fail.

    Parameters
    ----------
    finalists, wanted
        See ``choose_finalists`` and ``wanted_trainings``.
    trainings
        The latest attempt of every further training there is.
    """
    over = [r for r in trainings if r.outcome not in (None, Outcome.INTERRUPTED)]
    asked = {training.run for training in wanted}
    found = []
    for original in finalists:
        ended = [record for record in over if record.number == original.number]
        complete = [record for record in ended if comparable(record, costs)]
        due = [record for record in ended if record.specification.run in asked]
        found.append(
            Finalist(
                original=original,
                further=tuple(sorted(complete, key=lambda r: r.specification.repetition)),
                without_result=sum(not comparable(record, costs) for record in due),
            )
        )
    runs = {record.specification.run for record in over}
    return FinalRound(
        finalists=tuple(f for f in found if f.further or f.without_result),
        settled=all(training.run in runs for training in wanted),
    )
