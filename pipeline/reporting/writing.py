"""``report``: what people look at, written from a sweep's files during or after it."""

from pathlib import Path

from pipeline.reporting.figures import write_figures
from pipeline.reporting.files import read_summary
from pipeline.reporting.progress import read_records
from pipeline.reporting.tables import write_front_csv

FRONT_NAME = "front.csv"


def write_report(sweep_dir: Path) -> list[Path]:
    """Write front.csv and a Pareto figure for each cost; return the paths.

    Raises
    ------
    StorageError
        The summary is missing or damaged, or a file cannot be written.
    """
    summary = read_summary(sweep_dir)
    records = read_records(sweep_dir)
    front = sweep_dir / FRONT_NAME
    write_front_csv(front, summary, records)
    return [front, *write_figures(sweep_dir, summary, records)]
