"""One cost against another: where cheap in one is dear in the other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.records import comparable
from pipeline.core.trial import TrialRecord
from pipeline.reporting.axes import Point, log_limits, log_ticks, tick_text
from pipeline.reporting.figures import (
    DOTS_PER_INCH,
    INCHES,
    LEGEND,
    SHAPES,
    SKY,
    columns_of,
    drawable,
    label_text,
    marked_trials,
)
from pipeline.reporting.placing import place_labels
from pipeline.reporting.wording import cost_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def cost_figure(
    summary: Mapping[str, Any], records: Sequence[TrialRecord], costs: tuple[str, str]
) -> "Figure | None":
    """Return the figure: a trial a point, the front's coloured by their accuracy.

    None where no trial has both costs.

    Parameters
    ----------
    costs
        The one to the right and the one upwards.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across, up = costs
    complete: dict[int, Point] = {
        record.number: (record.costs[across], record.costs[up])
        for record in records
        if comparable(record, costs)
    }
    if not complete:
        return None
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    members = [m for m in summary["front"] if m["trial"] in complete]
    marked = marked_trials(summary, complete)
    special = {m["trial"] for m in members} | set(marked)
    others = [point for number, point in complete.items() if number not in special]
    if others:
        axes.scatter(
            *columns_of(others), s=34, color=SKY, edgecolors="white", linewidths=0.6,
            label="complete", zorder=3,
        )  # fmt: skip
    for number, what in marked.items():
        shape, size, colour = SHAPES[what[0]]
        axes.scatter(
            *complete[number], s=size, marker=shape, color=colour, edgecolors="black",
            linewidths=0.8, label=" and ".join(what), zorder=5,
        )  # fmt: skip
    if members:
        points = axes.scatter(
            *columns_of(complete[m["trial"]] for m in members), s=40,
            c=[100 * m["val_accuracy"] for m in members], cmap="viridis", edgecolors="black",
            linewidths=0.6, label="front", zorder=6,
        )  # fmt: skip
        bar = figure.colorbar(points, ax=axes, pad=0.01)
        bar.set_label("validation accuracy of the front (%)", fontsize=10)
        bar.ax.tick_params(labelsize=9)
    _name_axes(axes, summary, costs, list(complete.values()))
    figure.legend(loc="outside lower center", ncols=5, **LEGEND)
    names = {m["trial"]: m["architecture"] for m in summary["front"]}
    names |= {r["trial"]: r["architecture"] for r in summary["references"].values()}
    labels = [(complete[n], label_text(n, what, names[n])) for n, what in marked.items()]
    place_labels(axes, labels, avoid=list(complete.values()))
    return figure


def _name_axes(
    axes: "Axes", summary: Mapping[str, Any], costs: tuple[str, str], points: Sequence[Point]
) -> None:
    name = drawable(summary["data"]["name"])
    axes.set_title(f"{name}: what is cheap in one and in the other", loc="left", fontsize=11)
    for side, axis, values, cost in zip(
        "xy", (axes.xaxis, axes.yaxis), columns_of(points), costs, strict=True
    ):
        low, high = log_limits(values)
        axes.set(**{f"{side}scale": "log", f"{side}lim": (low, high)})
        ticks = log_ticks(low, high)
        axis.set_ticks(ticks, [tick_text(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
        axis.set_label_text(f"{cost_label(cost)}, log scale", fontsize=10)
    axes.tick_params(labelsize=9)
    axes.grid(True, color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
