"""``sweetspot serve``: answer requests with the champion, through MLflow's own server."""

from functools import partial

from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.serving import become_server

FLAGS = ()
NAMES = 0

_PORT = 5001


def run(line: CommandLine) -> int:
    """Become ``mlflow models serve`` on 127.0.0.1; ``port=5001`` and ``host=`` choose otherwise."""
    from pipeline.tracking.registry import Registry, the_champions_data
    from pipeline.tracking.serving import checked_champion, serve_command, serve_environment

    address, rest = split_address(line, _PORT)
    config = compose(rest)
    registry = Registry(config=config, data=the_champions_data(config))
    model = checked_champion(registry)
    said = f"The champion of {registry.data}: {address.url}/invocations (Ctrl-C ends it)"
    return become_server(address, partial(serve_command, model), serve_environment(registry), said)
