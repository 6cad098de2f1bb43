"""Pictures that somebody asked to be kept in MLflow; importing this module is cheap."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.config import Config
from pipeline.core.errors import StorageError, SweetspotError
from pipeline.tracking.failure import failure_cause, is_foreign
from pipeline.tracking.store import artifact_location, open_client, tracking_uri

FILTERS_EXPERIMENT = "sweetspot-filters"


def log_pictures(
    config: Config, name: str, params: Mapping[str, object], pictures: Sequence[Path]
) -> str:
    """Keep pictures as a finished run of the experiment ``sweetspot-filters``.

    Parameters
    ----------
    name
        Of the run.
    params
        What the pictures were made with.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    StorageError
        MLflow cannot be reached or refuses; the pictures are where they were.
    """
    uri = tracking_uri(config)
    try:
        client = open_client(config)
        known = client.get_experiment_by_name(FILTERS_EXPERIMENT)
        experiment_id = (
            client.create_experiment(
                FILTERS_EXPERIMENT, artifact_location(config, FILTERS_EXPERIMENT)
            )
            if known is None
            else known.experiment_id
        )
        run = client.create_run(
            experiment_id, run_name=name, tags={"mlflow.source.name": "sweetspot"}
        )
        run_id: str = run.info.run_id
        try:
            for key, value in params.items():
                client.log_param(run_id, key, value)
            for path in pictures:
                client.log_artifact(run_id, str(path))
            client.set_terminated(run_id)
        except BaseException:  # Ctrl-C, too, leaves none that seems to go on
            with suppress(Exception):
                client.set_terminated(run_id, "FAILED")
            raise
    except SweetspotError:
        raise
    except Exception as error:
        if not is_foreign(error):
            raise
        raise StorageError(f"MLflow at {uri} {failure_cause(error)}") from error
    return run_id
