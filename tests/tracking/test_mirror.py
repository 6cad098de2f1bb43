import http.server
import json
import re
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.events import Ended, EpochEnded, ModelKept
from pipeline.tracking.mirror import Mirror, SyncReport
from pipeline.tracking.store import open_client

Sweep = Any


@contextmanager
def mirror_of(sweep: Sweep) -> Iterator[Mirror]:
    with Mirror(sweep.dir, sweep.config, sweep.data) as mirror:
        yield mirror


def sync(sweep: Sweep) -> SyncReport:
    with mirror_of(sweep) as mirror:
        report = mirror.sync()
    assert report.failure is None, report.details or report.failure
    return report


def client_of(sweep: Sweep) -> MlflowClient:
    return open_client(sweep.config)


def runs_of(sweep: Sweep) -> dict[str, Run]:
    client = client_of(sweep)
    experiment = client.get_experiment_by_name("sweetspot-digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags.get("trial", "sweep"): client.get_run(run.info.run_id) for run in runs}


def artifacts_of(client: MlflowClient, run_id: str, path: str | None = None) -> set[str]:
    found: set[str] = set()
    for item in client.list_artifacts(run_id, path):
        found |= artifacts_of(client, run_id, item.path) if item.is_dir else {item.path}
    return found


def everything(sweep: Sweep) -> dict[str, Any]:
    """Return all that MLflow shows of a sweep, without the IDs it gives out."""
    client = client_of(sweep)
    runs = runs_of(sweep)
    shown: dict[str, Any] = {}
    for name, run in runs.items():
        tags = dict(run.data.tags)
        if "mlflow.parentRunId" in tags:
            assert tags.pop("mlflow.parentRunId") == runs["sweep"].info.run_id
        if "mlflow.note.content" in tags:
            note = tags["mlflow.note.content"]
            tags["mlflow.note.content"] = note.replace(run.info.run_id, "ID")
        folder = Path(client.download_artifacts(run.info.run_id, "."))
        models = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
        )
        shown[name] = {
            "info": (
                run.info.run_name,
                run.info.status,
                run.info.start_time,
                run.info.end_time,
            ),
            "params": run.data.params,
            "tags": tags,
            "metrics": {
                key: sorted(
                    (m.step, m.timestamp, m.value)
                    for m in client.get_metric_history(run.info.run_id, key)
                )
                for key in run.data.metrics
            },
            "inputs": [
                (
                    item.dataset.name,
                    item.dataset.digest,
                    item.dataset.profile,
                    item.dataset.schema,
                    [(tag.key, tag.value) for tag in item.tags],
                )
                for item in (run.inputs.dataset_inputs if run.inputs else [])
            ],
            "artifacts": {
                path: (folder / path).read_bytes()
                for path in sorted(artifacts_of(client, run.info.run_id))
            },
            "models": [
                (
                    model.name,
                    str(model.status),
                    model.tags,
                    model.params,
                    sorted((m.key, m.value, m.step) for m in model.metrics or []),
                    {item.path for item in client.list_logged_model_artifacts(model.model_id)},
                )
                for model in models
            ],
        }
    return shown


def test_a_finalists_trainings_are_runs_of_their_own(small_sweep: Sweep) -> None:
    spec = replace(small_sweep.specification(1), repetition=1)
    for _ in range(2):  # the second time another process looks for the runs that are there
        sync(small_sweep)
        small_sweep.start(spec)
        small_sweep.finish(spec, epochs=0)
        spec = replace(spec, repetition=2)
    assert sync(small_sweep).runs == 6
    client = client_of(small_sweep)
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


def test_a_whole_sweep_is_mirrored(story: Sweep) -> None:
    report = sync(story)
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
    run = runs_of(story)["sweep"].info
    address = f"#/experiments/{run.experiment_id}/runs?viewStateShareKey={run.run_id}"
    assert f"]({address})" in parent_note(story)
    shared = json.loads(shared_views(story)[f"mlflow.sharedViewState.{run.run_id}"])
    client = client_of(story)
    listed = client.search_runs(
        [run.experiment_id], shared["searchFilter"], order_by=["metrics.val_accuracy DESC"]
    )
    assert {found.info.run_name for found in listed} == {
        runs_of(story)[name].info.run_name for name in shown if name != "sweep"
    }
    for column in shared["selectedColumns"]:
        section, name = column.removesuffix("`").split(".`")
        assert name in getattr(listed[0].data, section)
    latest = {key: max(values)[2] for key, values in parent["metrics"].items()}
    assert latest["front/members"] == len(summary["front"])
    assert latest["sweet_spot/val_accuracy"] == summary["sweet_spot"]["val_accuracy"]
    assert latest["test_readings"] == 1


def parent_note(sweep: Sweep) -> str:
    return runs_of(sweep)["sweep"].data.tags["mlflow.note.content"]


def shared_views(sweep: Sweep) -> dict[str, str]:
    client = client_of(sweep)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    return {k: v for k, v in experiment.tags.items() if k.startswith("mlflow.sharedViewState.")}


def test_a_second_pass_changes_nothing(story: Sweep) -> None:
    logs = {path: path.read_bytes() for path in story.dir.rglob("*.jsonl")}
    sync(story)
    before = everything(story)
    with mirror_of(story) as mirror:
        assert mirror.sync() == SyncReport(runs=5, updated=0)
        assert mirror.sync() == SyncReport(runs=5, updated=0)
    assert everything(story) == before
    assert {path: path.read_bytes() for path in story.dir.rglob("*.jsonl")} == logs


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
    with mirror_of(story) as mirror:
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
    sync(story)
    rebuilt = everything(story)
    assert bit_by_bit == rebuilt


def test_a_store_deleted_under_a_running_mirror_is_rebuilt(story: Sweep) -> None:
    with mirror_of(story) as mirror:
        assert mirror.sync().failure is None
        before = everything(story)
        (story.mlruns / "mlflow.db").unlink()
        shutil.rmtree(story.mlruns / "artifacts")
        report = mirror.sync()
        assert report == SyncReport(runs=5, updated=5), report.details
    assert everything(story) == before


def test_a_running_trial_is_shown_and_then_closed(stored_sweep: Sweep) -> None:
    sweep = stored_sweep
    spec = sweep.specification(0)
    with mirror_of(sweep) as mirror:
        assert mirror.sync() == SyncReport(runs=0, updated=0)
        assert mirror.sweep_run_id() is None
        sweep.begin()
        assert mirror.sync() == SyncReport(runs=1, updated=1)
        sweep.start(spec, epochs=1)
        assert mirror.sync() == SyncReport(runs=2, updated=1)
        assert mirror.sweep_run_id() == runs_of(sweep)["sweep"].info.run_id
        assert runs_of(sweep)["0"].info.status == "RUNNING"
        assert runs_of(sweep)["0"].data.tags["status"] == "running"
        sweep.trial(0, EpochEnded(attempt=0, result=sweep.epoch_result(2)))
        assert mirror.sync() == SyncReport(runs=2, updated=1)
        sweep.finish(spec, epochs=2)
        sweep.end()
        assert mirror.sync() == SyncReport(runs=2, updated=2)
    assert mirror.sweep_run_id() == runs_of(sweep)["sweep"].info.run_id
    assert {name: run.info.status for name, run in runs_of(sweep).items()} == {
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
    sync(stored_sweep)
    runs = runs_of(stored_sweep)
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
    with mirror_of(sweep) as mirror:
        mirror.sync()
        first = runs_of(sweep)["0"]
        assert (first.info.status, first.data.tags["reason"]) == ("KILLED", "worker lost")
        again = replace(spec, attempt=1)
        sweep.start(again)
        mirror.sync()
        second = runs_of(sweep)["0"]
        assert (second.info.run_id, second.info.status) == (first.info.run_id, "RUNNING")
        assert second.data.tags["retries"] == "1" and "reason" not in second.data.tags
        sweep.finish(again)
        mirror.sync()
    third = runs_of(sweep)["0"]
    assert (third.info.run_id, third.info.status) == (first.info.run_id, "FINISHED")
    assert third.info.end_time > first.info.end_time


def test_no_run_is_left_running_after_a_session(stored_sweep: Sweep) -> None:
    sweep = stored_sweep
    sweep.begin()
    sweep.start(sweep.specification(0), epochs=1)
    sweep.end(exit_status=1)
    sync(sweep)
    runs = runs_of(sweep)
    assert (runs["0"].info.status, runs["0"].data.tags["status"]) == ("KILLED", "interrupted")
    assert (runs["sweep"].info.status, runs["sweep"].data.tags["status"]) == ("FAILED", "failed")
    assert runs["0"].info.end_time == runs["sweep"].info.end_time


def test_a_run_that_somebody_threw_away_comes_back(small_sweep: Sweep) -> None:
    sync(small_sweep)
    before = everything(small_sweep)
    client_of(small_sweep).delete_run(runs_of(small_sweep)["2"].info.run_id)
    assert sync(small_sweep).updated == 1
    assert everything(small_sweep) == before


def test_a_second_run_of_one_trial_is_thrown_away(small_sweep: Sweep) -> None:
    sync(small_sweep)
    run = runs_of(small_sweep)["2"]
    client = client_of(small_sweep)
    client.create_run(run.info.experiment_id, tags={"sweep": "question", "trial": "2"})
    sync(small_sweep)
    kept = client.search_runs([run.info.experiment_id], "tags.trial = '2'")
    assert [item.info.run_id for item in kept] == [run.info.run_id]
    thrown = client.search_runs(
        [run.info.experiment_id], "tags.trial = '2'", run_view_type=ViewType.DELETED_ONLY
    )
    assert len(thrown) == 1


def test_a_pass_that_broke_off_anywhere_is_made_good(
    story: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let every write to MLflow fail once, one after the other, then compare."""
    writes = [
        "create_run", "log_inputs", "log_batch", "log_artifacts", "create_logged_model",
        "log_model_artifacts", "finalize_logged_model", "log_outputs", "set_logged_model_tags",
        "set_terminated", "set_tag",
    ]  # fmt: skip
    failing: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(MlflowClient, name)

        def write(*arguments: Any, **keywords: Any) -> Any:
            if name in failing:
                failing.remove(name)
                raise ConnectionResetError("cut off")
            return real(*arguments, **keywords)

        monkeypatch.setattr(MlflowClient, name, write)

    for name in writes:
        wrap(name)
    with mirror_of(story) as mirror:
        for name in writes:
            failing.append(name)
            report = mirror.sync()
            assert report.failure is not None and "cut off the connection" in report.failure
        assert mirror.sync().failure is None
    broken = everything(story)
    monkeypatch.undo()
    for run in runs_of(story).values():
        client_of(story).delete_run(run.info.run_id)
    sync(story)
    assert broken == everything(story)


def test_one_bad_run_does_not_hold_up_the_others(small_sweep: Sweep) -> None:
    small_sweep.keep_model(0, b"no archive")
    with mirror_of(small_sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None and "is not a saved Keras network" in report.failure
    assert set(runs_of(small_sweep)) == {"sweep", "0", "1", "2"}
    assert runs_of(small_sweep)["1"].info.status == "FINISHED"


def test_a_model_outside_the_folder_is_left_where_it_is(small_sweep: Sweep, tmp_path: Path) -> None:
    shutil.copyfile(small_sweep.dir / "models" / "0001.keras", tmp_path / "other.keras")
    small_sweep.trial(2, ModelKept(path="../../../other.keras"), ModelKept(path="/etc/passwd"))
    sync(small_sweep)
    assert everything(small_sweep)["2"]["models"] == []


def test_a_promoted_model_outlives_the_front(small_sweep: Sweep) -> None:
    sync(small_sweep)
    client = client_of(small_sweep)
    run = runs_of(small_sweep)["1"]
    assert run.outputs is not None
    (output,) = run.outputs.model_outputs
    client.create_registered_model("champion")
    client.create_model_version(
        "champion", f"models:/{output.model_id}", run_id=run.info.run_id, model_id=output.model_id
    )
    small_sweep.keep_model(1, None)
    sync(small_sweep)
    assert len(everything(small_sweep)["1"]["models"]) == 1
    assert client.get_logged_model(output.model_id).model_id == output.model_id


def test_a_figure_that_vanishes_vanishes_in_mlflow(small_sweep: Sweep) -> None:
    (small_sweep.dir / "figures").mkdir()
    (small_sweep.dir / "figures" / "front.png").write_bytes(b"a picture")
    sync(small_sweep)
    assert "figures/front.png" in everything(small_sweep)["sweep"]["artifacts"]
    (small_sweep.dir / "figures" / "front.png").unlink()
    sync(small_sweep)
    assert "figures/front.png" not in everything(small_sweep)["sweep"]["artifacts"]


def test_more_metrics_than_a_batch_takes(stored_sweep: Sweep) -> None:
    spec = stored_sweep.specification(0)
    stored_sweep.start(spec)
    epochs = [EpochEnded(attempt=0, result=stored_sweep.epoch_result(e)) for e in range(1, 202)]
    stored_sweep.trial(0, *epochs)
    sync(stored_sweep)
    run = runs_of(stored_sweep)["0"]
    history = client_of(stored_sweep).get_metric_history(run.info.run_id, "images_per_second")
    assert len(history) == 201


def test_losses_that_are_not_finite_reach_mlflow(stored_sweep: Sweep) -> None:
    spec = stored_sweep.specification(0)
    stored_sweep.start(spec)
    diverged = replace(stored_sweep.epoch_result(1), train_loss=float("nan"), val_loss=float("inf"))
    stored_sweep.trial(0, EpochEnded(attempt=0, result=diverged))
    sync(stored_sweep)
    metrics = runs_of(stored_sweep)["0"].data.metrics
    assert metrics["train_loss"] != metrics["train_loss"] and metrics["val_loss"] > 1e300


def test_a_damaged_summary_is_said_and_trials_are_mirrored(small_sweep: Sweep) -> None:
    (small_sweep.dir / "summary.json").write_text('{"trials": ')
    with mirror_of(small_sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None and "summary.json cannot be read" in report.failure
    assert len(runs_of(small_sweep)) == 4


def test_one_process_mirrors_a_sweep_at_a_time(small_sweep: Sweep) -> None:
    with mirror_of(small_sweep) as first:
        assert first.sync().failure is None
        with mirror_of(small_sweep) as second:
            report = second.sync()
        assert report.failure is not None and "another process" in report.failure
        assert first.sync().failure is None
    sync(small_sweep)


@pytest.mark.parametrize("deleted", [False, True])
def test_a_store_that_cannot_be_written_is_reported(small_sweep: Sweep, deleted: bool) -> None:
    database = small_sweep.mlruns / "mlflow.db"
    database.unlink()
    database.mkdir() if deleted else database.write_text("not a database" * 100)
    with mirror_of(small_sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None and f"the MLflow store {database}" in report.failure
    assert report.details is None


def test_a_mistake_of_ours_is_reported_with_its_traceback(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("pipeline.tracking.mirror.trial_content", mistake)
    with mirror_of(small_sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None and "TypeError" in (report.details or "")


def test_a_table_that_is_gone_is_reported(small_sweep: Sweep) -> None:
    sync(small_sweep)
    with sqlite3.connect(small_sweep.mlruns / "mlflow.db") as database:
        database.execute("DROP TABLE tags")
    database.close()
    with mirror_of(small_sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None and "nothing is lost" in report.failure
    assert report.failure.count("\n") == 0 and report.details is None


def test_a_server_that_is_down_is_reported(fake_sweep: Callable[..., Sweep]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sweep = fake_sweep("question", uri)
        sweep.begin()
        with mirror_of(sweep) as mirror:
            report = mirror.sync()
    assert report.failure == (
        f"MLflow at {uri} cannot be reached; training goes on and nothing is lost: the next try, "
        "or `sweetspot sync`, catches up"
    )
    assert not (sweep.mlruns / "mlflow.db").exists()


class _BadServer(http.server.BaseHTTPRequestHandler):
    """Answers every request as ``answer`` says: with an error, not at all, or by hanging up."""

    answer = "error"
    release = threading.Event()

    def do_POST(self) -> None:
        if self.answer == "error":
            self.send_error(500, "no disk left")
        elif self.answer == "silence":
            self.release.wait(30)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("error", "refused (.*500"),
        ("silence", "did not answer within 1 s;"),
        ("hangs up", "cut off the connection;"),
    ],
)
def test_a_server_in_trouble_is_reported(
    fake_sweep: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch, answer: str, words: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(_BadServer, "answer", answer)
    monkeypatch.setattr(_BadServer, "release", threading.Event())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _BadServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sweep = fake_sweep("question", f"http://127.0.0.1:{server.server_port}")
        sweep.begin()
        with mirror_of(sweep) as mirror:
            report = mirror.sync()
        _BadServer.release.set()
        server.shutdown()
    assert report.failure is not None and re.search(words.replace("(", "\\("), report.failure)
    assert report.details is None


def test_a_password_in_the_uri_is_reported_before_anything_is_sent(
    fake_sweep: Callable[..., Sweep],
) -> None:
    sweep = fake_sweep("question", "http://me:s3cret@127.0.0.1:1")
    sweep.begin()
    with mirror_of(sweep) as mirror:
        report = mirror.sync()
    assert report.failure is not None
    assert "must not hold a password" in report.failure and "s3cret" not in str(report)


def test_a_trial_that_needs_nothing_is_not_even_read(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror_of(small_sweep) as mirror:
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
