"""``sweetspot ui``: serve the MLflow UI with every sweep in it."""

import os

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError, StorageError

FLAGS = ()
NAMES = 0


def run(line: CommandLine) -> int:
    """Become MLflow's server on 127.0.0.1; ``port=5000`` chooses another port."""
    from pipeline.tracking.store import create_store, ui_command, ui_environment

    ports = [word.partition("=")[2] for word in line.overrides if word.startswith("port=")]
    rest = tuple(word for word in line.overrides if not word.startswith("port="))
    config = compose(CommandLine(command=line.command, hydra=line.hydra, overrides=rest))
    port = ports[-1] if ports else "5000"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"port must be a number from 1 to 65535, not {port!r}")
    if config.tracking.uri is not None:
        raise StorageError(
            f"tracking.uri is {config.tracking.uri}: open that server instead, make ui serves the "
            "store under mlruns"
        )
    create_store(config.mlruns)
    print(f"MLflow: http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    command = ui_command(config.mlruns, port=int(port))
    os.execve(command[0], command, ui_environment())
