"""A filter on the terminal: its numbers, what they do, and the picture's sizes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from pipeline.core.filters import Filter, brightness_rule, size_rule
from pipeline.reporting.console import terminal
from pipeline.reporting.filter_figures import Step
from pipeline.reporting.wording import printable

if TYPE_CHECKING:
    from pipeline.config import FiltersConfig

#: A factor this near to a simple fraction is shown as one.
_SAME_WITHIN = 1e-9


def filter_lines(
    kernel: Filter, settings: "FiltersConfig", image: str, size: tuple[int, int]
) -> list[str]:
    """Return what a filter is and does, line by line.

    Parameters
    ----------
    image
        What the picture is called.
    size
        Its height and width.
    """
    height, width = size
    cells = [[f"{number:g}" for number in row] for row in kernel.rows]
    cell_width = max(len(cell) for row in cells for cell in row)
    about = f": {kernel.does}" if kernel.does else ""
    rows = ["  ".join(cell.rjust(cell_width) for cell in row) for row in cells]
    sides = (("height", height, kernel.height), ("width", width, kernel.width))
    return [
        f"{kernel.name} on {image}{about}",
        "",
        *(f"  {row}" for row in rows),
        "",
        f"Each number times the pixel under it, all added up{_factor(kernel)}{_bias(kernel)}.",
        brightness_rule(kernel),
        *_advice(kernel),
        *(
            f"{name}: {size_rule(side, length, settings.padding, settings.stride)}"
            for name, side, length in sides
        ),
    ]


def _factor(kernel: Filter) -> str:
    if kernel.factor == 1:
        return ""
    divisor = 1 / kernel.factor if kernel.factor else 0.0
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=_SAME_WITHIN):
        return f", divided by {round(divisor)}"
    return f", times {kernel.factor:.4g}"


def _bias(kernel: Filter) -> str:
    if not kernel.bias:
        return ""
    return f", {'plus' if kernel.bias > 0 else 'minus'} {abs(kernel.bias):g}"


def _advice(kernel: Filter) -> list[str]:
    if kernel.sum in (0.0, 1.0):
        return []
    return ["filters.normalise=true keeps the brightness."]


def show_filter(lines: Sequence[str], stream: TextIO | None = None) -> None:
    """Print what ``filter_lines`` has returned."""
    console = terminal(stream)
    encoding = "ascii" if console.options.ascii_only else "utf-8"
    console.print()
    for line in lines:
        console.print(printable(line, encoding))


def show_steps(steps: Sequence[Step], stream: TextIO | None = None) -> None:
    """Print the size and the range of values of each step."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    encoding = "ascii" if console.options.ascii_only else "utf-8"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("step")
    table.add_column("size", justify="right")
    table.add_column("values", justify="right")
    table.add_column("what happens")
    for step in steps:
        table.add_row(
            step.name,
            Text(printable(step.size_text, encoding)),
            step.range_text,
            Text(printable(step.what, encoding)),
        )
    console.print()
    console.print(table)


def show_gallery(filters: Sequence[Filter], stream: TextIO | None = None) -> None:
    """Print a line for each filter: its size, what its numbers add up to, what it is for."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    encoding = "ascii" if console.options.ascii_only else "utf-8"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("filter", "size", "sum", "for"):
        table.add_column(column, justify="right" if column == "sum" else "left")
    for kernel in filters:
        table.add_row(
            kernel.name,
            Text(printable(f"{kernel.height}×{kernel.width}", encoding)),
            f"{kernel.sum:.4g}",
            kernel.does,
        )
    console.print()
    console.print(table)
    console.print(
        "\nA sum of 1 keeps the brightness, more brightens, less darkens; 0 leaves edges."
    )
