"""The summary has exactly the agreed keys, and its numbers follow from the records."""

import dataclasses
import json
import math
from typing import Any

import pytest

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError
from pipeline.core.records import front_records, latest_attempts
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import build_summary, ended_trials, open_trials, why_no_sweet_spot
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification

DATA = DataDescription(
    name="fashion_mnist",
    fingerprint="c0ffee",
    train=50_000,
    validation=10_000,
    test=10_000,
    image_shape=(28, 28, 1),
    classes=tuple("abcdefghij"),
)
RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="one_cycle")


def trial(
    number: int,
    architecture: str,
    accuracy: float | None,
    *,
    reference: str | None = None,
    outcome: Outcome | None = Outcome.COMPLETE,
    attempt: int = 0,
    **costs: float,
) -> TrialRecord:
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture.parse(architecture),
            recipe=RECIPE,
            seed=number,
            reference=reference,
            attempt=attempt,
        ),
        outcome=outcome,
        val_accuracy=accuracy,
        costs=costs,
    )


RECORDS = [
    trial(0, "d128", 0.88, reference="dnn", epoch_seconds=1.0, latency_ms=0.2, train_seconds=5.0),
    trial(1, "64k3-64k3-d128", 0.912, reference="cnn", epoch_seconds=8.0, latency_ms=1.0),
    trial(2, "32k3-64k3-d128", 0.916, epoch_seconds=4.0, latency_ms=0.8, train_seconds=21.0),
    trial(3, "8k3-d64", 0.89, epoch_seconds=2.0, latency_ms=0.4),
    trial(4, "128k5-d128", 0.80, outcome=Outcome.STOPPED, epoch_seconds=0.5),
    trial(5, "16k3-d128", 0.7, outcome=None, epoch_seconds=0.1),
    trial(6, "256k7-d512", None, outcome=Outcome.INFEASIBLE, epoch_seconds=90.0),
]


def summary_of(records: list[TrialRecord], **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sweep": "fashion_mnist-standard-a1b2c3",
        "data": DATA,
        "costs": ["epoch_seconds"],
        "records": records,
        "rule": RuleSettings(name="knee"),
        "test_accuracies": {2: 0.913, 1: 0.909},
        "test_readings": 3,
        "wall_seconds": 61.5,
        "mlflow_run_id": "abc",
    }
    return build_summary(**(values | changes))


def keys(value: Any) -> Any:
    """Reduce a value to its keys in order, at every level."""
    if isinstance(value, dict):
        return {key: keys(below) for key, below in value.items()}
    return [keys(below) for below in value] if isinstance(value, list) else None


SHARED = ("trial", "architecture")
MEASURED = (
    "val_accuracy", "test_accuracy", "batch_size", "epochs", "parameters", "macs",
    "epoch_seconds", "latency_ms", "train_seconds", "time_to_accuracy_seconds", "device_memory_mib",
    "outcome",
)  # fmt: skip


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], []])
def test_keys_and_their_order_are_the_agreed_ones(records: list[TrialRecord]) -> None:
    summary = summary_of(records)
    assert list(summary) == [
        "schema_version", "sweep", "data", "costs", "trials", "front", "sweet_spot",
        "references", "hypervolume", "test_readings", "wall_seconds", "mlflow_run_id", "finalists",
        "finalists_settled",
    ]  # fmt: skip
    assert list(summary["data"]) == [
        "name", "fingerprint", "train", "validation", "test", "image_shape", "classes",
    ]  # fmt: skip
    assert list(summary["trials"]) == [*Outcome, "running"]
    assert list(summary["references"]) == ["dnn", "cnn"]
    for reference in summary["references"].values():
        assert list(reference) == [*SHARED, *MEASURED]
    assert list(summary["hypervolume"]) == ["value", "reference_point"]
    for member in summary["front"]:
        assert list(member) == ["trial", "architecture", "val_accuracy", "costs"]
    if records:
        assert list(summary["sweet_spot"]) == [
            *SHARED, "rule", "reason", "other_seed_of", *MEASURED
        ]  # fmt: skip
    else:
        assert summary["sweet_spot"] is None


@pytest.mark.parametrize("records", [RECORDS, []])
def test_it_is_plain_json(records: list[TrialRecord]) -> None:
    summary = summary_of(records)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_values_of_a_sweep() -> None:
    summary = summary_of(RECORDS)
    assert summary["schema_version"] == 1
    assert summary["trials"]["complete"] == 4
    assert summary["trials"]["stopped"] == 1
    assert summary["trials"]["infeasible"] == 1
    assert summary["trials"]["running"] == 1
    assert sum(summary["trials"].values()) == len(RECORDS)
    assert [member["trial"] for member in summary["front"]] == [0, 3, 2]
    assert summary["front"][2] == {
        "trial": 2,
        "architecture": "32k3-64k3-d128",
        "val_accuracy": 0.916,
        "costs": {"epoch_seconds": 4.0},
    }
    assert summary["references"]["cnn"] == {
        "trial": 1,
        "architecture": "64k3-64k3-d128",
        "val_accuracy": 0.912,
        "test_accuracy": 0.909,
        "batch_size": 128,
        "epochs": None,
        "parameters": 243_786,
        "macs": 26 * 26 * 9 * 64 + 11 * 11 * 9 * 64 * 64 + 1600 * 128 + 128 * 10,
        "epoch_seconds": 8.0,
        "latency_ms": 1.0,
        "train_seconds": None,
        "time_to_accuracy_seconds": None,
        "device_memory_mib": None,
        "outcome": "complete",
    }
    assert summary["sweet_spot"]["trial"] == 2
    assert summary["sweet_spot"]["test_accuracy"] == 0.913
    assert summary["sweet_spot"]["train_seconds"] == 21.0
    assert summary["references"]["dnn"]["test_accuracy"] is None
    assert (summary["test_readings"], summary["wall_seconds"]) == (3, 61.5)


def test_hypervolume_by_hand() -> None:
    summary = summary_of(RECORDS)
    assert summary["hypervolume"]["reference_point"] == pytest.approx([0.1, 80.0])
    # Slabs of accuracy, each as wide as the cheapest member that reaches it.
    expected = (
        (0.88 - 0.1) * math.log10(80 / 1)
        + (0.89 - 0.88) * math.log10(80 / 2)
        + (0.916 - 0.89) * math.log10(80 / 4)
    )
    assert summary["hypervolume"]["value"] == pytest.approx(expected)


def test_hypervolume_waits_for_every_cost_of_the_cnn() -> None:
    unknown = {"value": None, "reference_point": None}
    assert summary_of([RECORDS[0]])["hypervolume"] == unknown
    both = ["epoch_seconds", "train_seconds"]
    assert summary_of(RECORDS, costs=both)["hypervolume"] == unknown


def test_hypervolume_of_a_running_cnn_with_measured_costs() -> None:
    running = dataclasses.replace(RECORDS[1], outcome=None)
    summary = summary_of([running])
    assert summary["hypervolume"]["value"] == 0.0
    assert summary["references"]["cnn"]["val_accuracy"] is None
    assert summary["references"]["cnn"]["epoch_seconds"] == 8.0


def test_two_costs() -> None:
    summary = summary_of(RECORDS, costs=["latency_ms", "epoch_seconds"])
    assert summary["costs"] == ["latency_ms", "epoch_seconds"]
    assert list(summary["front"][0]["costs"]) == ["latency_ms", "epoch_seconds"]
    assert summary["hypervolume"]["reference_point"] == pytest.approx([0.1, 10.0, 80.0])
    assert summary["hypervolume"]["value"] > 0


def test_the_knee_is_looked_for_from_the_dnn_reference_on() -> None:
    cheap = [trial(7, "d4", 0.3, epoch_seconds=0.5), trial(8, "d16", 0.86, epoch_seconds=0.6)]
    alone = summary_of([r for r in RECORDS if r.number != 0] + cheap)
    assert alone["sweet_spot"]["trial"] == 8
    summary = summary_of(RECORDS + cheap)
    assert [member["trial"] for member in summary["front"]] == [7, 8, 0, 3, 2]
    assert summary["sweet_spot"]["trial"] == 2


def test_an_untrained_reference_has_its_sizes_but_nothing_measured() -> None:
    dnn = summary_of([])["references"]["dnn"]
    assert dnn["parameters"] == 101_770
    assert dnn["architecture"] == REFERENCES["dnn"].notation
    unknown = set(dnn) - {"architecture", "parameters", "macs"}
    assert all(dnn[key] is None for key in unknown)


def test_a_reference_that_does_not_fit_tiny_images_has_no_size() -> None:
    tiny = dataclasses.replace(DATA, image_shape=(8, 8, 1))
    references = summary_of([], data=tiny)["references"]
    assert references["cnn"]["parameters"] is None
    assert references["dnn"]["parameters"] == 64 * 128 + 128 + 128 * 10 + 10


def test_trials_that_cannot_be_compared_are_not_on_the_front() -> None:
    records = [
        trial(0, "d1", None, epoch_seconds=1.0),
        trial(1, "d2", 0.9),
        trial(2, "d3", 0.9, epoch_seconds=0.0),
        trial(3, "d4", 0.9, epoch_seconds=math.inf),
        trial(4, "d5", math.nan, epoch_seconds=1.0),
        trial(5, "d6", 0.5, epoch_seconds=7.0),
    ]
    assert [r.number for r in front_records(records, ["epoch_seconds"])] == [5]


def test_equal_trials_share_the_front_in_order_of_number() -> None:
    records = [trial(n, "d8", 0.9, epoch_seconds=1.0) for n in (4, 2, 3)]
    assert [r.number for r in front_records(records, ["epoch_seconds"])] == [2, 3, 4]


def test_the_latest_attempt_counts() -> None:
    first = trial(2, "8k3-d64", 0.5, outcome=Outcome.INTERRUPTED, epoch_seconds=2.0)
    second = trial(2, "8k3-d64", 0.9, attempt=1, epoch_seconds=2.0)
    assert latest_attempts([second, first]) == [second]
    summary = summary_of([second, first])
    assert summary["trials"]["interrupted"] == 0
    assert summary["front"][0]["val_accuracy"] == 0.9


@pytest.mark.parametrize(
    ("outcomes", "why", "ended"),
    [
        ([None], "no trial is complete", 0),
        ([Outcome.INTERRUPTED], "no trial is complete", 0),
        ([Outcome.FAILED], "no trial came to its end", 1),
        ([Outcome.CENSORED, Outcome.FAILED], "no trial has reached the target accuracy", 2),
        ([Outcome.COMPLETE, Outcome.INFEASIBLE], "no trial within the limits is complete", 2),
    ],
)
def test_without_a_sweet_spot_it_is_known_why(
    outcomes: list[Outcome | None], why: str, ended: int
) -> None:
    records = [trial(n, "d8", 0.5, outcome=o, macs=9.0) for n, o in enumerate(outcomes)]
    found = summary_of(records, costs=["macs"], limits={"macs": 5.0})
    assert found["sweet_spot"] is None
    assert why_no_sweet_spot(found) == why
    assert (ended_trials(found), open_trials(found)) == (ended, len(outcomes) - ended)


def test_an_unknown_rule_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"objective\.rule"):
        summary_of(RECORDS, rule=RuleSettings(name="elbow"))


def history(epochs: int) -> tuple[EpochResult, ...]:
    return tuple(
        EpochResult(
            epoch=epoch, train_loss=0.5, train_accuracy=0.9, val_loss=0.5, val_accuracy=0.9,
            epoch_seconds=2.0, images_per_second=1.0,
        )
        for epoch in range(1, epochs + 1)
    )  # fmt: skip


def test_epochs_are_those_of_a_complete_training() -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.9, reference="cnn", epoch_seconds=8.0)
    spot = trial(2, "8k3-d64", 0.91, epoch_seconds=2.0)
    dnn = trial(0, "d128", 0.8, reference="dnn", outcome=None, epoch_seconds=1.0)
    lengths = ((dnn, 3), (cnn, 4), (spot, 16))
    records = [dataclasses.replace(record, history=history(n)) for record, n in lengths]
    summary = summary_of(records)
    assert summary["sweet_spot"]["epochs"] == 16
    assert summary["references"]["cnn"]["epochs"] == 4
    assert summary["references"]["dnn"]["epochs"] is None


@pytest.mark.parametrize(
    ("changes", "epochs", "known"),
    [
        ({}, 0, "cnn"),
        ({"epochs": 4}, 4, "cnn"),  # as many as the sweep's, which the reference does not name
        ({"epochs": 8}, 8, None),
        ({"learning_rate": 2e-3}, 4, None),
        ({"augmentation": "shift"}, 4, None),
    ],
)
def test_a_sweet_spot_may_be_a_reference_with_another_seed(
    changes: dict[str, Any], epochs: int, known: str | None
) -> None:
    cnn = dataclasses.replace(
        trial(1, "64k3-64k3-d128", 0.9, reference="cnn", epoch_seconds=8.0), history=history(4)
    )
    drawn = trial(2, "64k3-64k3-d128", 0.91, epoch_seconds=7.9)
    specification = dataclasses.replace(
        drawn.specification, recipe=dataclasses.replace(RECIPE, **changes)
    )
    drawn = dataclasses.replace(drawn, specification=specification, history=history(epochs))
    assert summary_of([cnn, drawn])["sweet_spot"]["other_seed_of"] == known
    assert summary_of([cnn])["sweet_spot"]["other_seed_of"] is None
