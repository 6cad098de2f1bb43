"""The finalists as a table: for the terminal, and as ``finalists.csv``."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.summary import finalist_trainings
from pipeline.core.wording import share_of_draws
from pipeline.reporting.files import write_atomically
from pipeline.reporting.tables import NARROW, plain_table
from pipeline.reporting.wording import cost_label, cost_text, printable

if TYPE_CHECKING:
    from rich.table import Table

_MEAN = ("mean", "standard_error")
_SMALL_DIGIT = 3  #: an error that starts with a smaller digit is given with one digit more
_WIDE = 3  #: so many costs do not fit side by side with their errors


def finalists_of(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the summary's finalists; a summary of an earlier version has none."""
    return list(summary.get("finalists", ()))


def finalists_table(
    summary: Mapping[str, Any], *, width: int = NARROW, ascii_only: bool = False
) -> "Table":
    """Return the finalists with means and standard errors, for the terminal.

    In one that is narrower than ``NARROW``, the table of the front tells their architectures.
    Where trainings ended without a result, n says how many did not: ``2 of 5``.
    """
    narrow = width < NARROW
    encoding = "ascii" if ascii_only else "utf-8"
    table = plain_table(
        f"The finalists: means of {'their' if narrow else 'n'} trainings and their standard errors",
        ascii_only=ascii_only,
    )
    wrapped = narrow or len(summary["costs"]) >= _WIDE
    table.add_column("trial", justify="right", no_wrap=True)
    if not narrow:
        table.add_column("architecture", overflow="fold", min_width=len("architecture"))
        table.add_column("n", justify="right", no_wrap=True)
    table.add_column("val. accuracy", justify="right", no_wrap=not narrow, min_width=8)
    for cost in summary["costs"]:
        table.add_column(cost_label(cost), justify="right", no_wrap=not wrapped)
    table.add_column("front", justify="right", no_wrap=True)
    spot = summary["sweet_spot"]
    for finalist in finalists_of(summary):
        chosen = spot is not None and spot["trial"] == finalist["trial"]
        probability = finalist["probability_on_front"]
        table.add_row(
            str(finalist["trial"]),
            *(
                []
                if narrow
                else [
                    printable(finalist["architecture"], encoding),
                    finalist_trainings(finalist),
                ]
            ),
            printable(_accuracy(finalist["val_accuracy"]), encoding),
            *(
                printable(_cost(cost, finalist["costs"][cost]), encoding)
                for cost in summary["costs"]
            ),
            "-" if probability is None else share_of_draws(probability),
            style="bold" if chosen else "",
        )
    return table


def write_finalists_csv(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the finalists, a row each, cheapest first.

    Columns: ``trial``, ``architecture``, ``trainings``, ``val_accuracy_mean``,
    ``val_accuracy_standard_error``, the same two of each cost, ``probability_on_front``,
    ``sweet_spot`` (``yes`` or empty), and ``without_result`` (further trainings that ended
    without one). What is not known is empty.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    costs = list(summary["costs"])
    values = [f"{name}_{what}" for name in ("val_accuracy", *costs) for what in _MEAN]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["trial", "architecture", "trainings", *values, "probability_on_front", "sweet_spot",
         "without_result"]
    )  # fmt: skip
    spot = summary["sweet_spot"]
    for finalist in finalists_of(summary):
        means = [finalist["val_accuracy"], *(finalist["costs"][cost] for cost in costs)]
        writer.writerow(
            [
                finalist["trial"],
                finalist["architecture"],
                finalist["val_accuracy"]["n"],
                *(mean[what] for mean in means for what in _MEAN),
                finalist["probability_on_front"],
                "yes" if spot and spot["trial"] == finalist["trial"] else "",
                finalist.get("without_result", 0),
            ]
        )
    write_atomically(path, text.getvalue())


def _accuracy(mean: Mapping[str, Any]) -> str:
    error = mean["standard_error"]
    known = "" if error is None else f" ± {100 * error:.2f}"
    return f"{100 * mean['mean']:.2f}{known}%"


def _cost(cost: str, mean: Mapping[str, Any]) -> str:
    """Return a mean with as many decimals as its error has a meaning in."""
    error = mean["standard_error"]
    if not error:  # known without measuring, such as parameters
        return cost_text(cost, mean["mean"])
    first = math.floor(math.log10(error))
    leading = error / 10.0**first
    decimals = max(0, -first + (leading < _SMALL_DIGIT))
    return f"{mean['mean']:,.{decimals}f} ± {error:,.{decimals}f}"
