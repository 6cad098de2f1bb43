"""``sweetspot report``: write what people look at from a sweep's files, at any time."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Write report.html, importance.json, the tables and the figures, and print the result."""
    from pipeline.reporting.result import show_sweep
    from pipeline.reporting.writing import write_report

    config = compose(line)
    folder = config.mlruns / "sweeps" / chosen_sweep(line, config)
    written = write_report(folder)
    show_sweep(folder)
    for path in written:
        print(path)
    return 0
