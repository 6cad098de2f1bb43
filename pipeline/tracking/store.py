"""Where MLflow keeps what it shows, and how it is opened.

By default an SQLite file and a folder of artifacts under ``mlruns``, pinned, so that nothing
depends on the working directory; with ``tracking.uri`` a server, which keeps its own artifacts,
or another database. Who has to say who he is to a server does so in MLflow's own variables.
"""

import importlib
import logging
import os
import sqlite3
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock, Timeout

from pipeline.config import Config
from pipeline.core.errors import ConfigurationError, StorageError, one_of
from pipeline.core.numbers import whole_number

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
_UNFINISHED = f".{DATABASE}.unfinished-"
#: Longest wait for another process that creates the store, which takes about 3 s.
_CREATION_SECONDS = 120.0
#: A request ends after this time and is not repeated at once: the next pass repeats it.
REQUEST_SECONDS = 10
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
#: What MLflow reads in a variable that is true or false.
_TRUTHS = ("true", "false", "1", "0")
#: Where MLflow keeps absolute paths of artifacts.
_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
#: Loggers that would print progress or tracebacks of what becomes one sentence here.
_NOISY_LOGGERS = ("mlflow", "alembic", "urllib3.connectionpool")


def tracking_uri(config: Config) -> str:
    """Return MLflow's tracking URI; it holds no secret."""
    return config.tracking.uri or local_uri(config.mlruns)


def local_uri(mlruns: Path) -> str:
    """Return the tracking URI of the store under ``mlruns``."""
    return f"sqlite:///{mlruns / DATABASE}"


def is_missing(config: Config) -> bool:
    """Say whether there is no store yet: the local one, which ``open_client`` would create."""
    return config.tracking.uri is None and not (config.mlruns / DATABASE).exists()


def artifact_location(config: Config, experiment: str) -> str | None:
    """Return where an experiment keeps artifacts; None lets the server decide.

    A database alone, without a server before it, decides nothing.
    """
    if tracking_uri(config).startswith(("http://", "https://")):
        return None
    return (config.mlruns / ARTIFACTS / experiment).as_uri()


def open_client(config: Config) -> "MlflowClient":
    """Return a client of the store, which is created where it is missing.

    Imports MLflow, which takes seconds.

    Raises
    ------
    StorageError
        The local store cannot be created, read or written.
    """
    uri = tracking_uri(config)
    if config.tracking.uri is None:
        create_store(config.mlruns)
    client = _client(uri)
    if config.tracking.uri is None:
        _drop_connections(client)  # they may be to a database that was deleted since
    # Parts of MLflow ask for a store without saying which, and would make one in the working
    # directory.
    mlflow = importlib.import_module("mlflow")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return client


def create_store(mlruns: Path, *, busy_seconds: float = 5.0) -> None:
    """Create the local store where it is missing, once, whoever comes first.

    One that was moved or copied with its folder, or is mounted elsewhere, finds its artifacts.
    The database gets its name when it is complete: a process that dies meanwhile leaves none.

    Parameters
    ----------
    busy_seconds
        How long to wait for another process that writes just now, before going on all the same.

    Raises
    ------
    StorageError
        The folder or the database cannot be created, read or written.
    """
    database = mlruns / DATABASE
    try:
        (mlruns / ARTIFACTS).mkdir(parents=True, exist_ok=True)
        if not database.exists():
            with FileLock(mlruns / f".{DATABASE}.lock", timeout=_CREATION_SECONDS):
                if not database.exists():
                    _create_database(database)
        # MLflow itself would try for minutes and then print a traceback.
        address = f"file:{quote(str(database))}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=busy_seconds)) as check:
            check.execute("BEGIN IMMEDIATE")
            _follow(check, mlruns / ARTIFACTS)
            check.commit()
    except Timeout as error:
        raise StorageError(
            f"another process has been creating {database} for {_CREATION_SECONDS:.0f} s; "
            "if there is none, remove the .lock file beside it"
        ) from error
    except sqlite3.Error as error:
        if "locked" in str(error):
            return  # another process writes just now: MLflow waits for its turn
        raise StorageError(f"the MLflow store {database} cannot be used: {error}") from error
    except OSError as error:
        raise StorageError(
            f"the MLflow store {database} cannot be created: {error.strerror or error}"
        ) from error


def ui_command(mlruns: Path, host: str, port: int) -> list[str]:
    """Return the command that serves MLflow's pages for the local store, artifacts included.

    It has the door of ``ui_door``. Run it with the environment of ``ui_environment``.
    """
    return [
        sys.executable, "-m", "mlflow", "server", "--app-name", "sweetspot",
        "--backend-store-uri", local_uri(mlruns), "--registry-store-uri", local_uri(mlruns),
        "--artifacts-destination", (mlruns / ARTIFACTS).as_uri(),
        "--host", host, "--port", str(port), "--workers", "1",
        "--uvicorn-opts", "--log-level warning",
    ]  # fmt: skip


def ui_environment() -> dict[str, str]:
    """Return the environment for ``ui_command``: this one, without what a sweep never uses.

    Nor does it warn of what MLflow's own code calls.
    """
    ours = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    return {**_ENVIRONMENT, **ours, **os.environ}


def prepare_environment() -> None:
    """Bound MLflow's requests and silence its side effects; what a user set stays.

    Raises
    ------
    ConfigurationError
        What a user set is nothing that MLflow reads.
    """
    for name, value in _ENVIRONMENT.items():
        _check_variable(name, os.environ.setdefault(name, value), value)
    for logger in _NOISY_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)


def _check_variable(name: str, value: str, default: str) -> None:
    """Refuse what is no number, or neither true nor false, where the default is."""
    if whole_number(default) is not None:
        if whole_number(value.strip()) is None:
            raise ConfigurationError(f"{name} must be a whole number, not {value!r}")
    elif default in _TRUTHS and value.lower() not in _TRUTHS:
        raise ConfigurationError(f"{name} must be {one_of(_TRUTHS)}, not {value!r}")


def _client(uri: str) -> "MlflowClient":
    prepare_environment()
    mlflow = importlib.import_module("mlflow")
    prepare_environment()  # the import configures its loggers
    client: MlflowClient = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    return client


def _create_database(database: Path) -> None:
    for left_over in database.parent.glob(f"{_UNFINISHED}*"):
        left_over.unlink()
    # MLflow remembers by name what it has created, so each time needs a name of its own.
    unfinished = database.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    _drop_connections(_client(f"sqlite:///{unfinished}"))
    os.replace(unfinished, database)


def _is_gone(folder: Path) -> bool:
    try:
        return not folder.exists()
    except OSError:  # somebody else's, into which we may not look
        return False


def _follow(database: sqlite3.Connection, artifacts: Path) -> None:
    """Let a database, whose paths are absolute, point to the artifacts beside it.

    As far as they are there, or no longer elsewhere: a database may serve another folder, too.
    """
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if not tables >= {table for table, _ in _PATHS}:
        return  # not MLflow's, or that of a version of before: MLflow itself will say so
    before = set()
    for name, location in database.execute("SELECT name, artifact_location FROM experiments"):
        if str(location).startswith("file:") and str(location).endswith(f"/{ARTIFACTS}/{name}"):
            elsewhere = Path(unquote(urlsplit(location).path))
            if (artifacts / name).is_dir() or _is_gone(elsewhere):
                before.add(location.removesuffix(f"/{name}"))
    root = artifacts.as_uri()
    for old in before - {root}:
        for table, column in _PATHS:
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE substr({column}, 1, ?) = ?",
                (root, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def _drop_connections(client: "MlflowClient") -> None:
    client._tracking_client.store.engine.dispose()
