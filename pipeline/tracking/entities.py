"""What MLflow keeps of sweeps, whoever asks: runs, models and versions, found and removed.

Importing this module imports MLflow, which takes seconds.
"""

from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from pipeline.tracking.paging import every


def sweep_runs(client: MlflowClient, experiment_ids: Sequence[str], sweep: str) -> Iterator[Run]:
    """Return every run of a sweep that is not in MLflow's trash."""
    return every(
        client.search_runs,
        experiment_ids=list(experiment_ids),
        filter_string=f"tags.sweep = '{sweep}'",
        run_view_type=ViewType.ACTIVE_ONLY,
        order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
    )


def run_models(client: MlflowClient, experiment_id: str, run_id: str) -> list[LoggedModel]:
    """Return the models of a run that are not in MLflow's trash."""
    return list(
        client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    )


def registered_versions(client: MlflowClient, run_ids: Set[str]) -> list[str]:
    """Return the versions in MLflow's model registry that come from some runs, as text."""
    found = every(client.search_model_versions)
    return [f"{item.name} version {item.version}" for item in found if item.run_id in run_ids]


def remove_model(client: MlflowClient, model: LoggedModel) -> None:
    """Remove a model and its files; for good where the store is a database of ours."""
    client.delete_logged_model(model.model_id)
    _remove_artifacts(client, model.artifact_location)
    database = _database(client)
    if database is not None:
        database._hard_delete_logged_model(model.model_id)  # type: ignore[no-untyped-call]


def remove_run(client: MlflowClient, run: Run) -> None:
    """Remove a run, its models and their files; for good where the store is a database of ours."""
    for model in run_models(client, run.info.experiment_id, run.info.run_id):
        remove_model(client, model)
    client.delete_run(run.info.run_id)
    _remove_artifacts(client, run.info.artifact_uri)
    database = _database(client)
    if database is not None:
        database._hard_delete_run(run.info.run_id)  # type: ignore[no-untyped-call]


def _database(client: MlflowClient) -> SqlAlchemyStore | None:
    """Return the store behind a client where it can remove for good, as a server cannot.

    ``mlflow gc`` is the public way, but it empties the whole trash, others' runs included.
    """
    store = client._tracking_client.store
    return store if isinstance(store, SqlAlchemyStore) else None


def _remove_artifacts(client: MlflowClient, uri: str) -> None:
    repository = get_artifact_repository(uri, client.tracking_uri)
    repository.delete_artifacts()  # type: ignore[no-untyped-call]
    if uri.startswith("file:"):
        # MLflow keeps artifacts in ID/artifacts, and would leave the folder ID behind.
        folder = Path(uri.removeprefix("file://")).parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
