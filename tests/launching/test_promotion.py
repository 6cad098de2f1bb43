import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.core.promotion import Verdict
from pipeline.launching import prediction, promotion
from pipeline.launching.promotion import measuring_protocol
from pipeline.launching.sweep_folder import load_config
from pipeline.reporting.files import read_summary
from pipeline.tracking.champions import Version
from pipeline.tracking.mirror import SyncReport


@pytest.fixture
def registry(monkeypatch):
    """Return a registry without a champion, in the place of the real one."""
    registry = MagicMock(data="digits")
    registry.version.return_value = registry.rolled_back.return_value = None
    registry.register.return_value = Version(number="1")
    monkeypatch.setattr(promotion, "Registry", lambda **_: registry)
    return registry


@pytest.fixture
def promoted(plan, registry, monkeypatch, tmp_path):
    """Return a function that tries to promote a network after a pass with a given report.

    It is better than version 1, and than none, and worse than all others.
    """
    kept = tmp_path / "0000.keras"
    kept.write_bytes(b"a network")
    network = SimpleNamespace(path=kept, title="trial 0 of question")

    def judge(challenger, defender, costs):
        better = defender is None or defender.number == "1"
        return Verdict(better=better, reason="it is better" if better else "it is worse")

    for name, found in {
        "kept_network": lambda *_: network,
        "_challenger": MagicMock(),
        "_rival": lambda registry, champion, challenger: champion,
        "judge": judge,
        "_registration": lambda *_: "all of it",
    }.items():
        monkeypatch.setattr(promotion, name, found)

    def promote(report):
        mirror = MagicMock()
        mirror.__enter__.return_value.sync.return_value = report
        monkeypatch.setattr(promotion, "Mirror", lambda *_: mirror)
        return promotion.promote(plan.config, force=False)

    return promote


def test_a_file_that_the_store_refuses_keeps_no_network_from_promotion(promoted, registry):
    assert promoted(SyncReport(refused="413")).outcome == "promoted"
    registry.register.assert_called_once_with("all of it", instead_of=None, refused="413")


def test_a_pass_that_fails_does(promoted, registry):
    with pytest.raises(StorageError, match=r"^the server is down$"):
        promoted(SyncReport(failure="the server is down", refused="413"))
    registry.register.assert_not_called()


def test_whoever_was_judged_against_a_champion_of_before_is_judged_anew(promoted, registry):
    before, meanwhile = Version(number="1"), Version(number="2")
    registry.version.side_effect = [before, meanwhile]
    registry.register.side_effect = [None]  # somebody else was faster
    found = promoted(SyncReport(runs=3))
    assert (found.outcome, found.reason, found.version) == ("refused", "it is worse", meanwhile)
    registry.register.assert_called_once_with("all of it", instead_of=before, refused=None)


@pytest.fixture(scope="module")
def simulated(simulate_sweep, tmp_path_factory):
    """Return the configuration of a sweep whose training was simulated."""
    mlruns = tmp_path_factory.mktemp("simulated")
    simulate_sweep(mlruns, "demo")
    return load_config(mlruns, "demo")


@pytest.mark.parametrize(
    ("difference", "is_its_own"), [(0.0, True), (0.005, True), (-0.03, False), (0.03, False)]
)
def test_the_file_of_another_network_is_not_promoted(
    simulated, registry, monkeypatch, *, difference, is_its_own
):
    accuracy = read_summary(simulated.sweep_dir)["sweet_spot"]["val_accuracy"]

    def predicted(path, split):
        labels = split.labels.copy()
        labels[round((accuracy + difference) * len(labels)) :] += 1
        return labels

    monkeypatch.setattr(promotion, "_predicted", predicted)
    monkeypatch.setattr(
        promotion, "judge", lambda *_: Verdict(better=False, reason="it is no better")
    )
    if is_its_own:
        assert promotion.promote(simulated, force=False).reason == "it is no better"
    else:
        with pytest.raises(StorageError, match=r"it is damaged or another network's$"):
            promotion.promote(simulated, force=True)
    registry.register.assert_not_called()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("precision", "mixed_bfloat16"),
        ("jit_compile", "on"),
        ("steps_per_execution", 7),
        ("deterministic", True),
    ],
)
def test_costs_of_networks_that_were_trained_in_another_way_are_told_apart(
    plan, replan, *, name, value
):
    settings = {
        "precision": "float32", "jit_compile": "off", "steps_per_execution": 8,
        "deterministic": False,
    }  # fmt: skip
    before, other = (
        measuring_protocol(replan(plan, training=settings | changes).config)
        for changes in ({}, {name: value})
    )
    assert other.keys() == before.keys()
    assert {key for key in other if other[key] != before[key]} == {f"training.{name}"}


def test_costs_with_an_average_of_the_weights_are_told_apart(plan, replan):
    none, half, whole = (
        measuring_protocol(replan(plan, training=training).config)
        for training in (
            {"averaging": "none"},
            {"averaging": "interim", "averaged_epochs": 0.5},
            {"averaging": "interim", "averaged_epochs": 1.0},
        )
    )
    added = {"training.averaging": "interim", "training.averaged_epochs": 0.5}
    assert none | added == half != whole


@pytest.mark.parametrize("part", ["times of training", "training steps"])
def test_times_that_an_earlier_version_told_otherwise_are_of_another_protocol(plan, replan, part):
    timed, counted = (
        replan(plan, objective={"costs": (cost,)}).config for cost in ("train_seconds", "macs")
    )
    told: dict[str, str] = {part: "in a way"}
    for identity in (told, {}):
        (timed.sweep_dir / "identity.json").write_text(json.dumps(identity))
        assert measuring_protocol(timed).get(part) == identity.get(part)
        assert part not in measuring_protocol(counted)


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
    promoted, monkeypatch, tmp_path
):
    gone = SimpleNamespace(path=tmp_path / "gone.keras", title="trial 4 of lesson (d128)")
    monkeypatch.setattr(promotion, "kept_network", lambda *_: gone)
    with pytest.raises(StorageError, match=r"^the model of trial 4 of lesson \(d128\) cannot be"):
        promoted(SyncReport())


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


def test_who_serves_the_version_of_before_is_told(promoted, registry):
    assert promoted(SyncReport()).sentence.endswith("(version 1): it is better")
    registry.register.return_value = Version(number="2", tags={"replaced": "1"})
    said = promoted(SyncReport()).sentence
    assert said.endswith(
        ": it is better; a `sweetspot serve` that runs goes on with version 1 until it is "
        "started again"
    )
