"""How people call this program here, for messages that name a command."""

import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.quoting import hydra_value
from pipeline.config.section import PROJECT_ROOT

if TYPE_CHECKING:
    from pipeline.config.root import Config


def program() -> str:
    """Return what stands before a command's name in a shell, here and now.

    That is ``sweetspot`` where the shell finds the program of this very environment, else its path:
    from the working directory where it is below that, as ``.venv/bin/sweetspot``. Where the
    environment has no such program, it is the module that Python runs.
    """
    path = Path(sys.executable).with_name("sweetspot")
    if not path.is_file():
        return f"{shlex.quote(sys.executable)} -m pipeline"
    if shutil.which("sweetspot") == str(path):
        return "sweetspot"
    with suppress(OSError, ValueError):  # the directory is gone, or the path is not below it
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


def command(config: "Config", *words: str) -> str:
    """Return a command, to be typed as it is, that finds a configuration's sweeps and MLflow.

    ``tracking.uri`` is shown: where it may hold a secret, no configuration is made of it.

    Parameters
    ----------
    words
        The command's name and what follows it, such as ``sync`` and a sweep's name.
    """
    uri = config.tracking.uri
    known = command_at(config.mlruns, *words)
    return known if uri is None else f"{known} {shlex.quote(f'tracking.uri={hydra_value(uri)}')}"


def command_at(mlruns: Path, *words: str) -> str:
    """Return a command, to be typed as it is, that finds the sweeps under an ``mlruns`` folder.

    Parameters
    ----------
    words
        As those of ``command``.
    """
    settings = []
    if mlruns != PROJECT_ROOT / "mlruns":
        settings.append(f"mlruns={hydra_value(str(mlruns))}")
    return " ".join([program(), *map(shlex.quote, [*words, *settings])])
