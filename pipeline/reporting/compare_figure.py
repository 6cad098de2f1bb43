"""The fronts of several sweeps in one figure a cost."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.front import pareto_front
from pipeline.reporting.axes import Point, below_text, frame_points, name_axes
from pipeline.reporting.compare import SweepComparison
from pipeline.reporting.compare_screen import letter
from pipeline.reporting.figures import drawable, png
from pipeline.reporting.files import write_atomically
from pipeline.reporting.placing import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours by M. Okabe and K. Ito, as in the other figures, each with a shape of its own.
_STYLES = (
    ("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"),
    ("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X"), ("#F0E442", "h"),
)  # fmt: skip
_INCHES = (8.0, 5.0)
_INCHES_A_ROW = 0.22  #: what the figure grows by for each row of the legend but the first two
_DOTS_PER_INCH = 150
_LONGEST_NAME = 80  #: characters of a folder's name, and of a sweep's in the legend
_MOST_NAMED = (
    4  #: sweeps whose sweet spots are labelled with their architectures, else with letters
)


def comparison_dir(mlruns: Path, names: Sequence[str]) -> Path:
    """Return the folder of a comparison; the same sweeps in the same order have the same one."""
    name = "-vs-".join(names)
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        others = f"-vs-{len(names) - 1}-more-{digest}"
        name = names[0][: _LONGEST_NAME - len(others)] + others
    return mlruns / "comparisons" / name


def write_comparison_figures(folder: Path, comparison: SweepComparison) -> list[Path]:
    """Write ``pareto-COST.png`` for each cost, and return the paths, the leading cost's first.

    Without any trial on any front there is nothing to draw, and nothing is written.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    if not any(sweep.summary["front"] for sweep in comparison.sweeps):
        return []
    paths = []
    for cost in comparison.costs:
        path = folder / f"pareto-{cost}.png"
        write_atomically(path, png(comparison_figure(comparison, cost)))
        paths.append(path)
    return paths


def comparison_figure(comparison: SweepComparison, cost: str) -> "Figure":
    """Return the figure for one cost.

    A step line joins a sweep's trials that are on the front of accuracy against this cost
    alone; with several costs its front has further members, drawn without a line. Members far
    below every sweep's sweet spot and references are left out and counted.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fronts = [_front(sweep.summary, cost) for sweep in comparison.sweeps]
    columns = 1 if max(len(sweep.name) for sweep in comparison.sweeps) > _LONGEST_NAME // 2 else 2
    rows = math.ceil(len(fronts) / columns)
    width, height = _INCHES
    height += _INCHES_A_ROW * max(rows - 2, 0)
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    hidden = _frame(axes, comparison, fronts)
    spots = []
    for index, (sweep, front) in enumerate(zip(comparison.sweeps, fronts, strict=True)):
        if not front:
            continue
        colour, shape = _STYLES[index]
        name = f"{letter(index)}  {drawable(sweep.name)[:_LONGEST_NAME]}"
        _draw_front(axes, list(front.values()), colour, shape, name, above=len(fronts) - index)
        spot = sweep.summary["sweet_spot"]
        if spot is not None and spot["trial"] in front:
            point = front[spot["trial"]]
            axes.scatter(
                *point, s=260, marker="*", color=colour, edgecolors="black", linewidths=0.8,
                zorder=20,
            )  # fmt: skip
            text = f"{letter(index)}: trial {spot['trial']}\n{drawable(spot['architecture'])}"
            spots.append((point, text if len(fronts) <= _MOST_NAMED else letter(index)))
    name_axes(axes, _title(comparison), cost, below_text(hidden))
    figure.legend(
        loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handletextpad=0.4
    )
    place_labels(axes, spots, avoid=[point for front in fronts for point in front.values()])
    return figure


def _front(summary: Mapping[str, Any], cost: str) -> dict[int, Point]:
    return {
        member["trial"]: (member["costs"][cost], 100 * member["val_accuracy"])
        for member in summary["front"]
    }


def _frame(axes: "Axes", comparison: SweepComparison, fronts: Sequence[Mapping[int, Point]]) -> int:
    """Set the axes' limits around what matters; return how many members lie below."""
    important = [
        100 * network["val_accuracy"]
        for sweep in comparison.sweeps
        for network in (sweep.summary["sweet_spot"], *sweep.summary["references"].values())
        if network is not None and network["val_accuracy"] is not None
    ]
    points = [point for front in fronts for point in front.values()]
    lowest = frame_points(axes, points, important)
    return sum(accuracy < lowest for _, accuracy in points)


def _draw_front(
    axes: "Axes", points: Sequence[Point], colour: str, shape: str, name: str, *, above: int
) -> None:
    steps = sorted(points[i] for i in pareto_front([(a, cost) for cost, a in points]))
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    costs = [steps[0][0], *(cost for cost, _ in steps), right]
    heights = [bottom, *(accuracy for _, accuracy in steps), steps[-1][1]]
    axes.plot(
        costs, heights, drawstyle="steps-post", color=colour, linewidth=1.4, alpha=0.8,
        zorder=2 + above / 10,
    )  # fmt: skip
    axes.scatter(
        [cost for cost, _ in points], [accuracy for _, accuracy in points], s=40, color=colour,
        marker=shape, edgecolors="white", linewidths=0.7, label=name, zorder=4 + above / 10,
    )  # fmt: skip


def _title(comparison: SweepComparison) -> str:
    data = comparison.sweeps[0].summary["data"]
    return f"{drawable(data['name'])}: fronts and sweet spots of {len(comparison.sweeps)} sweeps"
