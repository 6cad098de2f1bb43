from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities import ViewType

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.tracking.events import Ended, EpochEnded
from pipeline.tracking.mirror import SyncReport

Sweep = Any


def test_a_running_trial_is_shown_and_then_closed(stored_sweep: Sweep) -> None:
    sweep = stored_sweep
    spec = sweep.specification(0)
    with sweep.mirror() as mirror:
        assert mirror.sync() == SyncReport(runs=0, updated=0)
        assert mirror.sweep_run_id() is None
        sweep.begin()
        assert mirror.sync() == SyncReport(runs=1, updated=1)
        sweep.start(spec, epochs=1)
        assert mirror.sync() == SyncReport(runs=2, updated=1)
        assert mirror.sweep_run_id() == sweep.runs()["sweep"].info.run_id
        assert sweep.runs()["0"].info.status == "RUNNING"
        assert sweep.runs()["0"].data.tags["status"] == "running"
        sweep.trial(0, EpochEnded(attempt=0, result=sweep.epoch_result(2)))
        assert mirror.sync() == SyncReport(runs=2, updated=1)
        sweep.finish(spec, epochs=2)
        sweep.end()
        assert mirror.sync() == SyncReport(runs=2, updated=2)
    assert mirror.sweep_run_id() == sweep.runs()["sweep"].info.run_id
    assert {name: run.info.status for name, run in sweep.runs().items()} == {
        "sweep": "FINISHED",
        "0": "FINISHED",
    }


def test_every_outcome_ends_its_run(stored_sweep: Sweep) -> None:
    expected = {outcome: "FINISHED" for outcome in Outcome}
    expected |= {Outcome.FAILED: "FAILED", Outcome.INTERRUPTED: "KILLED"}
    for number, outcome in enumerate(Outcome):
        spec = stored_sweep.specification(number)
        stored_sweep.start(spec)
        stored_sweep.finish(spec, outcome, epochs=0)
    stored_sweep.sync()
    runs = stored_sweep.runs()
    assert {
        Outcome(run.data.tags["status"]): run.info.status
        for name, run in runs.items()
        if name != "sweep"
    } == expected


def test_a_trial_queued_again_reopens_its_run(stored_sweep: Sweep) -> None:
    sweep = stored_sweep
    sweep.begin()
    spec = sweep.specification(0)
    sweep.start(spec, epochs=1)
    lost = TrialRecord(specification=spec, outcome=Outcome.INTERRUPTED, reason="worker lost")
    sweep.trial(0, Ended(attempt=0, record=lost))
    with sweep.mirror() as mirror:
        mirror.sync()
        first = sweep.runs()["0"]
        assert (first.info.status, first.data.tags["reason"]) == ("KILLED", "worker lost")
        again = replace(spec, attempt=1)
        sweep.start(again)
        mirror.sync()
        second = sweep.runs()["0"]
        assert (second.info.run_id, second.info.status) == (first.info.run_id, "RUNNING")
        assert second.data.tags["retries"] == "1" and "reason" not in second.data.tags
        sweep.finish(again)
        mirror.sync()
    third = sweep.runs()["0"]
    assert (third.info.run_id, third.info.status) == (first.info.run_id, "FINISHED")
    assert third.info.end_time > first.info.end_time


def test_no_run_is_left_running_after_a_session(stored_sweep: Sweep) -> None:
    sweep = stored_sweep
    sweep.begin()
    sweep.start(sweep.specification(0), epochs=1)
    sweep.end(exit_status=1)
    sweep.sync()
    runs = sweep.runs()
    assert (runs["0"].info.status, runs["0"].data.tags["status"]) == ("KILLED", "interrupted")
    assert (runs["sweep"].info.status, runs["sweep"].data.tags["status"]) == ("FAILED", "failed")
    assert runs["0"].info.end_time == runs["sweep"].info.end_time


def test_a_second_run_of_one_trial_is_thrown_away(small_sweep: Sweep) -> None:
    small_sweep.sync()
    run = small_sweep.runs()["2"]
    client = small_sweep.client()
    client.create_run(run.info.experiment_id, tags={"sweep": "question", "trial": "2"})
    small_sweep.sync()
    kept = client.search_runs([run.info.experiment_id], "tags.trial = '2'")
    assert [item.info.run_id for item in kept] == [run.info.run_id]
    thrown = client.search_runs(
        [run.info.experiment_id], "tags.trial = '2'", run_view_type=ViewType.DELETED_ONLY
    )
    assert len(thrown) == 1


def test_one_bad_run_does_not_hold_up_the_others(small_sweep: Sweep) -> None:
    small_sweep.keep_model(0, b"no archive")
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is None
    assert report.refused is not None and "is not a saved Keras network" in report.refused
    assert set(small_sweep.runs()) == {"sweep", "0", "1", "2"}
    assert small_sweep.runs()["1"].info.status == "FINISHED"


def test_more_metrics_than_a_batch_takes(stored_sweep: Sweep) -> None:
    spec = stored_sweep.specification(0)
    stored_sweep.start(spec)
    epochs = [EpochEnded(attempt=0, result=stored_sweep.epoch_result(e)) for e in range(1, 202)]
    stored_sweep.trial(0, *epochs)
    stored_sweep.sync()
    run = stored_sweep.runs()["0"]
    history = stored_sweep.client().get_metric_history(run.info.run_id, "images_per_second")
    assert len(history) == 201


def test_losses_that_are_not_finite_reach_mlflow(stored_sweep: Sweep) -> None:
    spec = stored_sweep.specification(0)
    stored_sweep.start(spec)
    diverged = replace(stored_sweep.epoch_result(1), train_loss=float("nan"), val_loss=float("inf"))
    stored_sweep.trial(0, EpochEnded(attempt=0, result=diverged))
    stored_sweep.sync()
    metrics = stored_sweep.runs()["0"].data.metrics
    assert metrics["train_loss"] != metrics["train_loss"] and metrics["val_loss"] > 1e300


def test_a_damaged_summary_is_said_and_trials_are_mirrored(small_sweep: Sweep) -> None:
    (small_sweep.dir / "summary.json").write_text('{"trials": ')
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is not None and "summary.json cannot be read" in report.failure
    assert len(small_sweep.runs()) == 4


def test_a_trial_that_needs_nothing_is_not_even_read(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_sweep.mirror() as mirror:
        assert mirror.sync().failure is None
        views: list[str] = []
        monkeypatch.setattr(
            "pipeline.tracking.mirror.trial_view", lambda *_: views.append("read a trial")
        )
        small_sweep.readings[1] = 0.5
        small_sweep.summarise()
        assert mirror.sync() == SyncReport(runs=4, updated=1)
        assert views == []
        small_sweep.read_test(1, 0.5)
        mirror.sync()
        assert len(views) == 1
