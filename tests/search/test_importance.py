"""Importance finds what a cost or an accuracy was made of, and says nothing where it cannot."""

import random
from typing import Any

import pytest

from pipeline.core.architecture import Architecture, ConvolutionBlock
from pipeline.core.trial import Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.search.importance import LEAST_TRIALS, importance_summary


def drawn(number: int, *, depth: int, filters: int, rate: float = 1e-3, **changes) -> TrialRecord:
    blocks = tuple(ConvolutionBlock(filters=filters, kernel_size=3) for _ in range(depth))
    recipe = Recipe(batch_size=128, optimizer="adam", learning_rate=rate, schedule="constant")
    values: dict[str, Any] = {
        "outcome": Outcome.COMPLETE,
        "val_accuracy": 0.8 + filters / 1000 + number * 1e-6,
        "costs": {"macs": 1000.0 * (depth + 1) + number * 1e-3},
    }
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture(blocks=blocks),
            recipe=recipe,
            seed=number,
            reference=changes.pop("reference", None),
        ),
        **(values | changes),
    )


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    source = random.Random(1)
    return [
        drawn(
            number,
            depth=source.choice((1, 2, 3)),
            filters=source.choice((16, 32, 64)),
            rate=source.uniform(1e-4, 1e-2),
        )
        for number in range(60)
    ]


def test_what_decides_comes_first(records):
    summary = importance_summary(records, ["macs"])
    assert summary["trials"] == 60
    accuracy, macs = summary["importance"]["val_accuracy"], summary["importance"]["macs"]
    assert next(iter(accuracy)).startswith("filters_")  # every block of a network has as many
    assert next(iter(macs)) == "depth"
    for shares in (accuracy, macs):
        assert sum(shares.values()) == pytest.approx(1.0)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert set(shares) == {"depth", "filters_1", "filters_2", "filters_3", "learning_rate"}


def test_references_and_trials_without_an_end_of_their_own_do_not_count(records):
    others = [
        drawn(60, depth=0, filters=1, reference="dnn"),
        drawn(61, depth=1, filters=512, outcome=Outcome.STOPPED),
        drawn(62, depth=1, filters=512, outcome=None, val_accuracy=None),
    ]
    assert importance_summary([*records, *others], ["macs"]) == importance_summary(
        records, ["macs"]
    )


def test_too_few_trials_say_nothing(records):
    few = records[: LEAST_TRIALS - 1]
    assert importance_summary(few, ["macs"])["importance"] == {"val_accuracy": None, "macs": None}
    assert importance_summary([], ["macs"])["trials"] == 0


def test_where_nothing_differs_nothing_matters():
    same = [drawn(number, depth=1, filters=16) for number in range(20)]
    assert importance_summary(same, ["macs"])["importance"]["val_accuracy"] is None


def test_a_cost_that_was_not_measured_is_null(records):
    assert importance_summary(records, ["latency_ms"])["importance"]["latency_ms"] is None


def test_one_network_alone_without_a_layer_is_nobodys_warning(records, recwarn):
    dense = drawn(60, depth=0, filters=16)
    assert importance_summary([*records, dense], ["macs"])["importance"]["macs"] is not None
    assert [str(warning.message) for warning in recwarn] == []
