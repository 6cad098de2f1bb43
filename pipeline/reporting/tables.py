"""The front as a table: for the terminal, and as ``front.csv``."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.pace import TRAINING_TIMES
from pipeline.core.records import cost_interval
from pipeline.core.trial import COSTS, TrialRecord
from pipeline.reporting.files import write_atomically
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, printable

if TYPE_CHECKING:
    from rich.table import Table

#: A rule under the header and nothing else; `rich.box.SIMPLE_HEAD` without Unicode.
_ASCII_LINES = "    \n    \n -- \n    \n    \n    \n    \n    \n"
#: What was timed for a cost.
_TIMED = {
    "latency_ms": "latency",
    **dict.fromkeys(("epoch_seconds", *TRAINING_TIMES), "step"),
}
RECIPE_COLUMNS = ("batch_size", "optimizer", "learning_rate", "schedule", "augmentation")

#: Terminals of fewer columns get tables with fewer columns.
NARROW = 64
_NARROW_COLUMN = 9  #: characters of a number's column there
#: Characters of all columns but the names and the costs, and of a cost, gaps included, at least.
_LEAST_WITHOUT_NAMES, _LEAST_COST = 36, 9


def front_rows(summary: Mapping[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
    """Return the front's members, then the references beside it, each with its marks.

    Rows have the front's keys; costs that the summary does not keep are None. References that
    have no accuracy yet are left out.
    """
    references = summary["references"]
    names = {references[name]["trial"]: f"{name} reference" for name in references}
    names.pop(None, None)
    spot = summary["sweet_spot"]
    rows = []
    for member in summary["front"]:
        marks = ["sweet spot"] if spot and spot["trial"] == member["trial"] else []
        marks += [names[member["trial"]]] if member["trial"] in names else []
        rows.append((dict(member), marks))
    on_front = {member["trial"] for member in summary["front"]}
    for name, reference in references.items():
        if reference["trial"] not in on_front and reference["val_accuracy"] is not None:
            row = {key: reference[key] for key in ("trial", "architecture", "val_accuracy")}
            row["costs"] = {cost: reference.get(cost) for cost in summary["costs"]}
            rows.append((row, [f"{name} reference"]))
    return rows


def front_table(
    summary: Mapping[str, Any], *, width: int = NARROW, ascii_only: bool = False
) -> "Table":
    """Return the front, and below it the references that are not on it, for the terminal.

    In one that is narrower than ``NARROW``, or too narrow for several costs, what a row is stands
    below its architecture.
    """
    from rich.text import Text

    narrow = width < NARROW + _LEAST_COST * (len(summary["costs"]) - 1)
    encoding = "ascii" if ascii_only else "utf-8"
    title = f"The front of {printable(summary['sweep'], encoding)}, cheapest first"
    table = plain_table(title, ascii_only=ascii_only)
    table.add_column("trial", justify="right", no_wrap=True)
    rows = front_rows(summary)
    names = [row["architecture"] for row, _ in rows]
    # Rather a heading has two lines than a name, where that is enough.
    longest = max(map(len, names), default=0)
    least = _LEAST_WITHOUT_NAMES + _LEAST_COST * len(summary["costs"])
    whole = not narrow and longest + least <= width
    table.add_column("architecture", overflow="fold", no_wrap=whole, min_width=len("architecture"))
    most = _NARROW_COLUMN if narrow else None
    table.add_column("val. accuracy", justify="right", min_width=8, max_width=most)
    for cost in summary["costs"]:
        table.add_column(cost_label(cost), justify="right", min_width=7, max_width=most)
    if not narrow:
        table.add_column("", no_wrap=True)
    members = len(summary["front"])
    for index, (row, marks) in enumerate(rows):
        if index == members:
            table.add_section()
        name = printable(row["architecture"], encoding)
        table.add_row(
            str(row["trial"]),
            Text("\n".join([name, *marks]) if narrow else name),
            accuracy_text(row["val_accuracy"]),
            *(cost_text(cost, row["costs"][cost]) for cost in summary["costs"]),
            *([] if narrow else ["\n".join(marks)]),
            style="bold" if "sweet spot" in marks else "",
        )
    return table


def cost_interval_text(record: TrialRecord, cost: str) -> str:
    """Return the 95% interval of a cost that was sampled, ``1.2 to 1.4``; else nothing.

    Where the machine was too noisy for it, it ends in ``, noisy``.
    """
    interval = cost_interval(record, cost)
    if interval is None:
        return ""
    noisy = ", noisy" if record.measurements.get(f"{_TIMED.get(cost)}_noisy") else ""
    return f"{cost_text(cost, interval.low)} to {cost_text(cost, interval.high)}{noisy}"


def plain_table(title: str, *, ascii_only: bool) -> "Table":
    """Return an empty table with its title above it and one rule below its header."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        box=box.Box(_ASCII_LINES, ascii=True) if ascii_only else box.SIMPLE_HEAD,
        title=Text(title, overflow="fold"),
        title_style="",
        title_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def write_front_csv(path: Path, summary: Mapping[str, Any], records: Iterable[TrialRecord]) -> None:
    """Write the front with everything measured: a row a member, cheapest first.

    Columns: ``trial``, ``architecture``, ``val_accuracy``, each cost that any member has (the
    sweep's own first), the recipe, and ``sweet_spot`` (``yes`` or empty). What a member lacks
    is empty.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    by_number = {record.number: record for record in records}
    numbers = [member["trial"] for member in summary["front"]]
    measured = {name for n in numbers if n in by_number for name in by_number[n].costs}
    costs = list(summary["costs"])
    costs += [name for name in COSTS if name in measured and name not in costs]
    spot = summary["sweet_spot"]
    text = io.StringIO()
    header = ["trial", "architecture", "val_accuracy", *costs, *RECIPE_COLUMNS, "sweet_spot"]
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    for member in summary["front"]:
        row = {key: member[key] for key in ("trial", "architecture", "val_accuracy")}
        record = by_number.get(member["trial"])
        if record is not None:
            row |= {name: record.costs[name] for name in costs if name in record.costs}
            recipe = record.specification.recipe
            row |= {name: getattr(recipe, name) for name in RECIPE_COLUMNS}
        row |= member["costs"]
        row["sweet_spot"] = "yes" if spot and spot["trial"] == member["trial"] else ""
        writer.writerow(row)
    write_atomically(path, text.getvalue())
