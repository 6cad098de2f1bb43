"""Removes or renames a whole sweep in MLflow; importing this module is cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from pipeline.config import Config
from pipeline.core.errors import StorageError, SweetspotError
from pipeline.tracking.failure import failure_sentence, is_foreign
from pipeline.tracking.mirror import EXPERIMENT_PREFIX, mirror_lock
from pipeline.tracking.ownership import owner_of, part
from pipeline.tracking.paging import every
from pipeline.tracking.registry_lock import registry_held
from pipeline.tracking.shared_view import view_tag
from pipeline.tracking.store import is_missing, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def delete_sweep(config: Config, sweep: str) -> int:
    """Remove a sweep's runs, models and artifacts; return how many runs there were.

    Those of another sweep of the same name, on a server, stay.

    In the local store they are gone for good; a server keeps the runs in its trash until
    somebody runs ``mlflow gc`` there, their artifacts are removed.

    Raises
    ------
    StorageError
        MLflow fails, a model of the sweep is in MLflow's registry, or another process is
        mirroring the sweep, or changing that registry, right now.
    """
    with _client_alone(config, sweep) as client:
        if client is None:
            return 0
        with registry_held(config.mlruns):  # to the end, so that nothing is promoted meanwhile
            return _delete(client, config, sweep)


def _delete(client: "MlflowClient", config: Config, sweep: str) -> int:
    from pipeline.tracking.entities import registered_versions, remove_run

    runs = _own_runs(client, config, sweep, config.mlruns / "sweeps" / sweep)
    versions = registered_versions(client, {run.info.run_id for run in runs})
    if versions:
        raise StorageError(
            f"sweep {sweep} holds what was promoted ({', '.join(versions)}): remove that from "
            "MLflow's model registry first"
        )
    # The sweep's own run last: while it is there, a repetition finds what is left.
    for run in sorted(runs, key=lambda run: run.data.tags.get("kind") == "sweep"):
        if run.data.tags.get("kind") == "sweep":
            _forget_view(client, run)
        remove_run(client, run)
    return len(runs)


def runs_of_others(config: Config, sweep: str) -> int:
    """Return how many runs of the same name there are that are not known to be this sweep's.

    Raises
    ------
    StorageError
        As ``delete_sweep``.
    """
    if config.tracking.uri is None:
        return 0
    with _client_alone(config, sweep) as client:
        if client is None:
            return 0
        from pipeline.tracking.entities import sweep_runs

        every = sweep_runs(client, _experiments(client), sweep)
        return len(part(every, owner_of(config.mlruns / "sweeps" / sweep), shared=True)[1])


def rename_sweep(config: Config, sweep: str, new_name: str) -> int:
    """Give a sweep's runs and models its new name; return how many runs there were.

    Raises
    ------
    StorageError
        MLflow fails, another sweep has the new name there, or another process is mirroring the
        sweep right now.
    """
    with _client_alone(config, sweep) as client:
        if client is None:
            return 0
        from pipeline.tracking.entities import run_models, sweep_runs

        folder = config.mlruns / "sweeps" / sweep
        runs = _own_runs(client, config, sweep, folder)
        shared = config.tracking.uri is not None
        there = sweep_runs(client, _experiments(client), new_name)
        if part(there, owner_of(folder), shared=shared)[1]:
            raise StorageError(f"MLflow has runs of a sweep {new_name} already")
        for run in sorted(runs, key=lambda run: run.data.tags.get("kind") == "sweep"):
            if run.data.tags.get("kind") == "sweep":
                client.update_run(run.info.run_id, name=new_name)
            for model in run_models(client, run.info.experiment_id, run.info.run_id):
                client.set_logged_model_tags(model.model_id, {"sweep": new_name})
            # Last: a repetition finds by it what is left.
            client.set_tag(run.info.run_id, "sweep", new_name)
        return len(runs)


def _own_runs(client: "MlflowClient", config: Config, sweep: str, folder: Path) -> "list[Run]":
    from pipeline.tracking.entities import sweep_runs

    every = sweep_runs(client, _experiments(client), sweep)
    return part(every, owner_of(folder), shared=config.tracking.uri is not None)[0]


def _forget_view(client: "MlflowClient", run: "Run") -> None:
    experiment, tag = run.info.experiment_id, view_tag(run.info.run_id)
    if tag in client.get_experiment(experiment).tags:
        client.delete_experiment_tag(experiment, tag)


@contextmanager
def _client_alone(config: Config, sweep: str) -> "Iterator[MlflowClient | None]":
    """Yield a client while nobody mirrors the sweep; None where there is no store."""
    if is_missing(config):
        yield None
        return
    folder = config.mlruns / "sweeps" / sweep
    try:
        if folder.is_dir():
            with mirror_lock(folder):
                yield open_client(config)
        else:
            yield open_client(config)
    except Timeout as error:
        raise StorageError(
            f"sweep {sweep} is in use: another process is bringing it to MLflow"
        ) from error
    except SweetspotError:
        raise
    except Exception as error:
        if not is_foreign(error):
            raise
        raise StorageError(failure_sentence(error, config, sweep)) from error


def _experiments(client: "MlflowClient") -> list[str]:
    ours = f"name LIKE '{EXPERIMENT_PREFIX}%'"
    found = every(client.search_experiments, filter_string=ours)
    return [experiment.experiment_id for experiment in found]
