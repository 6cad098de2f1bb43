"""``report``: what people look at, written from a sweep's files during or after it."""

import json
from pathlib import Path

from pipeline.reporting.figures import write_figures
from pipeline.reporting.files import write_atomically
from pipeline.reporting.page.render import render_page
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.tables import write_front_csv

FRONT_NAME = "front.csv"
IMPORTANCE_NAME = "importance.json"
PAGE_NAME = "report.html"


def write_report(sweep_dir: Path) -> list[Path]:
    """Write the page, importance.json, front.csv and a Pareto figure for each cost.

    Returns
    -------
    list of Path
        Of what was written, the page first.

    Raises
    ------
    StorageError
        The summary is missing or damaged, or a file cannot be written.
    """
    sources = ReportSources.read(sweep_dir)
    front = sweep_dir / FRONT_NAME
    write_front_csv(front, sources.summary, sources.records)
    figures = write_figures(sweep_dir, sources.summary, sources.records)
    return [*_write_page(sweep_dir, sources), front, *figures]


def write_page(sweep_dir: Path) -> list[Path]:
    """Write report.html and importance.json alone, which takes a second where figures take more.

    Raises
    ------
    StorageError
        As ``write_report``.
    """
    return _write_page(sweep_dir, ReportSources.read(sweep_dir))


def _write_page(sweep_dir: Path, sources: ReportSources) -> list[Path]:
    page, importance = sweep_dir / PAGE_NAME, sweep_dir / IMPORTANCE_NAME
    write_atomically(importance, json.dumps(sources.importance, indent=1) + "\n")
    write_atomically(page, render_page(sources))
    return [page, importance]
