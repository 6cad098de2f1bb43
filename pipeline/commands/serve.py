"""``sweetspot serve``: answer requests with the champion, through MLflow's own server."""

import os

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.ports import split_port

FLAGS = ()
NAMES = 0

_PORT = 5001


def run(line: CommandLine) -> int:
    """Become ``mlflow models serve`` on 127.0.0.1; ``port=5001`` chooses another port."""
    from pipeline.tracking.registry import Registry, the_champions_data
    from pipeline.tracking.serving import serve_command, serve_environment

    port, rest = split_port(line, _PORT)
    config = compose(rest)
    registry = Registry(config=config, data=the_champions_data(config))
    print(
        f"The champion of {registry.data}: http://127.0.0.1:{port}/invocations (Ctrl-C ends it)",
        flush=True,
    )
    command = serve_command(registry, port)
    os.execve(command[0], command, serve_environment(registry))
