"""The Pareto figure: accuracy against a cost, with front, references and sweet spot.

Colours are from the palette of M. Okabe and K. Ito (https://jfly.uni-koeln.de/color/), which
stays distinct for colour-blind readers; shapes differ as well, for print in grey.
"""

import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.summary import ended_trials
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.axes import Point, below_text, frame_points, name_axes
from pipeline.reporting.finalists import finalists_of
from pipeline.reporting.placing import place_labels
from pipeline.reporting.wording import counted, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, SKY, VERMILION, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#767676"
INCHES = (8.0, 5.0)
DOTS_PER_INCH = 150  #: 1200 x 750 pixels, the width of a README
_LINE_LENGTH = 26  #: characters of an architecture in a label
LEGEND: dict[str, Any] = {
    "frameon": False, "fontsize": 9, "columnspacing": 1.4, "handletextpad": 0.3,
    "markerscale": 0.85,
}  # fmt: skip
_LEGEND_COLUMNS = 6


def png(figure: "Figure") -> bytes:
    """Return a figure as a PNG file's content."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def drawable(text: str) -> str:
    """Return text with ``?`` for what the figures' font lacks, so that nobody is warned of it."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(c if font.get_char_index(ord(c)) else "?" for c in printable(text))


def pareto_figure(
    summary: Mapping[str, Any], records: Sequence[TrialRecord], cost: str
) -> "Figure":
    """Return the figure for one cost, which at least one complete trial has.

    Stopped trials are drawn too, others that are not complete are not. The step line joins the
    trials that are on the front of accuracy against this cost alone; with several costs the
    front has further members, drawn without a line. Trials far below the front are left out and
    counted, so that the front fills the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    complete = _points(records, cost, Outcome.COMPLETE)
    stopped = _points(records, cost, Outcome.STOPPED)
    members = [m for m in summary["front"] if m["trial"] in complete]
    marked = marked_trials(summary, complete)

    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    front = [complete[member["trial"]] for member in members]
    drawn = [*complete.values(), *stopped.values()]
    means = _mean_points(summary, cost)
    important = [complete[number] for number in marked] or front
    lowest = frame_points(axes, [*drawn, *means.values()], [accuracy for _, accuracy in important])
    special = {member["trial"] for member in members} | set(marked)
    _draw_trials(
        axes,
        [p for number, p in complete.items() if number not in special and p[1] >= lowest],
        [point for point in stopped.values() if point[1] >= lowest],
    )
    corners = _draw_front(axes, front)
    _draw_finalists(axes, summary, cost, complete)
    _draw_marked(axes, marked, complete)
    hidden = sum(point[1] < lowest for point in drawn)
    below = below_text(hidden, sum(point[1] < lowest for point in front))
    name_axes(axes, _title(summary), cost, below)
    entries = len(axes.get_legend_handles_labels()[1])
    columns = entries if entries <= _LEGEND_COLUMNS else math.ceil(entries / 2)
    figure.legend(loc="outside lower center", ncols=columns, **LEGEND)
    names = {m["trial"]: m["architecture"] for m in summary["front"]}
    names |= {r["trial"]: r["architecture"] for r in summary["references"].values()}
    labels = [
        (complete[number], label_text(number, what, names[number]))
        for number, what in marked.items()
    ]
    place_labels(axes, labels, avoid=[*drawn, *means.values(), *corners])
    return figure


def has_points(records: Sequence[TrialRecord], cost: str) -> bool:
    """Whether there is anything to draw against a cost."""
    return bool(_points(records, cost, Outcome.COMPLETE))


def _points(records: Sequence[TrialRecord], cost: str, outcome: Outcome) -> dict[int, Point]:
    """Return (cost, accuracy in percent) by trial number, of trials that have both."""
    return {
        record.number: (record.costs[cost], 100 * record.val_accuracy)
        for record in records
        if record.outcome is outcome
        and record.val_accuracy is not None
        and record.costs.get(cost, 0.0) > 0
    }


def marked_trials(
    summary: Mapping[str, Any], complete: Mapping[int, Point]
) -> dict[int, list[str]]:
    """Return what a trial is (sweet spot, a reference, or both) by its number."""
    marked: dict[int, list[str]] = {}
    spot = summary["sweet_spot"]
    if spot is not None and spot["trial"] in complete:
        marked[spot["trial"]] = ["sweet spot"]
    for name, reference in summary["references"].items():
        if reference["trial"] in complete:
            marked.setdefault(reference["trial"], []).append(f"{name} reference")
    return marked


def _draw_trials(axes: "Axes", complete: Sequence[Point], stopped: Sequence[Point]) -> None:
    if stopped:
        axes.scatter(
            *columns_of(stopped), s=28, marker="x", linewidths=1, color=GREY, alpha=0.55,
            label="stopped early", zorder=2,
        )  # fmt: skip
    if complete:
        axes.scatter(
            *columns_of(complete), s=34, color=SKY, edgecolors="white", linewidths=0.6,
            label="complete", zorder=3,
        )  # fmt: skip


def columns_of(points: Iterable[Point]) -> tuple[list[float], list[float]]:
    """Return points as two columns."""
    costs, accuracies = zip(*points, strict=True)
    return list(costs), list(accuracies)


def _draw_front(axes: "Axes", front: Sequence[Point]) -> list[Point]:
    """Draw the front as a step line; return the line's inner corners."""
    steps: list[Point] = []
    for point in sorted(front, key=lambda p: (p[0], -p[1])):
        if not steps or point[1] > steps[-1][1]:
            steps.append(point)
    if not steps:
        return []
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    axes.plot(
        [steps[0][0], *(cost for cost, _ in steps), right],
        [bottom, *(accuracy for _, accuracy in steps), steps[-1][1]],
        drawstyle="steps-post", color=BLUE, linewidth=1.4, alpha=0.8, zorder=4,
    )  # fmt: skip
    axes.scatter(
        *columns_of(front), s=46, color=BLUE, edgecolors="white", linewidths=0.8,
        label="front", zorder=5,
    )  # fmt: skip
    return [(after[0], before[1]) for before, after in itertools.pairwise(steps)]


#: How what a trial is gets drawn: marker, size and colour.
SHAPES = {
    "sweet spot": ("*", 330, VERMILION),
    "cnn reference": ("D", 70, ORANGE),
    "dnn reference": ("s", 70, ORANGE),
}


def _draw_marked(
    axes: "Axes",
    marked: Mapping[int, Sequence[str]],
    complete: Mapping[int, Point],
) -> None:
    for number, what in marked.items():
        shape, size, colour = SHAPES[what[0]]
        axes.scatter(
            *complete[number], s=size, marker=shape, color=colour, edgecolors="black",
            linewidths=0.8, label=" and ".join(what), zorder=6,
        )  # fmt: skip


def _mean_points(summary: Mapping[str, Any], cost: str) -> dict[int, Point]:
    """Return the mean (cost, accuracy in percent) of each finalist's trainings, by trial."""
    return {
        finalist["trial"]: (finalist["costs"][cost]["mean"], 100 * finalist["val_accuracy"]["mean"])
        for finalist in finalists_of(summary)
    }


def _draw_finalists(
    axes: "Axes", summary: Mapping[str, Any], cost: str, complete: Mapping[int, Point]
) -> None:
    """Draw the finalists' means with their standard errors, joined to the first training."""
    means = _mean_points(summary, cost)
    if not means:
        return
    for number, mean in means.items():
        if number in complete:
            axes.plot(*columns_of([complete[number], mean]), ":", color="black", lw=0.9, zorder=5)
    finalists = finalists_of(summary)
    axes.errorbar(
        *columns_of(means.values()),
        xerr=[f["costs"][cost]["standard_error"] or 0.0 for f in finalists],
        yerr=[100 * (f["val_accuracy"]["standard_error"] or 0.0) for f in finalists],
        fmt="o", markersize=4.5, markerfacecolor="white", color="black", elinewidth=1.1,
        capsize=2.5, label="finalist: mean ± standard error", zorder=7,
    )  # fmt: skip


def _title(summary: Mapping[str, Any]) -> str:
    counts, data = summary["trials"], summary["data"]
    censored = counts[Outcome.CENSORED]
    return (
        f"{drawable(data['name'])}: {counted(ended_trials(summary), 'trial')}, "
        f"{len(summary['front'])} on the front"
        f"{f', {censored} censored' if censored else ''}\n"
        f"{data['train']:,} training and {data['validation']:,} validation images, "
        f"{len(data['classes'])} classes"
    )


def label_text(number: int, what: Sequence[str], architecture: str) -> str:
    """Return a trial's label: what it is, and its architecture on lines of bearable length."""
    lines = [""]
    for part in drawable(architecture).split("-"):
        joined = f"{lines[-1]}-{part}" if lines[-1] else part
        if len(joined) <= _LINE_LENGTH or not lines[-1]:
            lines[-1] = joined
        else:
            lines[-1] += "-"
            lines.append(part)
    return "\n".join([f"{' and '.join(what)}: trial {number}", *lines])
