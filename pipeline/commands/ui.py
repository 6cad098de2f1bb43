"""``sweetspot ui``: serve the MLflow UI with every sweep in it."""

import os

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.ports import split_port
from pipeline.core.errors import StorageError

FLAGS = ()
NAMES = 0

_PORT = 5000


def run(line: CommandLine) -> int:
    """Become MLflow's server on 127.0.0.1; ``port=5000`` chooses another port."""
    from pipeline.tracking.store import create_store, ui_command, ui_environment

    port, rest = split_port(line, _PORT)
    config = compose(rest)
    if config.tracking.uri is not None:
        raise StorageError(
            f"tracking.uri is {config.tracking.uri}: open that server instead, make ui serves the "
            "store under mlruns"
        )
    create_store(config.mlruns)
    print(f"MLflow: http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    command = ui_command(config.mlruns, port=port)
    os.execve(command[0], command, ui_environment())
