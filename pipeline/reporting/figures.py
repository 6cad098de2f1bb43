"""The Pareto figure: accuracy against a cost, with front, references and sweet spot.

Colours are from the palette of M. Okabe and K. Ito (https://jfly.uni-koeln.de/color/), which
stays distinct for colour-blind readers; shapes differ as well, for print in grey.
"""

import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.axes import Point, frame_points, name_axes
from pipeline.reporting.files import write_atomically
from pipeline.reporting.placing import place_labels
from pipeline.reporting.wording import counted, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, SKY, VERMILION, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#767676"
_INCHES = (8.0, 5.0)
_DOTS_PER_INCH = 150  #: 1200 x 750 pixels, the width of a README
_LINE_LENGTH = 26  #: characters of an architecture in a label
_LEGEND: dict[str, Any] = {
    "ncols": 6, "frameon": False, "fontsize": 9, "columnspacing": 1.4, "handletextpad": 0.3,
    "markerscale": 0.85,
}  # fmt: skip


def write_figures(
    sweep_dir: Path, summary: Mapping[str, Any], records: Sequence[TrialRecord]
) -> list[Path]:
    """Write ``figures/pareto-COST.png`` for each cost of the sweep.

    A cost that no complete trial has (yet) gets no figure.

    Parameters
    ----------
    summary
        The content of ``summary.json``.
    records
        Every trial; stopped ones are drawn too, others that are not complete are not.

    Returns
    -------
    list of Path
        Of what was written, the leading cost's first.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    paths = []
    for cost in summary["costs"]:
        if not _points(records, cost, Outcome.COMPLETE):
            continue
        path = sweep_dir / "figures" / f"pareto-{cost}.png"
        write_atomically(path, png(pareto_figure(summary, records, cost)))
        paths.append(path)
    return paths


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
    """Return the figure for one cost; see ``write_figures``.

    The step line joins the trials that are on the front of accuracy against this cost alone;
    with several costs the front has further members, drawn without a line. Trials far below
    the front are left out and counted, so that the front fills the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    complete = _points(records, cost, Outcome.COMPLETE)
    stopped = _points(records, cost, Outcome.STOPPED)
    members = [m for m in summary["front"] if m["trial"] in complete]
    marked = _marked(summary, complete)

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    front = [complete[member["trial"]] for member in members]
    drawn = [*complete.values(), *stopped.values()]
    important = [complete[number] for number in marked] or front
    lowest = frame_points(axes, drawn, [accuracy for _, accuracy in important])
    special = {member["trial"] for member in members} | set(marked)
    _draw_trials(
        axes,
        [p for number, p in complete.items() if number not in special and p[1] >= lowest],
        [point for point in stopped.values() if point[1] >= lowest],
    )
    corners = _draw_front(axes, front)
    _draw_marked(axes, marked, complete)
    name_axes(axes, _title(summary), cost, sum(point[1] < lowest for point in drawn))
    figure.legend(loc="outside lower center", **_LEGEND)
    names = {m["trial"]: m["architecture"] for m in summary["front"]}
    names |= {r["trial"]: r["architecture"] for r in summary["references"].values()}
    labels = [
        (complete[number], _label(number, what, names[number])) for number, what in marked.items()
    ]
    place_labels(axes, labels, avoid=[*drawn, *corners])
    return figure


def _points(records: Sequence[TrialRecord], cost: str, outcome: Outcome) -> dict[int, Point]:
    """Return (cost, accuracy in percent) by trial number, of trials that have both."""
    return {
        record.number: (record.costs[cost], 100 * record.val_accuracy)
        for record in records
        if record.outcome is outcome
        and record.val_accuracy is not None
        and record.costs.get(cost, 0.0) > 0
    }


def _marked(summary: Mapping[str, Any], complete: Mapping[int, Point]) -> dict[int, list[str]]:
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
            *_columns(stopped), s=28, marker="x", linewidths=1, color=GREY, alpha=0.55,
            label="stopped early", zorder=2,
        )  # fmt: skip
    if complete:
        axes.scatter(
            *_columns(complete), s=34, color=SKY, edgecolors="white", linewidths=0.6,
            label="complete", zorder=3,
        )  # fmt: skip


def _columns(points: Iterable[Point]) -> tuple[list[float], list[float]]:
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
        *_columns(front), s=46, color=BLUE, edgecolors="white", linewidths=0.8,
        label="front", zorder=5,
    )  # fmt: skip
    return [(after[0], before[1]) for before, after in itertools.pairwise(steps)]


_SHAPES = {
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
        shape, size, colour = _SHAPES[what[0]]
        axes.scatter(
            *complete[number], s=size, marker=shape, color=colour, edgecolors="black",
            linewidths=0.8, label=" and ".join(what), zorder=6,
        )  # fmt: skip


def _title(summary: Mapping[str, Any]) -> str:
    counts, data = summary["trials"], summary["data"]
    ended = sum(counts.values()) - counts["running"]
    return (
        f"{drawable(data['name'])}: {counted(ended, 'trial')}, "
        f"{len(summary['front'])} on the front\n"
        f"{data['train']:,} training and {data['validation']:,} validation images, "
        f"{len(data['classes'])} classes"
    )


def _label(number: int, what: Sequence[str], architecture: str) -> str:
    lines = [""]
    for part in drawable(architecture).split("-"):
        joined = f"{lines[-1]}-{part}" if lines[-1] else part
        if len(joined) <= _LINE_LENGTH or not lines[-1]:
            lines[-1] = joined
        else:
            lines[-1] += "-"
            lines.append(part)
    return "\n".join([f"{' and '.join(what)}: trial {number}", *lines])
