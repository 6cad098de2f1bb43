"""A small scatter plot in text: accuracy upwards, the logarithm of a cost to the right."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.reporting.wording import accuracy_text, cost_label, cost_text

#: Marks of a front member and of another trial, with and without Unicode.
MARKS = {False: ("●", "·"), True: ("o", ".")}
_AXES = {False: ("│", "└", "─"), True: ("|", "+", "-")}


class ScatterPoint(NamedTuple):
    """A trial: its cost (positive), its accuracy in [0, 1], and whether it is on the front."""

    cost: float
    accuracy: float
    on_front: bool


def scatter(
    points: Sequence[ScatterPoint], cost: str, *, width: int, height: int, ascii_only: bool
) -> list[str]:
    """Return the plot as ``height`` lines of at most ``width`` characters.

    Trials far below the front are left out, and their number is said, so that the front is not
    squeezed into one line.

    Parameters
    ----------
    points
        At least one.
    width, height
        At least 30 by 5.
    """
    front = [point for point in points if point.on_front] or list(points)
    high = max(point.accuracy for point in points)
    lowest_front = min(point.accuracy for point in front)
    margin = max(high - lowest_front, 0.01)
    shown = [point for point in points if point.accuracy >= lowest_front - margin]
    low = min(point.accuracy for point in shown)
    cheapest = min(point.cost for point in shown)
    dearest = max(point.cost for point in shown)

    labels = (accuracy_text(high), accuracy_text(low))
    gutter = max(map(len, labels))
    columns, rows = width - gutter - 2, height - 3
    grid = [[" "] * columns for _ in range(rows)]
    member, other = MARKS[ascii_only]
    for point in sorted(shown, key=lambda p: p.on_front):
        across = _place(math.log(point.cost), math.log(cheapest), math.log(dearest), columns)
        down = rows - 1 - _place(point.accuracy, low, high, rows)
        grid[down][across] = member if point.on_front else other

    upright, corner, level = _AXES[ascii_only]
    sides = [labels[0], *[""] * (rows - 2), labels[1]]
    lines = [
        f"{side:>{gutter}} {upright}{''.join(row)}".rstrip()
        for side, row in zip(sides, grid, strict=True)
    ]
    lines.append(" " * (gutter + 1) + corner + level * columns)
    left, right = cost_text(cost, cheapest), cost_text(cost, dearest)
    space = " " * (columns - len(left) - len(right))
    lines.append(" " * (gutter + 2) + left + (space + right if space and left != right else ""))
    hidden = len(points) - len(shown)
    caption = f"{cost_label(cost)}, log: {member} front {other} other"
    caption += f", {hidden} below" if hidden else ""
    lines.append((" " * (gutter + 2) + caption)[:width].rstrip())
    return lines


def _place(value: float, low: float, high: float, cells: int) -> int:
    """Return the cell in which a value lies; the middle one where there is no range."""
    if high <= low:
        return cells // 2
    return round((value - low) / (high - low) * (cells - 1))
