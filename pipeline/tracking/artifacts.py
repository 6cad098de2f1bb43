"""The files of one run in MLflow.

Importing this module imports MLflow, which takes seconds.
"""

import shutil
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.tracking.run_state import KnownRun


def write_file(client: MlflowClient, run: KnownRun, name: str, content: bytes | Path) -> None:
    """Write an artifact by its name (``/`` for folders), replacing one that is there."""
    where, _, own = name.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="sweetspot-") as folder:
        path = Path(folder, own)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)
        client.log_artifact(run.run_id, str(path), where or None)


def remove_file(client: MlflowClient, run: KnownRun, name: str) -> None:
    """Remove an artifact, where it is there."""
    repository = get_artifact_repository(run.artifact_uri, client.tracking_uri)
    repository.delete_artifacts(name)  # type: ignore[no-untyped-call]


def size_of(content: bytes | Path) -> int:
    """Return how many bytes are to be written."""
    return content.stat().st_size if isinstance(content, Path) else len(content)
