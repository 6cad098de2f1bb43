from typing import Any

import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.promotion import Verdict
from pipeline.core.trial import Optimizer, Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.reporting.model_card import CardContent, model_card

DATA = DataDescription(
    name="folder",
    fingerprint="ab" * 32,
    train=80,
    validation=8,
    test=10,
    image_shape=(16, 12, 3),
    classes=("cat", "dog", "*odd* <b>"),
)
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 2, 2])


def card(**changes):
    recipe = Recipe(batch_size=64, optimizer="adam", learning_rate=0.002, schedule="one_cycle")
    architecture = Architecture.parse("8k3b-d32")
    values: dict[str, Any] = {
        "sweep": "pets",
        "data": DATA,
        "trial": TrialRecord(
            specification=TrialSpecification(
                number=7, architecture=architecture, recipe=recipe, seed=1
            ),
            outcome=Outcome.COMPLETE,
            val_accuracy=0.625,
            costs={"epoch_seconds": 1.25, "parameters": 9000.0},
        ),
        "test_accuracy": 0.7,
        "labels": LABELS,
        "predicted": PREDICTED,
        "references": {"dnn": {"val_accuracy": 0.5, "test_accuracy": None}},
        "device": "Epyc with 2 cores",
        "precision": "float32",
        "adam_beta_2": 0.95,
        "averaging": "none",
        "averaged_epochs": 1.0,
        "epochs": 8,
        "git_commit": None,
        "verdict": Verdict(better=True, reason="it is cheaper"),
        "forced": False,
    }
    return model_card(CardContent(**values | changes))


def test_it_says_how_good_at_what_cost_and_where_from():
    text = card()
    assert "| champion | 62.50% (95% interval 30.57% to 86.32%, 8 images) | 70.00% (95%" in text
    assert "| dnn reference | 50.00% | - |" in text
    assert "| epoch time (s) | 1.25 |" in text
    assert "16×12×3 → 14×10×8 → 14×10×8 → 7×5×8 → 280 → 32 → 3" in text
    assert "It is cheaper. The test images had no say in that." in text
    assert "Commit unknown" in text


def test_the_weakest_classes_and_what_they_are_taken_for():
    (line,) = (line for line in card().splitlines() if line.startswith("Recognised worst"))
    assert "dog: 50.00% (most often taken for \\*odd\\* &lt;b&gt;); cat: 75.00%" in line


def test_what_is_not_known_is_said():
    assert "| not read |" in card(test_accuracy=None)


def test_a_decision_of_somebody_is_called_so():
    verdict = Verdict(better=False, reason="it is less accurate")
    text = card(verdict=verdict, forced=True)
    assert "Somebody decided so (`--force`). The gate said: it is less accurate." in text


@pytest.mark.parametrize(
    ("batch_size", "optimizer", "said"),
    [
        (128, "adam", "adam (beta_2 0.95), peak learning rate 0.006, schedule "),
        (512, "adam", "adam (beta_2 0.95), peak learning rate 0.012 (0.006 for batches of 128), "),
        (64, "sgd", "sgd, peak learning rate 0.003 (0.006 for batches of 128), schedule "),
    ],
)
def test_the_learning_rate_is_the_one_that_was_used(
    batch_size: int, optimizer: Optimizer, said: str
) -> None:
    recipe = Recipe(
        batch_size=batch_size, optimizer=optimizer, learning_rate=0.006, schedule="one_cycle"
    )
    specification = TrialSpecification(
        number=7, architecture=Architecture.parse("8k3b-d32"), recipe=recipe, seed=1
    )
    assert said in card(trial=TrialRecord(specification=specification, val_accuracy=0.6))


def test_an_average_of_the_weights_is_named():
    text = card(averaging="interim", averaged_epochs=0.25)
    assert "float32, training.averaging=interim over about 0.25 epochs. Commit" in text
    assert "averaging" not in card()
