"""A comparison of sweeps on the terminal, where letters stand for the sweeps."""

from typing import TYPE_CHECKING, TextIO

from pipeline.core.wording import SIGNIFICANT, p_text
from pipeline.reporting.compare import ComparedSweep, Pair, SweepComparison, device_text
from pipeline.reporting.console import terminal
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, counted, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_Row = dict[str, str]  #: a table's row: cell by heading
_LEAST_NAME_WIDTH = 12
_ROOM = 1_000


def letter(index: int) -> str:
    """Return the letter that stands for a sweep."""
    return chr(ord("A") + index)


def show_comparison(comparison: SweepComparison, stream: TextIO | None = None) -> None:
    """Print the sweeps, their sweet spots, and the paired tests of these."""
    console = terminal(stream)
    encoding = "ascii" if console.options.ascii_only else "utf-8"
    for part in (
        _plain(_title(comparison), encoding),
        _shown(_sweep_rows(comparison), console, encoding),
        *[_plain(line, encoding) for line in _remarks(comparison)],
        "",
        _shown(_spot_rows(comparison), console, encoding),
        *[_plain(pair_sentence(comparison, pair), encoding) for pair in comparison.pairs],
    ):
        console.print(part)


def pair_sentence(comparison: SweepComparison, pair: Pair) -> str:
    """Return what a paired test says, in one sentence."""
    first, second = letter(pair.first), letter(pair.second)
    test = pair.test
    if test is None:
        return f"No paired test of {first} and {second}: {pair.obstacle}."
    assert pair.p_value is not None
    low, high = 100 * test.interval.low, 100 * test.interval.high
    points = 100 * test.difference
    if test.difference < 0:
        points, low, high = -points, -high, -low
    if test.difference == 0:
        found = f"{second} is exactly as accurate as {first}"
    else:
        more = "more" if test.difference > 0 else "less"
        found = f"{second} is {points:.2f} points {more} accurate than {first}"
    tests = sum(other.test is not None for other in comparison.pairs)
    method = "McNemar" if tests == 1 else f"McNemar, Holm's correction for {tests} tests"
    said = "more than chance explains" if pair.p_value < SIGNIFICANT else "chance may explain it"
    return (
        f"On the same {counted(test.images, 'test image')} {found} (95% interval {low:.2f} to "
        f"{high:.2f}): {test.only_first:,} of them only {second} gets right, "
        f"{test.only_second:,} only {first}; {p_text(pair.p_value)} ({method}), {said}."
    )


def _remarks(comparison: SweepComparison) -> list[str]:
    lines = []
    if comparison.reference_point is None:
        lines.append("No hypervolume: no sweep has a cnn reference with every cost.")
    else:
        accuracy, *costs = comparison.reference_point
        until = [accuracy_text(accuracy)]
        until += [
            f"{cost_label(name)} {cost_text(name, value)}"
            for name, value in zip(comparison.costs, costs, strict=True)
        ]
        lines.append(
            f"Hypervolume counts from chance, {until[0]}, and ten times the dearest cnn "
            f"reference, {', '.join(until[1:])}."
        )
    if len({sweep.devices for sweep in comparison.sweeps if sweep.devices}) > 1:
        ran = [
            f"{letter(index)} on {device_text(sweep)}"
            for index, sweep in enumerate(comparison.sweeps)
        ]
        lines.append(f"Devices differ, so times tell little: {', '.join(ran)}.")
    return lines


def _title(comparison: SweepComparison) -> str:
    data = comparison.sweeps[0].summary["data"]
    labels = " and ".join(cost_label(cost) for cost in comparison.costs)
    return f"{data['name']}: {counted(len(comparison.sweeps), 'sweep')}, accuracy against {labels}"


def _sweep_rows(comparison: SweepComparison) -> list[_Row]:
    rows = []
    for index, sweep in enumerate(comparison.sweeps):
        counts, volume = sweep.summary["trials"], comparison.hypervolumes[index]
        rows.append(
            {
                "": letter(index),
                "sweep": sweep.name,
                "trials": f"{sum(counts.values()) - counts['running']:,}",
                "on the front": f"{len(sweep.summary['front']):,}",
                "hypervolume": "-" if volume is None else f"{volume:.4f}",
            }
        )
    return rows


def _spot_rows(comparison: SweepComparison) -> list[_Row]:
    rows = []
    for index, sweep in enumerate(comparison.sweeps):
        spot = sweep.summary["sweet_spot"]
        chosen = (
            f"{spot['architecture']}\ntrial {spot['trial']}, rule {spot['rule']}" if spot else ""
        )
        rows.append(
            {
                "": letter(index),
                "sweet spot": chosen or "none yet",
                "validation\naccuracy": accuracy_text(spot["val_accuracy"] if spot else None),
                "test accuracy,\n95% interval": _test_text(sweep),
                **{
                    cost_label(cost): cost_text(cost, _spot_cost(sweep, cost))
                    for cost in comparison.costs
                },
            }
        )
    return rows


def _spot_cost(sweep: ComparedSweep, cost: str) -> float | None:
    """Return a cost of the sweet spot; None without one."""
    spot = sweep.summary["sweet_spot"]
    members = {member["trial"]: member for member in sweep.summary["front"]}
    value = members[spot["trial"]]["costs"][cost] if spot and spot["trial"] in members else None
    return None if value is None else float(value)


def _test_text(sweep: ComparedSweep) -> str:
    interval = sweep.test_interval
    if sweep.reading is None or interval is None:
        return "-"
    low, high = f"{100 * interval.low:.2f}", f"{100 * interval.high:.2f}"
    return f"{accuracy_text(sweep.reading.accuracy)}\n{low} to {high}"


def _shown(rows: list[_Row], console: "Console", encoding: str) -> "RenderableType":
    """Return the rows as a table; as a paragraph each where the terminal is too narrow for it."""
    from rich import box
    from rich.console import Group
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    rule = None if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=rule, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(rows[0]):
        if place == 1:
            table.add_column(heading, overflow="fold", min_width=_LEAST_NAME_WIDTH)
            continue
        lines = [
            line for cell in (heading, *(r[heading] for r in rows)) for line in cell.split("\n")
        ]
        width = max(map(len, lines))
        table.add_column(heading, justify="right" if place else "left", min_width=width)
    for row in rows:
        cells = (cell.split("\n") for cell in row.values())
        table.add_row(*(Text("\n".join(printable(t, encoding) for t in cell)) for cell in cells))
    # Asked for what it needs where there is room enough, as rich answers at most the width.
    wide = console.options.update(width=_ROOM)
    if Measurement.get(console, wide, table).minimum <= console.width:
        return table
    return Group(*(_plain(_paragraph(row), encoding) for row in rows))


def _paragraph(row: _Row) -> str:
    mark, name, *others = (cell.replace("\n", ", ") for cell in row.values())
    headings = (heading.replace("\n", " ") for heading in list(row)[2:])
    return f"{mark}  {name}: " + "; ".join(map(" ".join, zip(headings, others, strict=True)))


def _plain(text: str, encoding: str) -> "Text":
    from rich.text import Text

    return Text(printable(text, encoding))
