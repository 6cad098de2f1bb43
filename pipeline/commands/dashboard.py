"""``sweetspot dashboard``: optuna-dashboard with every study in it."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.ports import split_port

FLAGS = ()
NAMES = 0

_PORT = 8080


def run(line: CommandLine) -> int:
    """Serve on 127.0.0.1 until Ctrl-C; ``port=8080`` chooses another port."""
    from pipeline.search.dashboard import HOST, serve_dashboard

    port, rest = split_port(line, _PORT)

    def say(port: int) -> None:
        print(f"optuna-dashboard: http://{HOST}:{port} (Ctrl-C ends it)", flush=True)

    serve_dashboard(compose(rest), port, say)
    return 0
