"""Commands and addresses that lead on from a sweep's folder, wherever that is."""

from pathlib import Path

import yaml

from pipeline.config import command_at
from pipeline.reporting.files import CONFIG_NAME


def sweep_command(sweep_dir: Path, *words: str) -> str:
    """Return a command, to be typed as it is, that finds the sweep of a folder.

    Parameters
    ----------
    words
        The command's name and what follows it, such as ``report`` and the sweep's name.
    """
    return command_at(sweep_dir.parent.parent, *words)


def mlflow_place(sweep_dir: Path) -> str | None:
    """Return the command that opens a sweep's MLflow, or its address where it is not under mlruns.

    None where the sweep is not brought to MLflow, as far as its configuration says.
    """
    try:
        values = yaml.safe_load((sweep_dir / CONFIG_NAME).read_text(encoding="utf-8"))
        enabled, uri = values["tracking"]["enabled"], values["tracking"]["uri"]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return None
    if not enabled:
        return None
    return str(uri) if uri else sweep_command(sweep_dir, "ui")
