"""``sweetspot dashboard``: optuna-dashboard with every study in it."""

import threading

from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose

FLAGS = ()
NAMES = 0

_PORT = 8080


def run(line: CommandLine) -> int:
    """Serve on 127.0.0.1 until Ctrl-C; ``port=8080`` and ``host=`` choose otherwise."""
    from pipeline.launching.gate import LOOPBACK, USER, Gate
    from pipeline.search.dashboard import dashboard_server

    address, rest = split_address(line, _PORT)
    config = compose(rest)
    said = f"optuna-dashboard: {address.url} (Ctrl-C ends it)"
    if address.password is None:
        with dashboard_server(config, address.host, address.port) as server:
            print(said, flush=True)
            server.serve_forever()
        return 0
    with dashboard_server(config, LOOPBACK, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Gate(server.server_port, address.password).run(
            address.host, address.port, lambda _: print(f"{said}, as {USER}", flush=True)
        )
    return 0
