"""``sweetspot status``: what a sweep is doing, or did, from its files alone."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Print the progress, and the result as far as there is one."""
    from pipeline.reporting.console import show_status
    from pipeline.reporting.files import SUMMARY_NAME
    from pipeline.reporting.progress import read_progress
    from pipeline.reporting.result import show_sweep

    config = compose(line)
    folder = config.mlruns / "sweeps" / chosen_sweep(line, config)
    progress = read_progress(folder)
    show_status(progress)
    if not progress.active and (folder / SUMMARY_NAME).exists():
        show_sweep(folder)
    return 0
