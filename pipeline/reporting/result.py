"""The last screen of a sweep, from its folder."""

from pathlib import Path

from pipeline.reporting.comparison import read_comparison
from pipeline.reporting.console import show_result
from pipeline.reporting.files import read_summary
from pipeline.reporting.networks import network_rows
from pipeline.reporting.progress import read_trainings


def show_sweep(sweep_dir: Path) -> None:
    """Print the front, the sweet spot and where to look next.

    Raises
    ------
    StorageError
        A file of the sweep is missing or damaged.
    """
    summary = read_summary(sweep_dir)
    spot = summary["sweet_spot"]
    comparison = read_comparison(sweep_dir, spot["trial"] if spot else None)
    networks = network_rows(summary, read_trainings(sweep_dir))
    show_result(summary, sweep_dir, comparison=comparison, networks=networks)
