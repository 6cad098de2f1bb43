"""All that MLflow shows of a sweep, without the IDs that it gives out: two stores compare equal."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

_PARENT, _NOTE = "mlflow.parentRunId", "mlflow.note.content"
#: Files of an MLflow model that do not name its run.
_MODEL_FILES = ("data/model.keras", "data/keras_module.txt", "requirements.txt")


def run_key(run: Run) -> str:
    """Return ``sweep``, or a trial's number, with its repetition behind a dash."""
    repetition = run.data.tags.get("repetition")
    return run.data.tags.get("trial", "sweep") + (f"-{repetition}" if repetition else "")


def sweep_runs(client: MlflowClient, experiment: str, sweep: str) -> dict[str, Run]:
    """Return a sweep's runs by ``run_key``; each training has one.

    Raises
    ------
    AssertionError
        There is no such experiment, or a training has two runs.
    """
    found = client.get_experiment_by_name(experiment)
    assert found is not None, f"there is no experiment {experiment}"
    listed = client.search_runs(
        [found.experiment_id], f"tags.sweep = '{sweep}'", max_results=10_000
    )
    runs = {run_key(run): client.get_run(run.info.run_id) for run in listed}
    assert len(runs) == len(listed), "a training has two runs"
    return runs


def mlflow_contents(
    client: MlflowClient, experiment: str, sweep: str, folder: Path
) -> dict[str, Any]:
    """Return runs, metrics, params, tags, inputs, artifacts and models by ``run_key``.

    Parameters
    ----------
    folder
        Where artifacts are downloaded to.
    """
    runs = sweep_runs(client, experiment, sweep)
    parent = runs["sweep"].info.run_id if "sweep" in runs else None
    return {
        key: _run_contents(client, run, parent, folder / str(index))
        for index, (key, run) in enumerate(sorted(runs.items()))
    }


def _run_contents(
    client: MlflowClient, run: Run, parent: str | None, folder: Path
) -> dict[str, Any]:
    run_id, info = run.info.run_id, run.info
    tags = dict(run.data.tags)
    if _PARENT in tags:
        assert tags.pop(_PARENT) == parent, f"run {run_key(run)} is below another run"
    if _NOTE in tags:  # it links to the sweep's table
        tags[_NOTE] = (
            tags[_NOTE]
            .replace(run_id, "ID")
            .replace(f"experiments/{info.experiment_id}/", "experiments/ID/")
        )
    folder.mkdir(parents=True)
    downloaded = Path(client.download_artifacts(run_id, ".", str(folder)))
    return {
        "info": (info.run_name, info.status, info.start_time, info.end_time),
        "params": dict(run.data.params),
        "tags": tags,
        "metrics": {
            name: sorted(
                (point.step, point.timestamp, point.value)
                for point in client.get_metric_history(run_id, name)
            )
            for name in run.data.metrics
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
        "artifacts": _files(downloaded),
        "models": [
            (
                model.name,
                str(model.status),
                model.tags,
                model.params,
                sorted((item.key, item.value, item.step) for item in model.metrics or []),
                sorted(item.path for item in client.list_logged_model_artifacts(model.model_id)),
                _model_files(client, model.model_id, folder / "models"),
            )
            for model in client.search_logged_models(
                [info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
            )
        ],
    }


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _model_files(client: MlflowClient, model_id: str, folder: Path) -> dict[str, bytes]:
    """Return those of a model's files that are the same for every run."""
    from mlflow.artifacts import download_artifacts

    folder.mkdir(exist_ok=True)
    downloaded = download_artifacts(
        artifact_uri=f"models:/{model_id}", dst_path=str(folder), tracking_uri=client.tracking_uri
    )
    return {name: (Path(downloaded) / name).read_bytes() for name in _MODEL_FILES}
