"""``summary.json``: what a sweep has found so far, as plain values.

::

    schema_version   1
    sweep            name
    data             name, fingerprint, train, validation, test (images), image_shape
                     (height, width, channels), classes (names)
    costs            names; the first one leads
    trials           how many originals ended with each outcome, and how many are running
                     or waiting
    front            trial, architecture, val_accuracy, costs {name: value} of every member,
                     cheapest first
    sweet_spot       trial, architecture, rule, reason, other_seed_of (the reference that differs
                     from it in the seed alone; null where none does), val_accuracy,
                     test_accuracy, batch_size, epochs (that it was trained for), parameters,
                     macs, epoch_seconds, latency_ms, train_seconds, time_to_accuracy_seconds,
                     device_memory_mib, outcome (null while it is on its way); null while the
                     front is empty
    references       dnn, cnn: the same keys but rule, reason and other_seed_of
    hypervolume      value: over accuracy and log10 of each cost;
                     reference_point: chance accuracy and ten times the cnn's costs, as
                     accuracy and costs themselves, not their logarithms; both null while the
                     cnn lacks a cost
    test_readings    of how many trials the test images were read, once each
    wall_seconds     spent on the sweep so far
    mlflow_run_id    of the parent run
    finalists        trial, architecture, val_accuracy {mean, standard_error, n}, costs {name:
                     {mean, standard_error, n}}, probability_on_front of every network that was
                     trained again, cheapest first, and without_result: how many further
                     trainings ended without one; [] without finalists
    finalists_settled  whether every further training that is wanted has ended; before that the
                     sweet spot may become another

Accuracies are shares in [0, 1]. A value that is not known yet is null, never left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError
from pipeline.core.finalists import FinalRound
from pipeline.core.front import hypervolume
from pipeline.core.journey import shape_journey
from pipeline.core.records import front_records, latest_attempts, point
from pipeline.core.selection import RuleSettings
from pipeline.core.statistics import Interval, wilson_interval
from pipeline.core.sweet_spot import RightAnswers, choose_sweet_spot, probabilities_on_front
from pipeline.core.trial import MEASURED_COSTS, TRAINED_COSTS, Outcome, TrialRecord

SUMMARY_SCHEMA_VERSION = 1
#: How many times worse than the cnn a cost may be and still count for the hypervolume.
HYPERVOLUME_COST_FACTOR = 10.0


def build_summary(
    *,
    sweep: str,
    data: DataDescription,
    costs: Sequence[str],
    records: Iterable[TrialRecord],
    rule: RuleSettings,
    test_accuracies: Mapping[int, float],
    test_readings: int,
    wall_seconds: float | None,
    mlflow_run_id: str | None,
    last: FinalRound | None = None,
    right: RightAnswers | None = None,
    limits: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the content of ``summary.json``; see the module's docstring.

    Parameters
    ----------
    costs
        Names of the sweep's costs, the leading one first.
    rule
        Its floor is set here: the validation accuracy of the ``dnn`` reference, once complete.
        ``auto`` is settled here, too.
    records
        In any order; of several attempts of one trial the latest counts.
    test_accuracies
        By trial number, of those whose test accuracy was read.
    last
        The finalists; None without any.
    right
        Answers to the validation images, as far as they were kept.
    limits
        The most by cost name: a reference above one is not on the front.

    Raises
    ------
    ConfigurationError
        The rule is unknown or lacks its parameter.
    """
    latest = latest_attempts(records)
    by_number = {record.number: record for record in latest}
    members = front_records(latest, costs, limits)
    points = [point(record, costs) for record in members]
    last, right = last or FinalRound(settled=True), right or {}
    settings = replace(rule, images=data.validation)
    chosen = choose_sweet_spot(latest, costs, settings, last, right, limits=limits)
    sweet_spot = chosen and {
        "trial": chosen.record.number,
        "architecture": chosen.record.specification.architecture.notation,
        "rule": chosen.rule,
        "reason": chosen.reason,
        "other_seed_of": _other_seed_of(chosen.record, latest),
        **_values(chosen.record, data, test_accuracies),
    }
    probabilities = probabilities_on_front(members, last, costs, right)
    references = {name: _reference(name, by_number, data, test_accuracies) for name in REFERENCES}
    return {
        "schema_version": SUMMARY_SCHEMA_VERSION,
        "sweep": sweep,
        "data": data.to_json(),
        "costs": list(costs),
        "trials": count_outcomes(latest),
        "front": [
            {
                "trial": record.number,
                "architecture": record.specification.architecture.notation,
                "val_accuracy": record.val_accuracy,
                "costs": {name: record.costs[name] for name in costs},
            }
            for record in members
        ],
        "sweet_spot": sweet_spot,
        "references": references,
        "hypervolume": _hypervolume(points, costs, latest, len(data.classes)),
        "test_readings": test_readings,
        "wall_seconds": wall_seconds,
        "mlflow_run_id": mlflow_run_id,
        "finalists": [
            {
                "trial": finalist.number,
                "architecture": finalist.original.specification.architecture.notation,
                "val_accuracy": finalist.accuracy._asdict(),
                "costs": {name: finalist.cost(name)._asdict() for name in costs},
                "probability_on_front": probabilities.get(finalist.number),
                "without_result": finalist.without_result,
            }
            for finalist in last.finalists
        ],
        "finalists_settled": last.settled,
    }


def ended_trials(summary: Mapping[str, Any]) -> int:
    """Return how many trials had ended for good when the summary was written."""
    return int(sum(summary["trials"].values())) - open_trials(summary)


def open_trials(summary: Mapping[str, Any]) -> int:
    """Return how many trials had begun and not ended, interrupted ones included."""
    counts = summary["trials"]
    return int(counts["running"] + counts[Outcome.INTERRUPTED])


def why_no_sweet_spot(summary: Mapping[str, Any]) -> str:
    """Return why a summary has no sweet spot, as the end of a sentence."""
    counts = summary["trials"]
    if counts[Outcome.COMPLETE]:
        return "no trial within the limits is complete"
    if counts[Outcome.CENSORED]:
        return "no trial has reached the target accuracy"
    return "no trial is complete" if open_trials(summary) else "no trial came to its end"


def censored_sentence(summary: Mapping[str, Any]) -> str | None:
    """Say of a summary how many trials have no time to accuracy; None where there are none."""
    count = summary["trials"][Outcome.CENSORED]
    if not count:
        return None
    who = "1 trial was" if count == 1 else f"{count} trials were"
    return (
        f"{who} censored: trained to the end without reaching objective.target_accuracy, so there "
        "is no time to compare and no place on the front."
    )


def finalist_trainings(finalist: Mapping[str, Any]) -> str:
    """Return how many trainings a summary's finalist has: ``3``, or ``2 of 5`` with a result."""
    trained = int(finalist["val_accuracy"]["n"])
    lost = finalist.get("without_result", 0)  # an earlier version's summary lacks it
    return f"{trained} of {trained + lost}" if lost else str(trained)


def interval_on_test(summary: Mapping[str, Any], accuracy: float) -> Interval:
    """Return the 95% Wilson interval of an accuracy that was read on a summary's test images."""
    images = summary["data"]["test"]
    return wilson_interval(round(accuracy * images), images)


def count_outcomes(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Return how many records have each outcome, and how many are ``running`` (or wait)."""
    counts = {outcome.value: 0 for outcome in Outcome} | {"running": 0}
    for record in records:
        counts["running" if record.outcome is None else record.outcome.value] += 1
    return counts


def _values(
    record: TrialRecord, data: DataDescription, test_accuracies: Mapping[int, float]
) -> dict[str, Any]:
    """Return the values that the sweet spot and a reference have in common."""
    complete = record.outcome is Outcome.COMPLETE
    return {
        # A network on its way has an accuracy too, but not yet its own.
        "val_accuracy": record.val_accuracy if complete else None,
        "test_accuracy": test_accuracies.get(record.number),
        "batch_size": record.specification.recipe.batch_size,
        "epochs": (len(record.history) or None) if complete else None,
        **_size(record.specification.architecture, data),
        **{name: record.costs.get(name) for name in _MEASURED},
        "outcome": None if record.outcome is None else record.outcome.value,
    }


def _other_seed_of(record: TrialRecord, records: Iterable[TrialRecord]) -> str | None:
    """Return the reference that is the same network, trained alike with another seed."""
    own = record.specification

    def is_alike(other: TrialRecord) -> bool:
        theirs = other.specification
        # A recipe that names no epochs is of those of the sweep.
        as_long = theirs.recipe.epochs == own.recipe.epochs or (
            0 < len(record.history) == len(other.history)
        )
        recipe = replace(theirs.recipe, epochs=own.recipe.epochs)
        return as_long and (theirs.architecture, recipe) == (own.architecture, own.recipe)

    if own.reference is not None:
        return None
    references = (other for other in records if other.specification.reference is not None)
    return next((r.specification.reference for r in references if is_alike(r)), None)


def _reference(
    name: str,
    by_number: Mapping[int, TrialRecord],
    data: DataDescription,
    test_accuracies: Mapping[int, float],
) -> dict[str, Any]:
    for record in by_number.values():
        if record.specification.reference == name:
            return {
                "trial": record.number,
                "architecture": record.specification.architecture.notation,
                **_values(record, data, test_accuracies),
            }
    return {
        "trial": None,
        "architecture": REFERENCES[name].notation,
        "val_accuracy": None,
        "test_accuracy": None,
        "batch_size": None,
        "epochs": None,
        **_size(REFERENCES[name], data),
        **dict.fromkeys(_MEASURED),
        "outcome": None,
    }


_MEASURED = (*MEASURED_COSTS, *TRAINED_COSTS)


def _size(architecture: Architecture, data: DataDescription) -> dict[str, int | None]:
    try:
        stages = shape_journey(architecture, data.image_shape, len(data.classes))
    except ConfigurationError:  # a reference that does not fit very small images
        return {"parameters": None, "macs": None}
    return {
        "parameters": sum(stage.parameters for stage in stages),
        "macs": sum(stage.macs for stage in stages),
    }


def _hypervolume(
    points: Sequence[Sequence[float]],
    costs: Sequence[str],
    records: Iterable[TrialRecord],
    classes: int,
) -> dict[str, Any]:
    cnn = next((r for r in records if r.specification.reference == "cnn"), None)
    known = [cnn.costs.get(name) for name in costs] if cnn else []
    worst = [HYPERVOLUME_COST_FACTOR * value for value in known if value and value > 0]
    if len(worst) < len(costs):
        return {"value": None, "reference_point": None}
    chance = 1 / classes
    value = hypervolume(
        [_with_logarithms(point) for point in points], _with_logarithms([chance, *worst])
    )
    return {"value": value, "reference_point": [chance, *worst]}


def _with_logarithms(point: Sequence[float]) -> tuple[float, ...]:
    return (point[0], *(math.log10(cost) for cost in point[1:]))
