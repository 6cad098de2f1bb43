"""``report``: what people look at, written from a sweep's files during or after it."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline.core.trial import TrialRecord
from pipeline.reporting.cost_figure import cost_figure
from pipeline.reporting.figures import has_points, pareto_figure, png
from pipeline.reporting.files import write_atomically
from pipeline.reporting.finalists import finalists_of, write_finalists_csv
from pipeline.reporting.networks import NETWORKS_NAME, network_rows, write_networks_csv
from pipeline.reporting.page.render import render_page
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.tables import write_front_csv

FRONT_NAME = "front.csv"
FINALISTS_NAME = "finalists.csv"
IMPORTANCE_NAME = "importance.json"
PAGE_NAME = "report.html"


def write_report(sweep_dir: Path) -> list[Path]:
    """Write the page, importance.json, front.csv, networks.csv, finalists.csv and the figures.

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
    summary, records = sources.summary, sources.records
    front = sweep_dir / FRONT_NAME
    write_front_csv(front, summary, records)
    networks = sweep_dir / NETWORKS_NAME
    write_networks_csv(networks, network_rows(summary, [*records, *sources.further]))
    tables = [front, networks]
    if finalists_of(summary):
        tables.append(sweep_dir / FINALISTS_NAME)
        write_finalists_csv(tables[-1], summary)
    else:  # of an earlier front, or an earlier choice of `finalists.limit`
        (sweep_dir / FINALISTS_NAME).unlink(missing_ok=True)
    figures = write_figures(sweep_dir, summary, records)
    return [*_write_page(sweep_dir, sources), *tables, *figures]


def write_page(sweep_dir: Path) -> list[Path]:
    """Write report.html and importance.json alone, which takes a second where figures take more.

    Raises
    ------
    StorageError
        As ``write_report``.
    """
    return _write_page(sweep_dir, ReportSources.read(sweep_dir))


def write_figures(
    sweep_dir: Path, summary: Mapping[str, Any], records: Sequence[TrialRecord]
) -> list[Path]:
    """Write a figure for each pair of objectives.

    ``figures/pareto-COST.png`` is accuracy against a cost, ``figures/costs-COST-COST.png`` one
    cost against another. What no complete trial has (yet) gets no figure.

    Parameters
    ----------
    summary
        The content of ``summary.json``.
    records
        Every trial of the search.

    Returns
    -------
    list of Path
        Of what was written, the leading cost's first.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    costs = [cost for cost in summary["costs"] if has_points(records, cost)]
    figures = {f"pareto-{cost}": pareto_figure(summary, records, cost) for cost in costs}
    for pair in combinations(costs, 2):
        figure = cost_figure(summary, records, pair)
        if figure is not None:
            figures["-".join(("costs", *pair))] = figure
    paths = []
    for name, figure in figures.items():
        paths.append(sweep_dir / "figures" / f"{name}.png")
        write_atomically(paths[-1], png(figure))
    return paths


def _write_page(sweep_dir: Path, sources: ReportSources) -> list[Path]:
    page, importance = sweep_dir / PAGE_NAME, sweep_dir / IMPORTANCE_NAME
    write_atomically(importance, json.dumps(sources.importance, indent=1) + "\n")
    write_atomically(page, render_page(sources))
    return [page, importance]
