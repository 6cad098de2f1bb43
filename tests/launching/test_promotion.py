import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.launching import prediction, promotion
from pipeline.tracking.champions import Version
from pipeline.tracking.mirror import SyncReport


@pytest.fixture
def mirrored(plan, monkeypatch, tmp_path):
    """Return a function that promotes a better network after a pass with a given report."""
    kept = tmp_path / "0000.keras"
    kept.write_bytes(b"a network")
    network = SimpleNamespace(path=kept, title="trial 0 of question")
    registry = MagicMock(data="digits")
    registry.version.return_value = registry.rolled_back.return_value = None
    registry.register.return_value = Version(number="1", tags={})
    verdict = SimpleNamespace(better=True, reason="it is the first")
    for name, found in {
        "kept_network": network, "Registry": registry, "_challenger": MagicMock(), "_rival": None,
        "judge": verdict, "_registration": "all of it",
    }.items():  # fmt: skip
        monkeypatch.setattr(promotion, name, lambda *_, found=found, **__: found)

    def promote(report):
        mirror = MagicMock()
        mirror.__enter__.return_value.sync.return_value = report
        monkeypatch.setattr(promotion, "Mirror", lambda *_: mirror)
        return promotion.promote(plan.config, force=False), registry

    return promote


def test_a_file_that_the_store_refuses_keeps_no_network_from_promotion(mirrored):
    promoted, registry = mirrored(SyncReport(refused="413"))
    assert promoted.outcome == "promoted"
    registry.register.assert_called_once_with("all of it", instead_of=None, refused="413")


def test_a_pass_that_fails_does(mirrored):
    with pytest.raises(StorageError, match=r"^the server is down$"):
        mirrored(SyncReport(failure="the server is down", refused="413"))


def test_times_of_training_by_the_clock_are_of_another_protocol(plan, replan):
    told = "times of training"
    assert told not in promotion.measuring_protocol(plan.config)
    timed = replan(plan, objective={"costs": ("train_seconds",)}).config
    assert promotion.measuring_protocol(timed)[told] == "epochs at the pace"


def test_the_challenger_and_pictures_are_classified_while_nobody_measures(monkeypatch):
    diary = []

    @contextmanager
    def shared_device():
        diary.append("shared")
        yield
        diary.append("free")

    def probabilities(path, images):
        diary.append("classified")
        return np.eye(3, dtype=np.float32)[images]

    saving = ModuleType("pipeline.training.saving")
    saving.predicted_probabilities = probabilities  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.training.saving", saving)
    for module in (promotion, prediction):
        monkeypatch.setattr(module, "shared_device", shared_device)
        monkeypatch.setattr(module, "set_up_backend", lambda: diary.append("loaded"))
    images: Any = SimpleNamespace(images=np.array([2, 0]), names=("a", "b"))
    assert promotion._predicted(Path("a.keras"), images).tolist() == [2, 0]
    network: Any = SimpleNamespace(title="it", classes=("x", "y", "z"), keras_file=Path("a.keras"))
    assert prediction._classified(network, images).probabilities.shape == (2, 3)
    assert diary == ["shared", "loaded", "classified", "free"] * 2


def test_a_network_that_leaves_the_front_meanwhile_is_refused_in_a_sentence(
    mirrored, monkeypatch, tmp_path
):
    gone = SimpleNamespace(path=tmp_path / "gone.keras", title="trial 4 of lesson (d128)")
    monkeypatch.setattr(promotion, "kept_network", lambda *_: gone)
    with pytest.raises(StorageError, match=r"^the model of trial 4 of lesson \(d128\) cannot be"):
        mirrored(SyncReport())


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'boto3'"), OSError(28, "No space left on device")]
)
def test_what_others_refuse_at_the_end_of_a_sweep_is_said_and_no_failure(plan, monkeypatch, error):
    def refuse(config, **keywords):
        raise error

    monkeypatch.setattr(promotion, "promote", refuse)
    assert promotion.promote_at_end(plan.config) == f"nothing is promoted: {error}"


def test_an_error_of_ours_at_the_end_of_a_sweep_stays_one(plan, monkeypatch):
    def slip(config, **keywords):
        raise KeyError("name")

    monkeypatch.setattr(promotion, "promote", slip)
    with pytest.raises(KeyError):
        promotion.promote_at_end(plan.config)


def test_who_serves_the_version_of_before_is_told(mirrored):
    promoted, registry = mirrored(SyncReport())
    assert promoted.sentence.endswith("(version 1): it is the first")
    registry.register.return_value = Version(number="2", tags={"replaced": "1"})
    said = mirrored(SyncReport())[0].sentence
    assert said.endswith(
        ": it is the first; a `sweetspot serve` that runs goes on with version 1 until it is "
        "started again"
    )
