"""MLflow's own server for a champion; importing this module is cheap."""

import fcntl
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from pipeline.config import command
from pipeline.core.places import in_a_sentence
from pipeline.measuring.backends import ENVIRONMENT, VARIABLE, backend_name
from pipeline.tracking.registry import CHAMPION, Registry, RegistryError
from pipeline.tracking.store import tracking_uri

_LOCK_SUFFIX = ".lock"


def checked_champion(registry: Registry) -> Path:
    """Return the folder of the champion's MLflow model, copied under ``mlruns`` and checked.

    The copy is this process' own; those of servers that have ended are removed.

    MLflow would run what the folder names, and others may write to where it comes from.

    Raises
    ------
    RegistryError
        There is no champion.
    StorageError
        It is no model of ours, or the folder for it cannot be written.
    """
    from pipeline.tracking.keras_model import read_model_folder

    version = registry.version(CHAMPION)
    if version is None:
        raise RegistryError(
            f"{registry.name} has no champion: {command(registry.config, 'promote')} makes one"
        )
    served = registry.config.mlruns / "served"
    with in_a_sentence(f"{served} cannot be written"):
        served.mkdir(parents=True, exist_ok=True)
        _remove_dead(served)
        folder = _own_folder(served, f"{registry.data}-{version.number}-")
        copied = registry.download(version, folder)
    read_model_folder(copied)
    return copied


def _own_folder(served: Path, prefix: str) -> Path:
    """Make a folder that is this process' for as long as it lives, whatever program it becomes.

    The lock beside it says so: the system releases it with the process.
    """
    descriptor, lock = tempfile.mkstemp(prefix=prefix, suffix=_LOCK_SUFFIX, dir=served)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.set_inheritable(descriptor, True)
    folder = Path(lock).with_suffix("")
    folder.mkdir()
    return folder


def _remove_dead(served: Path) -> None:
    """Remove the folders of servers that have ended."""
    for lock in served.glob(f"*{_LOCK_SUFFIX}"):
        with suppress(OSError), lock.open("r+b") as opened:  # another user's, or in use
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink()


def serve_command(model: Path, host: str, port: int) -> list[str]:
    """Return the command that serves a model: ``mlflow models serve``, in this environment.

    Run it with the environment of ``serve_environment``. ``POST /invocations`` takes
    ``{"inputs": [image, ...]}``, an image being rows of pixels from 0 to 255, and answers with
    the probability of each class; ``GET /ping`` answers when it is ready.
    """
    return [
        sys.executable, "-m", "mlflow", "models", "serve",
        "--model-uri", str(model),
        "--env-manager", "local",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def serve_environment(registry: Registry) -> dict[str, str]:
    """Return the environment for ``serve_command``: where the registry and the programs are.

    Keras' backend, which only that process loads, finds what it finds in our own.

    Raises
    ------
    ConfigurationError
        ``KERAS_BACKEND`` names another one than ours.
    """
    programs = str(Path(sys.executable).parent)  # MLflow starts uvicorn by its bare name
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **ENVIRONMENT,
        **os.environ,
        VARIABLE: backend_name(),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_TRACKING_URI": tracking_uri(registry.config),
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
    }
