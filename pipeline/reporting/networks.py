"""Every network that was trained to its end, side by side: as a table, and as networks.csv.

The front says which networks win; this table says what each one came to, for questions such as
what half of the filters cost.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.finalists import Finalist
from pipeline.core.journey import ImageShape, shape_journey
from pipeline.core.statistics import Interval
from pipeline.core.student import mean_interval
from pipeline.core.trial import COSTS, Outcome, TrialRecord
from pipeline.reporting.files import write_atomically
from pipeline.reporting.tables import NARROW, plain_table
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, printable

if TYPE_CHECKING:
    from rich.table import Table

NETWORKS_NAME = "networks.csv"
_ACCURACY = "validation accuracy"
#: Columns that a narrow terminal does without, in this order.
_FIRST_TO_GO = (
    "epochs", "flattened", "test accuracy", "parameters", cost_label("latency_ms"),
    "training, µs an image", "trainings",
)  # fmt: skip
#: Characters between two columns of the table, and of an accuracy that has two lines there.
_GAP, _WRAPPED = 2, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkRow:
    """A network with all its complete trainings.

    Parameters
    ----------
    trained
        The trial of the search, and its further trainings.
    flattened
        Values that the convolutions leave to the dense layer.
    image_seconds
        Training time an image, the mean of the trainings; None where it was not measured.
    test_accuracy
        Of the trial of the search, where the test images were read for it.
    """

    trained: Finalist
    flattened: int
    image_seconds: float | None
    test_accuracy: float | None

    @property
    def interval(self) -> Interval | None:
        """The 95% interval of the mean validation accuracy over seeds; None for one training."""
        return mean_interval(self.trained.accuracy)

    @property
    def epochs(self) -> float:
        """Epochs that were trained, on average."""
        return fmean(len(record.history) for record in self.trained.trainings)

    def mean_cost(self, name: str) -> float | None:
        """Return the mean of a cost over the trainings that have it."""
        known = [r.costs[name] for r in self.trained.trainings if name in r.costs]
        return fmean(known) if known else None


def network_rows(summary: Mapping[str, Any], trainings: Iterable[TrialRecord]) -> list[NetworkRow]:
    """Return a row for each network that came to its end, in the order of the trials.

    Parameters
    ----------
    trainings
        Of the search and of the final round.
    """
    complete = [
        r for r in trainings if r.outcome is Outcome.COMPLETE and r.val_accuracy is not None
    ]
    height, width, channels = summary["data"]["image_shape"]
    tested = _test_accuracies(summary)
    rows = []
    for original in sorted(complete, key=lambda record: record.number):
        if original.specification.repetition:
            continue
        again = (r for r in complete if r.number == original.number and r is not original)
        further = tuple(sorted(again, key=lambda record: record.specification.repetition))
        trained = Finalist(original=original, further=further)
        seconds = [
            r.costs["epoch_seconds"] for r in trained.trainings if "epoch_seconds" in r.costs
        ]
        rows.append(
            NetworkRow(
                trained=trained,
                flattened=_flattened(original, (height, width, channels)),
                image_seconds=fmean(seconds) / summary["data"]["train"] if seconds else None,
                test_accuracy=tested.get(original.number),
            )
        )
    return rows


def compares_all(rows: Sequence[NetworkRow]) -> bool:
    """Whether every network was trained several times, so that the whole table can be trusted."""
    return bool(rows) and all(row.trained.further for row in rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of the table of networks, behind their names; it has a cell a network.

    Parameters
    ----------
    title, short
        For a page, and for a terminal.
    """

    title: str
    short: str
    cells: tuple[str, ...]


def network_title(row: NetworkRow) -> str:
    """Return a network's architecture, and whether it is a reference."""
    specification = row.trained.original.specification
    name = specification.architecture.notation
    return f"{name} ({specification.reference})" if specification.reference else name


def network_columns(rows: Sequence[NetworkRow]) -> list[Column]:
    """Return what the table says of the rows; ``±`` is half of the 95% interval over seeds.

    What is the same in every row has no column: no test accuracy, or equal epochs.
    """

    def column(title: str, short: str, cell: Callable[[NetworkRow], str]) -> Column:
        return Column(title=title, short=short, cells=tuple(cell(row) for row in rows))

    def cost(name: str) -> Callable[[NetworkRow], str]:
        return lambda row: cost_text(name, row.mean_cost(name))

    columns = [
        column("trainings", "n", lambda row: str(row.trained.accuracy.n)),
        column(_ACCURACY, "val. accuracy", _accuracy),
        column("training, µs an image", "µs/img", _microseconds),
        column(cost_label("latency_ms"), "ms", cost("latency_ms")),
        column("parameters", "params", cost("parameters")),
        column("flattened", "flat", lambda row: f"{row.flattened:,}"),
    ]
    if any(row.test_accuracy is not None for row in rows):
        tested = column("test accuracy", "test", lambda row: accuracy_text(row.test_accuracy))
        columns.insert(2, tested)
    if len({row.epochs for row in rows}) > 1:
        columns.append(column("epochs", "epochs", lambda row: f"{row.epochs:.3g}"))
    return columns


def networks_table(
    rows: Sequence[NetworkRow], *, width: int = NARROW, ascii_only: bool = False
) -> "Table":
    """Return the rows for the terminal.

    In one that is too narrow for all of it an accuracy has a second line for its interval, and
    columns are left out, which the file has.
    """
    from rich.text import Text

    encoding = "ascii" if ascii_only else "utf-8"
    every = [_in(encoding, column) for column in network_columns(rows)]
    wrapped = _width(every) > width
    columns = list(every)
    for title in _FIRST_TO_GO:
        if _width(columns, wrapped=wrapped) > width:
            columns = [column for column in columns if column.title != title]
    more = "" if columns == every else f"; {NETWORKS_NAME} says more"
    title = f"Every network: means of n trainings, ± half of the 95% interval{more}"
    table = plain_table(printable(title, encoding), ascii_only=ascii_only)
    table.add_column("architecture", overflow="fold", min_width=len("architecture"))
    for column in columns:
        two_lines = wrapped and column.title == _ACCURACY
        table.add_column(
            column.short,
            justify="right",
            no_wrap=not two_lines,
            max_width=_WRAPPED if two_lines else None,
        )
    for index, row in enumerate(rows):
        name = Text(printable(network_title(row), encoding))
        table.add_row(name, *(column.cells[index] for column in columns))
    return table


def _in(encoding: str, column: Column) -> Column:
    short = column.short.replace("µ", "u") if encoding == "ascii" else column.short
    cells = tuple(printable(cell, encoding) for cell in column.cells)
    return Column(title=column.title, short=short, cells=cells)


def _width(columns: Sequence[Column], *, wrapped: bool = False) -> int:
    """Return the characters that the table needs at least, gaps included."""
    widths = [
        _WRAPPED
        if wrapped and column.title == _ACCURACY
        else max(map(len, (column.short, *column.cells)))
        for column in columns
    ]
    return sum(widths, len("architecture")) + _GAP * (len(widths) + 1)


def write_networks_csv(path: Path, rows: Sequence[NetworkRow]) -> None:
    """Write the rows with everything measured, a row a network, in the order of the trials.

    Columns: ``trial``, ``reference``, ``architecture``, ``trainings``, ``val_accuracy_mean``,
    ``val_accuracy_low`` and ``val_accuracy_high`` (95% interval of the mean over seeds),
    ``test_accuracy``, ``epochs``, ``microseconds_an_image`` (of training), the mean of each cost
    that was measured, ``flattened``. What is not known is empty.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    costs = [name for name in COSTS if any(row.mean_cost(name) is not None for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["trial", "reference", "architecture", "trainings", "val_accuracy_mean", "val_accuracy_low",
         "val_accuracy_high", "test_accuracy", "epochs", "microseconds_an_image", *costs,
         "flattened"]
    )  # fmt: skip
    for row in rows:
        specification, interval = row.trained.original.specification, row.interval
        seconds = row.image_seconds
        writer.writerow(
            [
                specification.number,
                specification.reference,
                specification.architecture.notation,
                row.trained.accuracy.n,
                row.trained.accuracy.mean,
                interval.low if interval else None,
                interval.high if interval else None,
                row.test_accuracy,
                row.epochs,
                None if seconds is None else 1e6 * seconds,
                *(row.mean_cost(name) for name in costs),
                row.flattened,
            ]
        )
    write_atomically(path, text.getvalue())


#: Microseconds from here on are shown without decimals.
_WHOLE_FROM = 100


def _microseconds(row: NetworkRow) -> str:
    if row.image_seconds is None:
        return "-"
    value = 1e6 * row.image_seconds
    return f"{value:.0f}" if value >= _WHOLE_FROM else f"{value:.3g}"


def _accuracy(row: NetworkRow) -> str:
    mean, interval = row.trained.accuracy.mean, row.interval
    if interval is None:
        return accuracy_text(mean)
    return f"{100 * mean:.2f} ± {50 * (interval.high - interval.low):.2f}%"


def _flattened(record: TrialRecord, shape: ImageShape) -> int:
    stages = shape_journey(record.specification.architecture, shape, classes=1)
    (values,) = next(stage.shape for stage in stages if stage.kind == "flatten")
    return values


def _test_accuracies(summary: Mapping[str, Any]) -> dict[int, float | None]:
    networks = [*summary["references"].values(), summary["sweet_spot"]]
    return {n["trial"]: n["test_accuracy"] for n in networks if n and n["trial"] is not None}
