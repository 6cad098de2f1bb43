"""Where results come from: the commit of the project and the versions of what it uses."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from pipeline import __version__
from pipeline.config import PROJECT_ROOT

#: Of an image, which has no repository: whoever builds it says what is in it.
COMMIT_VARIABLE = "SWEETSPOT_COMMIT"
_PACKAGES = ("tensorflow", "jax", "keras", "optuna", "mlflow", "hydra-core", "numpy")


def git_commit() -> str | None:
    """Return the commit of the project, ``-dirty`` behind it where files differ; or None.

    Where there is no repository, it is what ``SWEETSPOT_COMMIT`` says.
    """
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return os.environ.get(COMMIT_VARIABLE) or None
    return described.stdout.strip() or None


def versions() -> dict[str, str]:
    """Return the version of Python, of this project and of the libraries that matter."""
    found = {"python": platform.python_version(), "sweetspot": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
