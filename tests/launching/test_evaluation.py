import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pipeline.core.architecture import REFERENCES
from pipeline.core.errors import DataError
from pipeline.core.outcome import Interrupted, OutOfMemory
from pipeline.launching import local
from pipeline.launching.evaluation import evaluate, is_due
from pipeline.launching.local import LocalSupervisor
from pipeline.launching.results import SweepResults
from pipeline.measuring.machine import describe_device
from pipeline.reporting.comparison import COMPARISON_NAME, read_comparison
from pipeline.reporting.files import read_summary
from pipeline.reporting.kept_maps import KeptMaps, kept_maps_name
from pipeline.reporting.mistakes import Mistakes, mistakes_name
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated import SimulatedTrainer
from pipeline.testing.simulated_run import run_all, simulated_run
from pipeline.tracking.event_log import read, sweep_log_path


def searched(plan):
    """Run a sweep's search to its end and return its run."""
    run = simulated_run(plan)
    run_all(run)
    return run


@pytest.fixture
def finished(plan):
    """Return a sweep's run after its last trial."""
    return searched(plan)


def test_three_images_of_a_class_are_kept_with_what_convolutions_make_of_them(finished):
    config = finished.config
    evaluate(config, finished.study, finished.results, finished.trainer)
    summary = read_summary(config.sweep_dir)
    assert summary["references"]["dnn"]["trial"] == 0
    assert not (config.sweep_dir / kept_maps_name(0)).exists()
    labels = np.load(config.sweep_dir / "test_labels.npy")
    maps = KeptMaps.read(config.sweep_dir / kept_maps_name(1))
    assert maps.indices.tolist() == np.flatnonzero(labels == labels[0])[:3].tolist()
    assert [layer.name for layer in maps.layers] == [
        "convolution_1", "pooling_1", "convolution_2", "pooling_2"
    ]  # fmt: skip
    assert [layer.shape for layer in maps.layers] == [
        (26, 26, 64), (13, 13, 64), (11, 11, 64), (5, 5, 64)
    ]  # fmt: skip
    assert len(readings(config)) == summary["test_readings"]


def test_no_other_images_are_tested_than_those_of_the_sweep(finished):
    config = finished.config
    path = config.sweep_dir / "description.json"
    path.write_text(path.read_text().replace(finished.description.fingerprint, "0" * 64))
    with pytest.raises(DataError, match=r"no longer those that .* was trained with"):
        evaluate(config, finished.study, finished.results, finished.trainer)
    assert readings(config) == []
    assert not (config.sweep_dir / "test_labels.npy").exists()


def readings(config):
    return [e.values for e in read(sweep_log_path(config.sweep_dir)) if e.kind == "test_read"]


def test_a_comparison_that_needs_more_memory_than_there_is_is_left_out(finished):
    class Small(SimulatedTrainer):
        def step_ratio(self, architecture, recipe):
            raise OutOfMemory("no room for a step")

    config = finished.config
    evaluate(
        config, finished.study, finished.results,
        Small(config=config, description=finished.description),
    )  # fmt: skip
    summary = read_summary(config.sweep_dir)
    assert read_comparison(config.sweep_dir, summary["sweet_spot"]["trial"]) == {}
    assert not is_due(config.sweep_dir, summary)  # nobody is to try for ever
    assert len(readings(config)) == summary["test_readings"] > 0


def test_a_comparison_that_was_interrupted_is_made_up_for(finished):
    class Told(SimulatedTrainer):
        def step_ratio(self, architecture, recipe):
            raise Interrupted("the worker was told to leave")

    config = finished.config
    told = Told(config=config, description=finished.description)
    with pytest.raises(Interrupted):
        evaluate(config, finished.study, finished.results, told)
    summary = finished.results.refresh(finished.study)
    read_before = len(readings(config))
    assert read_before and is_due(config.sweep_dir, summary)
    evaluate(config, finished.study, finished.results, finished.trainer)
    assert not is_due(config.sweep_dir, summary) and len(readings(config)) == read_before


def test_test_is_read_once_for_the_sweet_spot_and_the_references(finished):
    config = finished.config
    assert is_due(config.sweep_dir, read_summary(config.sweep_dir))
    for _ in range(2):
        evaluate(config, finished.study, finished.results, finished.trainer)
        summary = read_summary(config.sweep_dir)
        wanted = {0, 1, summary["sweet_spot"]["trial"]}
        assert {reading["trial"] for reading in readings(config)} == wanted
        assert len(readings(config)) == len(wanted) == summary["test_readings"]
        assert not is_due(config.sweep_dir, summary)
    for network in (*summary["references"].values(), summary["sweet_spot"]):
        assert network["test_accuracy"] is not None
    truth = np.load(config.sweep_dir / "test_labels.npy")
    for reading in readings(config):
        answers = np.load(config.sweep_dir / "models" / f"{reading['trial']:04d}.test.npy")
        assert int((answers == truth).sum()) == reading["correct"]
        mistakes = Mistakes.read(config.sweep_dir / mistakes_name(reading["trial"]))
        assert mistakes is not None and len(mistakes) == 12
        np.testing.assert_array_equal(mistakes.labels, truth[mistakes.indices])
        np.testing.assert_array_equal(mistakes.answers, answers[mistakes.indices])
    reasons = {reading["trial"]: reading["reason"] for reading in readings(config)}
    assert reasons[0] == "the dnn reference"


def test_a_new_sweet_spot_costs_one_more_reading_and_the_old_one_is_kept(plan, replan):
    run = searched(replan(plan, search={"trials": 12}))
    evaluate(run.config, run.study, run.results, run.trainer)
    before = read_summary(run.config.sweep_dir)
    old = before["sweet_spot"]["trial"]
    *_, other = [m for m in before["front"] if m["trial"] not in (0, 1, old)]
    changed = run.config.model_copy(
        update={
            "objective": run.config.objective.model_copy(
                update={"rule": "budget", "budget": other["costs"]["macs"]}
            )
        }
    )
    evaluate(changed, run.study, SweepResults(changed, run.description), run.trainer)
    after = read_summary(changed.sweep_dir)
    new = after["sweet_spot"]["trial"]
    assert new == other["trial"]
    reasons = {reading["trial"]: reading["reason"] for reading in readings(changed)}
    assert set(reasons) == {0, 1, old, new}
    assert after["test_readings"] == len(readings(changed)) == len({0, 1, old, new})
    assert reasons[new].startswith("the sweet spot by the rule budget")
    assert old not in (0, 1)
    assert reasons[old] == "the sweet spot by the rule knee"
    assert reasons[new].endswith(f", in place of trial {old}")


def test_networks_are_compared_at_the_sweet_spots_batch_size(finished):
    evaluate(finished.config, finished.study, finished.results, finished.trainer)
    summary = read_summary(finished.config.sweep_dir)
    spot = summary["sweet_spot"]
    comparison = read_comparison(finished.config.sweep_dir, spot["trial"])
    assert comparison is not None
    for name, reference in summary["references"].items():
        assert comparison[name]["epoch_ratio_equal_batch"] == pytest.approx(
            reference["macs"] / spot["macs"]
        )
    assert read_comparison(finished.config.sweep_dir, spot["trial"] + 1) is None
    path = finished.config.sweep_dir / COMPARISON_NAME
    assert json.loads(path.read_text())["batch_size"] == spot["batch_size"]


def test_a_reference_that_is_the_sweet_spot_is_measured_once(plan, replan, monkeypatch):
    run = searched(replan(plan, search={"trials": 2}))
    measured = []

    def step_ratio(trainer, architecture, recipe):
        measured.append(architecture)
        return 1.0 + 0.1 * len(measured)  # no measurement is like another one

    monkeypatch.setattr(SimulatedTrainer, "step_ratio", step_ratio)
    evaluate(run.config, run.study, run.results, run.trainer)
    spot = read_summary(run.config.sweep_dir)["sweet_spot"]["trial"]
    comparison = read_comparison(run.config.sweep_dir, spot)
    assert comparison is not None and len(measured) == len(set(measured)) == 2
    ratios = [comparison[name]["epoch_ratio_equal_batch"] for name in ("dnn", "cnn")]
    assert ratios[spot] == 1.0 and ratios[1 - spot] == pytest.approx(1.2 / 1.1)


def test_whoever_left_before_it_looked_is_replaced_to_read_test(plan, replan, monkeypatch):
    run = searched(replan(plan, finalists={"limit": 0}))
    supervisor = LocalSupervisor(
        plan=replace(plan, config=run.config), say=print, show=lambda: None
    )
    monkeypatch.setattr(local, "out_of_time", lambda config: True)
    left = partial(supervisor._is_work_left, run.study, run.results)
    assert left(clean=False) and not left(clean=True)
    evaluate(run.config, run.study, run.results, run.trainer)
    assert not left(clean=False)


def test_a_network_trained_by_hand_is_not_tested(finished):
    config = finished.config.model_copy(update={"references": False})
    evaluate(config, finished.study, finished.results, finished.trainer)
    assert readings(config) == []


def test_a_sweep_without_a_complete_trial_has_nothing_to_read(finished, tmp_path, replan):
    from pipeline.launching.planning import SweepPlan

    plan = SweepPlan(
        config=finished.config, description=finished.description, space=finished.study._space,
        identity={}, exists=False,
    )  # fmt: skip
    empty = replan(plan, mlruns=tmp_path / "empty")
    study = SweepStudy(empty.config, empty.space)
    results = SweepResults(empty.config, replace(empty.description))
    evaluate(empty.config, study, results, finished.trainer)
    assert readings(empty.config) == []


#: As the trials of ``timed`` have taken, by number.
STEPS = {0: 0.2, 1: 1.0, 2: 0.6, 3: 0.7, 4: 0.8, 5: 0.5}


class Timed(SimulatedTrainer):
    """Times a training step of each trial, as a session does."""

    def run(self, specification, observer, clocks, checkpoint=None):
        trained = super().run(specification, observer, clocks, checkpoint)
        return replace(trained, measurements={"step_ratio": STEPS[specification.number]})


def timed(plan, **device):
    run = simulated_run(plan, device=describe_device() | device)
    run = replace(run, trainer=Timed(config=run.config, description=run.description))
    run_all(run)
    return run


def ratios_of(run, monkeypatch):
    """Return the comparison's ratios, and the architectures that were measured for it."""
    measured = []

    def step_ratio(trainer, architecture, recipe):
        measured.append(architecture)
        return 2.0

    monkeypatch.setattr(SimulatedTrainer, "step_ratio", step_ratio)
    evaluate(run.config, run.study, run.results, run.trainer)
    spot = read_summary(run.config.sweep_dir)["sweet_spot"]["trial"]
    comparison = read_comparison(run.config.sweep_dir, spot)
    assert comparison is not None
    ratios = [comparison[name]["epoch_ratio_equal_batch"] for name in ("dnn", "cnn")]
    return STEPS[spot], ratios, measured


def test_what_was_measured_with_the_sweet_spots_recipe_is_not_measured_again(
    plan, replan, monkeypatch
):
    """Only the references, which is what they have in a space of architectures alone."""
    run = timed(replan(plan, search={"trials": 2}))
    own, ratios, measured = ratios_of(run, monkeypatch)
    assert measured == []
    assert ratios == pytest.approx([STEPS[0] / own, STEPS[1] / own])


def test_references_with_another_recipe_are_measured_with_the_sweet_spots(plan, monkeypatch):
    run = timed(plan)
    own, ratios, measured = ratios_of(run, monkeypatch)
    assert own not in (STEPS[0], STEPS[1])
    assert [str(architecture) for architecture in measured] == [
        str(REFERENCES[name]) for name in ("dnn", "cnn")
    ]
    assert ratios == pytest.approx([2.0 / own, 2.0 / own])


def test_what_another_device_has_measured_is_measured_again(plan, replan, monkeypatch):
    run = timed(replan(plan, search={"trials": 2}), name="another device")
    _, ratios, measured = ratios_of(run, monkeypatch)
    assert len(measured) == 2 and ratios == [1.0, 1.0]
