"""``sweetspot ui``: serve the MLflow UI with every sweep in it."""

from functools import partial

from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.serving import become_server
from pipeline.core.errors import ConfigurationError, StorageError, one_of

FLAGS = ()
NAMES = 0

_PORT = 5000
#: Of this machine alone; MLflow takes a request to another one for an attack.
_LOOPBACK = ("127.0.0.1", "::1")


def run(line: CommandLine) -> int:
    """Become MLflow's server on 127.0.0.1; ``port=5000`` and ``host=`` choose otherwise."""
    from pipeline.tracking.store import create_store, ui_command, ui_environment
    from pipeline.tracking.ui_door import PATH

    address, rest = split_address(line, _PORT)
    if address.password is None and address.host not in _LOOPBACK:
        raise ConfigurationError(
            f"host={address.host}: MLflow answers this machine itself at {one_of(_LOOPBACK)} alone"
        )
    config = compose(rest)
    if config.tracking.uri is not None:
        raise StorageError(
            f"tracking.uri is {config.tracking.uri}: open that server instead, make ui serves the "
            "store under mlruns"
        )
    create_store(config.mlruns)
    said = f"MLflow: {address.url}{PATH} (Ctrl-C ends it)"
    return become_server(address, partial(ui_command, config.mlruns), ui_environment(), said)
