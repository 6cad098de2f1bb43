"""MLflow's own server for a champion; importing this module is cheap."""

import os
import sys
from pathlib import Path

from pipeline.tracking.registry import CHAMPION, Registry
from pipeline.tracking.store import tracking_uri


def serve_command(registry: Registry, port: int, host: str = "127.0.0.1") -> list[str]:
    """Return the command that serves the champion: ``mlflow models serve``, in this environment.

    Run it with the environment of ``serve_environment``. ``POST /invocations`` takes
    ``{"inputs": [image, ...]}``, an image being rows of pixels from 0 to 255, and answers with
    the probability of each class; ``GET /ping`` answers when it is ready.
    """
    return [
        sys.executable, "-m", "mlflow", "models", "serve",
        "--model-uri", f"models:/{registry.name}@{CHAMPION}",
        "--env-manager", "local",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def serve_environment(registry: Registry) -> dict[str, str]:
    """Return the environment for ``serve_command``: where the registry and the programs are."""
    programs = str(Path(sys.executable).parent)  # MLflow starts uvicorn by its bare name
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri(registry.config),
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
    }
