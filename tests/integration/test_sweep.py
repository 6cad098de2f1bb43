"""A real sweep on real images, from the command line to every place where it leaves results."""

import json

import mlflow
import numpy as np
import optuna
import pytest
from mlflow.entities import ViewType
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from pipeline.config import DataConfig
from pipeline.data.loading import load_all
from pipeline.reporting.kept_maps import KeptMaps, kept_maps_name

pytestmark = pytest.mark.timeout(900)  # real training in processes of its own

QUICK = (
    "data=digits", "training=quick", "measuring=quick", "search=random", "objective=macs",
    "measuring.batch_sizes=[1,256]", "finalists.limit=1", "finalists.seeds=1",
)  # fmt: skip
NAME = "end-to-end"


@pytest.fixture(scope="module")
def sweep(command):
    """Run a sweep of three trials and a finalist, and return what was printed."""
    return command.run("sweep", *QUICK, "search.trials=3", f"sweep_name={NAME}").stdout


@pytest.fixture(scope="module")
def continued(command, sweep):
    """Give the same command again, and then one with room for a fourth trial.

    Return what was printed again, and the summaries before that and after it.
    """
    before = command.summary(NAME)
    printed = command.run("sweep", *QUICK, "search.trials=3", f"sweep_name={NAME}").stdout
    after = command.summary(NAME)
    command.run("sweep", *QUICK, "search.trials=4", "launch.workers=1", f"sweep_name={NAME}")
    return printed, before, after


@pytest.fixture(scope="module")
def client(command, sweep):
    return mlflow.MlflowClient(f"sqlite:///{command.mlruns / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(client):
    (experiment,) = [e for e in client.search_experiments() if e.name == "sweetspot-digits"]
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    return {run.data.tags.get("trial", "sweep") + _again(run): run for run in found}


def _again(run):
    return " again" if run.data.tags["kind"] == "finalist" else ""


def test_it_ends_with_the_front_and_one_plain_sentence(command, sweep):
    text = " ".join(sweep.split())
    assert "The sweet spot is " in text
    assert "cnn reference" in text and "dnn reference" in text
    assert f"report {NAME} mlruns={command.mlruns}" in text
    assert "\x1b" not in sweep  # plain lines where there is no terminal


def test_the_summary_is_complete(command, sweep):
    summary = command.summary(NAME)
    assert list(summary) == [
        "schema_version", "sweep", "data", "costs", "trials", "front", "sweet_spot",
        "references", "hypervolume", "test_readings", "wall_seconds", "mlflow_run_id", "finalists",
        "finalists_settled",
    ]  # fmt: skip
    assert summary["trials"] == {
        "complete": 3, "stopped": 0, "infeasible": 0, "diverged": 0, "out_of_memory": 0,
        "timed_out": 0, "censored": 0, "failed": 0, "interrupted": 0, "running": 0,
    }  # fmt: skip
    assert (summary["data"]["train"], summary["data"]["test"]) == (1272, 270)
    assert summary["references"]["cnn"]["parameters"] == 243_786
    assert summary["references"]["dnn"]["parameters"] == 101_770
    networks = [*summary["references"].values(), summary["sweet_spot"]]
    for network in networks:
        unknown = {name for name, value in network.items() if value is None} - {"other_seed_of"}
        assert unknown == {"time_to_accuracy_seconds", "device_memory_mib"}  # nobody asked
        assert 0.5 < network["val_accuracy"] <= 1
        assert 0.5 < network["test_accuracy"] <= 1
    assert summary["test_readings"] == len({network["trial"] for network in networks})
    assert summary["hypervolume"]["value"] > 0


def test_the_finalist_was_trained_again_and_decided(command, sweep, runs):
    summary = command.summary(NAME)
    (finalist,) = summary["finalists"]
    assert summary["sweet_spot"]["trial"] == finalist["trial"]
    # A single finalist is compared with nobody: it is there because the knee is.
    assert summary["sweet_spot"]["rule"] == "knee"
    assert "it is the only finalist, " in summary["sweet_spot"]["reason"]
    first = summary["sweet_spot"]["val_accuracy"]
    run = runs[f"{finalist['trial']} again"]
    second = run.data.metrics["kept_val_accuracy"]
    assert finalist["val_accuracy"]["n"] == 2
    assert finalist["val_accuracy"]["mean"] == pytest.approx((first + second) / 2)
    assert finalist["val_accuracy"]["standard_error"] == pytest.approx(abs(first - second) / 2)
    assert 0 < finalist["probability_on_front"] <= 1
    assert run.data.params["seed"] != runs[str(finalist["trial"])].data.params["seed"]
    assert "The finalists: means of n trainings" in sweep
    rows = (command.folder(NAME) / "finalists.csv").read_text().splitlines()
    assert len(rows) == 2


def test_the_report_shows_what_the_filters_of_the_cnn_see(command, sweep):
    maps = KeptMaps.read(command.folder(NAME) / kept_maps_name(1))
    assert [layer.shape for layer in maps.layers] == [
        (26, 26, 64), (13, 13, 64), (11, 11, 64), (5, 5, 64)
    ]  # fmt: skip
    assert len(maps.images) == 3 and all(layer.peaks.max() > 0 for layer in maps.layers)
    page = (command.folder(NAME) / "report.html").read_text()
    assert 'aria-label="Feature maps of the cnn reference"' in page


def test_optunas_own_client_reads_the_study(command, sweep):
    storage = JournalStorage(JournalFileBackend(str(command.mlruns / "optuna.journal")))
    study = optuna.load_study(study_name=NAME, storage=storage)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    front = {member["trial"] for member in command.summary(NAME)["front"]}
    assert {trial.number for trial in study.best_trials} == front


def test_mlflow_has_a_parent_and_a_child_for_each_trial(command, runs):
    parent = runs["sweep"]
    assert parent.info.run_id == command.summary(NAME)["mlflow_run_id"]
    (again,) = set(runs) - {"sweep", "0", "1", "2"}
    assert runs[again].data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert all(run.info.status == "FINISHED" for run in runs.values())
    for number in "012":
        assert runs[number].data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert runs[number].data.tags["status"] == "complete"
    assert runs["1"].data.params["architecture"] == "64k3-64k3-d128"


def test_epochs_are_charted_and_end_with_what_storage_says(command, client, runs):
    history = client.get_metric_history(runs["1"].info.run_id, "val_accuracy")
    assert [metric.step for metric in history] == [1, 2]
    assert history[-1].value == command.summary(NAME)["references"]["cnn"]["val_accuracy"]


def test_artifacts_and_data_are_attached(command, client, runs):
    names = {item.path for item in client.list_artifacts(runs["1"].info.run_id)}
    assert {"summary.txt", "shape_journey.json", "config.yaml"} <= names
    (data,) = runs["1"].inputs.dataset_inputs
    assert data.dataset.digest
    parent = {item.path for item in client.list_artifacts(runs["sweep"].info.run_id)}
    assert {"summary.json", "front.csv", "networks.csv", "finalists.csv", "config.yaml"} <= parent


def test_the_kept_model_classifies_as_the_summary_says(command, client, runs, backend):
    test = load_all(DataConfig(name="digits"))[1]
    mlflow.set_tracking_uri(f"sqlite:///{command.mlruns / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "sweetspot-digits"]
    models = client.search_logged_models([experiment.experiment_id])
    (cnn,) = [model for model in models if model.source_run_id == runs["1"].info.run_id]
    loaded = mlflow.pyfunc.load_model(cnn.model_uri)
    accuracy = float((np.argmax(loaded.predict(test.images), axis=1) == test.labels).mean())
    assert accuracy == pytest.approx(command.summary(NAME)["references"]["cnn"]["test_accuracy"])


def test_people_find_their_files(command, sweep):
    folder = command.folder(NAME)
    header, *rows = (folder / "front.csv").read_text().splitlines()
    assert header.startswith("trial,architecture,val_accuracy,")
    assert len(rows) == len(command.summary(NAME)["front"])
    assert (folder / "figures" / "pareto-macs.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "description.json").read_text())["name"] == "digits"
    assert list((folder / "checkpoints").glob("*")) == []


def test_nothing_is_written_elsewhere(command, sweep):
    assert [path.name for path in command.mlruns.parent.iterdir()] == ["mlruns"]


def test_status_and_report_work_after_the_sweep(command, sweep):
    assert "3 of 3 trials" in command.run("status").stdout
    assert json.loads(command.here("status", "--json").stdout)["counts"]["complete"] == 3
    watched = command.here("status", "--watch").stdout  # nobody works on it: shown once
    assert "The sweet spot is " in " ".join(watched.split())
    assert "front.csv" in command.here("report", NAME).stdout


def test_the_same_command_again_does_nothing_and_a_larger_budget_continues(command, continued):
    printed, before, after = continued
    assert "The sweet spot is " in " ".join(printed.split())
    for key in ("trials", "front", "sweet_spot", "references", "test_readings", "finalists"):
        assert after[key] == before[key]
    assert command.summary(NAME)["trials"]["complete"] == 4


def test_another_rule_picks_again_and_trains_nothing_for_it(command, continued):
    before = command.summary(NAME)
    largest, smallest = (
        pick(item["costs"]["macs"] for item in before["front"]) for pick in (max, min)
    )
    for budget in (largest, smallest):
        command.run(
            "sweep", *QUICK[:-2], "search.trials=4", f"sweep_name={NAME}", "finalists=off",
            "objective.rule=budget", f"objective.budget={budget}",
        )  # fmt: skip
        after = command.summary(NAME)
        assert after["sweet_spot"]["rule"] == "budget"
        assert after["sweet_spot"]["macs"] == budget  # of a front, the dearest is the best
        assert after["sweet_spot"]["test_accuracy"] is not None
        assert after["trials"] == before["trials"]
        assert after["front"] == before["front"]


def test_another_question_under_the_same_name_is_refused(command, sweep, no_workers):
    said = command.here(
        "sweep", *QUICK, "search.seed=5", "training.epochs=3", f"sweep_name={NAME}", status=2
    ).stderr
    assert "search.seed (0 there, 5 here), training.epochs (2 there, 3 here) differ" in said
    assert said.count("\n") == 1


def test_a_sweep_is_renamed_and_removed_everywhere(command, continued, client):
    assert NAME in command.run("clean").stdout
    command.here("clean", f"rename={NAME}:other")
    assert command.summary("other")["sweep"] == "other"
    storage = JournalStorage(JournalFileBackend(str(command.mlruns / "optuna.journal")))
    assert set(optuna.get_all_study_names(storage)) == {"other", "other/finalists"}
    copied = optuna.load_study(study_name="other", storage=storage)
    assert [trial.state for trial in copied.trials] == [TrialState.COMPLETE] * 4
    assert "removed other" in command.here("clean", "remove=other").stdout
    assert not command.folder("other").exists()
    storage = JournalStorage(JournalFileBackend(str(command.mlruns / "optuna.journal")))
    assert optuna.get_all_study_names(storage) == []
    (experiment,) = [e for e in client.search_experiments() if e.name == "sweetspot-digits"]
    assert client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL) == []
