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
    sweet_spot       trial, architecture, rule, reason, val_accuracy, test_accuracy,
                     batch_size, parameters, macs, epoch_seconds, latency_ms, train_seconds;
                     null while the front is empty
    references       dnn, cnn: the same keys but rule and reason
    hypervolume      value: over accuracy and log10 of each cost;
                     reference_point: chance accuracy and ten times the cnn's costs, as
                     accuracy and costs themselves, not their logarithms; both null while the
                     cnn lacks a cost
    test_readings    how often test images were read
    wall_seconds     spent on the sweep so far
    mlflow_run_id    of the parent run

Accuracies are shares in [0, 1]. A value that is not known yet is null, never left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.front import hypervolume, pareto_front
from pipeline.core.journey import ImageShape, shape_journey
from pipeline.core.resampling import Stability, stability
from pipeline.core.selection import RuleSettings, select
from pipeline.core.trial import Outcome, TrialRecord

SUMMARY_SCHEMA_VERSION = 1
#: How many times worse than the cnn a cost may be and still count for the hypervolume.
HYPERVOLUME_COST_FACTOR = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSummary:
    """The images that a sweep was trained on.

    Parameters
    ----------
    train, validation, test
        Images in each split.
    image_shape
        ``(height, width, channels)``.
    classes
        Their names, in the order of the labels.
    """

    name: str
    fingerprint: str
    train: int
    validation: int
    test: int
    image_shape: ImageShape
    classes: tuple[str, ...]


def build_summary(
    *,
    sweep: str,
    data: DataSummary,
    costs: Sequence[str],
    records: Iterable[TrialRecord],
    rule: RuleSettings,
    test_accuracies: Mapping[int, float],
    test_readings: int,
    wall_seconds: float | None,
    mlflow_run_id: str | None,
) -> dict[str, Any]:
    """Return the content of ``summary.json``; see the module's docstring.

    Parameters
    ----------
    costs
        Names of the sweep's costs, the leading one first.
    rule
        Its floor is set here: the validation accuracy of the ``dnn`` reference, once complete.
    records
        In any order; of several attempts of one trial the latest counts.
    test_accuracies
        By trial number, of those whose test accuracy was read.

    Raises
    ------
    ConfigurationError
        The rule is unknown or lacks its parameter.
    """
    latest = latest_attempts(records)
    by_number = {record.number: record for record in latest}
    members = front_records(latest, costs)
    points = [_point(record, costs) for record in members]
    sweet_spot: dict[str, Any] | None = None
    if members:
        settings = replace(rule, floor=_dnn_accuracy(latest), images=data.validation)
        selection = select(points, costs[0], settings)
        record = members[selection.index]
        again = _stability(latest, record, costs, settings)
        sweet_spot = {
            "trial": record.number,
            "architecture": record.specification.architecture.notation,
            "rule": selection.rule,
            "reason": f"{selection.reason}; {again.reason}",
            **_values(record, data, test_accuracies),
        }
    references = {name: _reference(name, by_number, data, test_accuracies) for name in REFERENCES}
    return {
        "schema_version": SUMMARY_SCHEMA_VERSION,
        "sweep": sweep,
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "train": data.train,
            "validation": data.validation,
            "test": data.test,
            "image_shape": list(data.image_shape),
            "classes": list(data.classes),
        },
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
    }


def latest_attempts(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the latest attempt of each trial, by number."""
    latest: dict[int, TrialRecord] = {}
    for record in records:
        known = latest.get(record.number)
        if known is None or record.specification.attempt >= known.specification.attempt:
            latest[record.number] = record
    return [latest[number] for number in sorted(latest)]


def count_outcomes(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Return how many records have each outcome, and how many are ``running`` (or wait)."""
    counts = {outcome.value: 0 for outcome in Outcome} | {"running": 0}
    for record in records:
        counts["running" if record.outcome is None else record.outcome.value] += 1
    return counts


def front_records(records: Sequence[TrialRecord], costs: Sequence[str]) -> list[TrialRecord]:
    """Return the front: complete trials that no other one beats, cheapest first.

    A trial whose accuracy or one of whose costs is unknown, not finite, or (a cost) not
    positive cannot be compared and is not on the front. Of equal cost, the more accurate and
    then the earlier comes first.
    """
    comparable = [record for record in records if _comparable(record, costs)]
    points = [_point(record, costs) for record in comparable]
    members = [comparable[index] for index in pareto_front(points)]
    return sorted(members, key=lambda r: (r.costs[costs[0]], -(r.val_accuracy or 0.0), r.number))


def _comparable(record: TrialRecord, costs: Sequence[str]) -> bool:
    if record.outcome is not Outcome.COMPLETE or record.val_accuracy is None:
        return False
    values = [record.costs.get(name, math.nan) for name in costs]
    return math.isfinite(record.val_accuracy) and all(
        math.isfinite(value) and value > 0 for value in values
    )


def _point(record: TrialRecord, costs: Sequence[str]) -> tuple[float, ...]:
    assert record.val_accuracy is not None
    return (record.val_accuracy, *(record.costs[name] for name in costs))


def _values(
    record: TrialRecord, data: DataSummary, test_accuracies: Mapping[int, float]
) -> dict[str, Any]:
    """Return the values that the sweet spot and a reference have in common."""
    complete = record.outcome is Outcome.COMPLETE
    return {
        # A network on its way has an accuracy too, but not yet its own.
        "val_accuracy": record.val_accuracy if complete else None,
        "test_accuracy": test_accuracies.get(record.number),
        "batch_size": record.specification.recipe.batch_size,
        **_size(record.specification.architecture, data),
        **{name: record.costs.get(name) for name in _TIMES},
    }


def _stability(
    records: Sequence[TrialRecord],
    selected: TrialRecord,
    costs: Sequence[str],
    settings: RuleSettings,
) -> Stability:
    """Return how often the rule would pick ``selected`` again, had other images been drawn.

    Every complete trial takes part: one just behind the front may be on it next time.
    """
    comparable = [record for record in records if _comparable(record, costs)]
    names = [record.specification.reference for record in comparable]
    return stability(
        [_point(record, costs) for record in comparable],
        comparable.index(selected),
        costs[0],
        settings,
        floor_index=names.index("dnn") if "dnn" in names else None,
    )


def _dnn_accuracy(records: Iterable[TrialRecord]) -> float | None:
    complete = (r for r in records if r.outcome is Outcome.COMPLETE)
    return next((r.val_accuracy for r in complete if r.specification.reference == "dnn"), None)


def _reference(
    name: str,
    by_number: Mapping[int, TrialRecord],
    data: DataSummary,
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
        **_size(REFERENCES[name], data),
        **dict.fromkeys(_TIMES),
    }


_TIMES = ("epoch_seconds", "latency_ms", "train_seconds")


def _size(architecture: Architecture, data: DataSummary) -> dict[str, int | None]:
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
