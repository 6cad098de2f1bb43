import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.core.trial import Outcome
from pipeline.testing.mlflow_contents import mlflow_contents
from pipeline.tracking.event_log import EventLog, read, sweep_log_path, trial_log_path
from pipeline.tracking.events import Concluded, ModelKept, record
from pipeline.tracking.mirror import SyncReport
from pipeline.tracking.refusals import LONGEST_SECONDS

Sweep = Any


def everything(sweep: Sweep) -> dict[str, Any]:
    """Return all that MLflow shows of this sweep, without the IDs it gives out."""
    with tempfile.TemporaryDirectory() as folder:
        return mlflow_contents(sweep.client(), "sweetspot-digits", "question", Path(folder))


@pytest.fixture
def story(stored_sweep: Sweep, keras_file: Path) -> Sweep:
    """A sweep that has seen everything: retries, failures, test readings, two sessions."""
    sweep = stored_sweep
    sweep.begin()
    sweep.references()
    sweep.keep_model(0, keras_file.read_bytes())
    sweep.keep_model(1, keras_file.read_bytes())
    broken = sweep.specification(2, "32k5sb-64k3a-d128p0.3")
    sweep.start(broken, epochs=1)
    sweep.finish(broken, Outcome.FAILED, epochs=1, details="Traceback: no")
    lost = sweep.specification(3)
    sweep.start(lost, epochs=2)
    sweep.summarise()
    sweep.end(exit_status=130)
    sweep.begin()
    sweep.start(replace(lost, attempt=1), epochs=2, first=2)
    sweep.finish(replace(lost, attempt=1))
    sweep.keep_model(0, None)
    sweep.read_test(1, 0.875)
    (sweep.dir / "figures").mkdir()
    (sweep.dir / "figures" / "front.png").write_bytes(b"a picture")
    (sweep.dir / "report.html").write_text("<html></html>")
    (sweep.dir / "front.csv").write_text("trial\n1\n")
    sweep.summarise()
    sweep.end()
    return sweep


def test_a_finalists_trainings_are_runs_of_their_own(small_sweep: Sweep) -> None:
    spec = replace(small_sweep.specification(1), repetition=1)
    for _ in range(2):  # the second time another process looks for the runs that are there
        small_sweep.sync()
        small_sweep.start(spec)
        small_sweep.finish(spec, epochs=0)
        spec = replace(spec, repetition=2)
    assert small_sweep.sync().runs == 6
    client = small_sweep.client()
    experiment = client.get_experiment_by_name("sweetspot-digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    found = {(r.data.tags.get("trial"), r.data.tags.get("repetition")): r for r in runs}
    assert set(found) == {
        (None, None), ("0", None), ("1", None), ("2", None), ("1", "1"), ("1", "2"),
    }  # fmt: skip
    again = found["1", "1"]
    assert again.data.tags["kind"] == "finalist"
    assert again.data.tags["mlflow.parentRunId"] == found[None, None].info.run_id
    assert again.data.tags["mlflow.runName"] == "001 64k3-d128 seed 2"


def test_a_whole_sweep_is_mirrored(story: Sweep) -> None:
    report = story.sync()
    assert (report.runs, report.updated) == (5, 5)
    shown = everything(story)
    assert {name: run["info"][:2] for name, run in shown.items()} == {
        "sweep": ("question", "FINISHED"),
        "0": ("000 dnn", "FINISHED"),
        "1": ("001 cnn", "FINISHED"),
        "2": ("002 32k5sb-64k3a-d128p0.3", "FAILED"),
        "3": ("003 64k3-d128", "FINISHED"),
    }
    cnn = shown["1"]
    started = read(trial_log_path(story.dir, 1))[0].time
    assert cnn["info"][2] == round(1000 * started)
    assert cnn["info"][3] == round(1000 * story.records[1].ended)
    assert cnn["params"]["architecture"] == "64k3-64k3-d128"
    assert (cnn["params"]["depth"], cnn["params"]["filters_2"]) == ("2", "64")
    assert cnn["params"]["learning_rate"] == "0.001"
    expected = {
        "sweep": "question",
        "trial": "1",
        "kind": "trial",
        "status": "complete",
        "git_commit": "c0ffee1",
        "data_fingerprint": story.data.fingerprint,
        "device": "cpu",
        "retries": "0",
        "reference": "cnn",
    }
    assert expected.items() <= cnn["tags"].items()
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "epoch_seconds"):
        assert [step for step, _, _ in cnn["metrics"][name]] == [1, 2, 3]
    assert [value for _, _, value in cnn["metrics"]["cost/epoch_seconds"]] == [3.25]
    assert [value for _, _, value in cnn["metrics"]["clock/training"]] == [7.5]
    assert [value for _, _, value in cnn["metrics"]["test_accuracy"]] == [0.875]
    assert len(cnn["metrics"]["system/cpu_utilization_percentage"]) == 3
    ((name, digest, *_),) = cnn["inputs"]
    assert name == "digits" and story.data.fingerprint.startswith(digest)
    assert set(cnn["artifacts"]) == {
        "summary.txt", "shape_journey.json", "config.yaml", "curves.png", "history.csv",
    }  # fmt: skip
    assert cnn["artifacts"]["summary.txt"].decode() == "Model: │ dense │"
    journey = json.loads(cnn["artifacts"]["shape_journey.json"])
    assert [stage["shape"] for stage in journey][1] == [26, 26, 64]
    assert len(cnn["models"]) == 1 and shown["0"]["models"] == []

    assert shown["2"]["artifacts"]["traceback.txt"] == b"Traceback: no"
    assert shown["2"]["tags"]["reason"] == "it was failed"
    retried = shown["3"]
    assert retried["tags"]["retries"] == "1" and retried["tags"]["status"] == "complete"
    assert {step for step, _, _ in retried["metrics"]["val_accuracy"]} == {1, 2, 3}

    parent = shown["sweep"]
    assert set(parent["artifacts"]) == {
        "config.yaml", "summary.json", "report.html", "front.csv", "figures/front.png",
    }  # fmt: skip
    note = parent["tags"]["mlflow.note.content"]
    summary = json.loads((story.dir / "summary.json").read_text())
    assert f"trial {summary['sweet_spot']['trial']}," in note
    run = story.runs()["sweep"].info
    address = f"#/experiments/{run.experiment_id}/runs?viewStateShareKey={run.run_id}"
    assert f"]({address}&workflowType=machine_learning)" in parent_note(story)
    shared = json.loads(shared_views(story)[f"mlflow.sharedViewState.{run.run_id}"])
    client = story.client()
    listed = client.search_runs(
        [run.experiment_id], shared["searchFilter"], order_by=["metrics.val_accuracy DESC"]
    )
    assert {found.info.run_name for found in listed} == {
        story.runs()[name].info.run_name for name in shown if name != "sweep"
    }
    for column in shared["selectedColumns"]:
        section, name = column.removesuffix("`").split(".`")
        assert name in getattr(listed[0].data, section)
    latest = {key: max(values)[2] for key, values in parent["metrics"].items()}
    assert latest["front/members"] == len(summary["front"])
    assert latest["sweet_spot/val_accuracy"] == summary["sweet_spot"]["val_accuracy"]
    assert latest["test_readings"] == 1


def parent_note(sweep: Sweep) -> str:
    return sweep.runs()["sweep"].data.tags["mlflow.note.content"]


def shared_views(sweep: Sweep) -> dict[str, str]:
    client = sweep.client()
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    return {k: v for k, v in experiment.tags.items() if k.startswith("mlflow.sharedViewState.")}


def test_a_second_pass_changes_nothing(story: Sweep) -> None:
    logs = {path: path.read_bytes() for path in story.dir.rglob("*.jsonl")}
    story.sync()
    before = everything(story)
    with story.mirror() as mirror:
        assert mirror.sync() == SyncReport(runs=5, updated=0)
        assert mirror.sync() == SyncReport(runs=5, updated=0)
    assert everything(story) == before
    assert {path: path.read_bytes() for path in story.dir.rglob("*.jsonl")} == logs


def test_that_all_is_done_at_a_sweeps_end_leaves_mlflow_nothing_to_catch_up_with(
    story: Sweep,
) -> None:
    story.sync()
    with EventLog(sweep_log_path(story.dir)) as log:
        record(log, Concluded())
    with story.mirror() as mirror:
        assert mirror.sync() == SyncReport(runs=5, updated=0)


def test_mirrored_while_it_runs_or_afterwards_it_is_the_same(
    story: Sweep, empty_store: Path
) -> None:
    """Feed the logs to the mirror line by line, then compare with a store rebuilt at the end."""
    complete = {path: path.read_bytes() for path in story.dir.rglob("*.jsonl")}
    lines = sorted(
        (
            (json.loads(line)["time"], path, line)
            for path, data in complete.items()
            for line in data.splitlines(keepends=True)
        ),
        key=lambda item: item[0],
    )
    for path in complete:
        path.unlink()
    with story.mirror() as mirror:
        for index, (_, path, line) in enumerate(lines):
            with path.open("ab") as log:
                log.write(line)
            if index % 4 == 0:
                report = mirror.sync()
                assert report.failure is None, report.details
        assert mirror.sync().failure is None
    bit_by_bit = everything(story)
    shutil.rmtree(story.mlruns / "artifacts")
    (story.mlruns / "mlflow.db").unlink()
    shutil.copyfile(empty_store, story.mlruns / "mlflow.db")
    story.sync()
    rebuilt = everything(story)
    assert bit_by_bit == rebuilt


def test_a_store_deleted_under_a_running_mirror_is_rebuilt(story: Sweep) -> None:
    with story.mirror() as mirror:
        assert mirror.sync().failure is None
        before = everything(story)
        (story.mlruns / "mlflow.db").unlink()
        shutil.rmtree(story.mlruns / "artifacts")
        report = mirror.sync()
        assert report == SyncReport(runs=5, updated=5), report.details
    assert everything(story) == before


def test_a_run_that_somebody_threw_away_comes_back(small_sweep: Sweep) -> None:
    small_sweep.sync()
    before = everything(small_sweep)
    small_sweep.client().delete_run(small_sweep.runs()["2"].info.run_id)
    assert small_sweep.sync().updated == 1
    assert everything(small_sweep) == before


def test_a_pass_that_broke_off_anywhere_is_made_good(
    story: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let every write to MLflow fail in a pass, one after the other, then compare."""
    writes = [
        "create_run", "log_inputs", "log_batch", "log_artifact", "create_logged_model",
        "log_model_artifacts", "finalize_logged_model", "log_outputs", "set_logged_model_tags",
        "set_terminated", "set_tag",
    ]  # fmt: skip
    failing: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(MlflowClient, name)

        def write(*arguments: Any, **keywords: Any) -> Any:
            if name in failing:
                raise ConnectionResetError("cut off")
            return real(*arguments, **keywords)

        monkeypatch.setattr(MlflowClient, name, write)

    for name in writes:
        wrap(name)
    clock = [0.0]
    monkeypatch.setattr("pipeline.tracking.refusals.time.monotonic", lambda: clock[0])
    with story.mirror() as mirror:
        for name in writes:
            failing[:] = [name]
            clock[0] += LONGEST_SECONDS
            report = mirror.sync()
            missing = report.failure or report.refused
            assert missing is not None and "cut off the connection" in missing
        failing.clear()
        clock[0] += LONGEST_SECONDS
        report = mirror.sync()
        assert report.failure is None and report.refused is None
    broken = everything(story)
    monkeypatch.undo()
    for run in story.runs().values():
        story.client().delete_run(run.info.run_id)
    story.sync()
    assert broken == everything(story)


def test_a_model_outside_the_folder_is_left_where_it_is(small_sweep: Sweep, tmp_path: Path) -> None:
    shutil.copyfile(small_sweep.dir / "models" / "0001.keras", tmp_path / "other.keras")
    small_sweep.trial(2, ModelKept(path="../../../other.keras"), ModelKept(path="/etc/passwd"))
    small_sweep.sync()
    assert everything(small_sweep)["2"]["models"] == []


def test_a_promoted_model_outlives_the_front(small_sweep: Sweep) -> None:
    small_sweep.sync()
    client = small_sweep.client()
    run = small_sweep.runs()["1"]
    assert run.outputs is not None
    (output,) = run.outputs.model_outputs
    client.create_registered_model("champion")
    client.create_model_version(
        "champion", f"models:/{output.model_id}", run_id=run.info.run_id, model_id=output.model_id
    )
    small_sweep.keep_model(1, None)
    small_sweep.sync()
    assert len(everything(small_sweep)["1"]["models"]) == 1
    assert client.get_logged_model(output.model_id).model_id == output.model_id


def test_a_figure_that_vanishes_vanishes_in_mlflow(small_sweep: Sweep) -> None:
    (small_sweep.dir / "figures").mkdir()
    (small_sweep.dir / "figures" / "front.png").write_bytes(b"a picture")
    small_sweep.sync()
    assert "figures/front.png" in everything(small_sweep)["sweep"]["artifacts"]
    (small_sweep.dir / "figures" / "front.png").unlink()
    small_sweep.sync()
    assert "figures/front.png" not in everything(small_sweep)["sweep"]["artifacts"]
