"""The axes of every picture of fronts: a cost to the right, accuracy upwards, round ticks.

Figures and the report's page share the limits and the ticks, so that they look alike.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.reporting.wording import cost_label, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]  #: a cost, and an accuracy in percent
_MILLIONS_FROM = 10_000_000
_TICKS = (4, 8)  #: fewest and most ticks of an axis


class Limits(NamedTuple):
    """What an axis shows."""

    low: float
    high: float


def accuracy_floor(points: Sequence[Point], important: Sequence[float]) -> float:
    """Return the accuracy from which points are worth drawing, so that the front fills the picture.

    Parameters
    ----------
    points
        At least one.
    important
        Accuracies that have to be inside, in percent.
    """
    high = max(accuracy for _, accuracy in points)
    floor = min(important, default=high)
    return floor - max(0.5 * (high - floor), 0.2)


def accuracy_limits(points: Sequence[Point]) -> Limits:
    """Return limits with a margin around accuracies in percent; above there is room for labels."""
    low = min(accuracy for _, accuracy in points)
    high = max(accuracy for _, accuracy in points)
    # Around a single point tenths, not hundredths, of a percent: their digits would need more room.
    margin = max(0.12 * (high - low), 0.2)
    return Limits(low - margin, min(high + 1.6 * margin, max(high, 100) + 0.5 * margin))


def log_limits(costs: Sequence[float]) -> Limits:
    """Return limits with a margin on a logarithmic axis around positive costs."""
    stretch = max((max(costs) / min(costs)) ** 0.08, 1.02)
    return Limits(min(costs) / stretch, max(costs) * stretch)


def linear_limits(values: Sequence[float]) -> Limits:
    """Return limits with a margin on a linear axis."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    # What differs in the seventh digit is drawn as one value: no tick could tell it apart.
    margin = 0.06 * (high - low) if high - low > 1e-6 * size else 0.05 * size or 1.0
    return Limits(low - margin, high + margin)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round values from ``low`` to ``high`` (positive) for a logarithmic axis.

    The coarsest of these series that gives enough of them: powers of ten, 1-3, 1-2-5, every
    digit, then ever finer even steps for a range within one digit.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fewest, most = _TICKS
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [d * 10.0**e for e in range(first, last + 1) for d in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= fewest:
            return ticks[:: math.ceil(len(ticks) / most)]
    return linear_ticks(low, high)


def linear_ticks(low: float, high: float) -> list[float]:
    """Return round values from ``low`` to ``high`` (which is more) in even steps."""
    fewest, most = _TICKS
    step = 10.0 ** math.floor(math.log10(high - low))
    while (high - low) / step < fewest:
        step /= 2
    step *= math.ceil((high - low) / step / most)
    decimals = 3 - math.floor(math.log10(step))  # of a step such as 0.025, and one to spare
    return [
        round(n * step, decimals) for n in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]


def tick_text(tick: float) -> str:
    """Return a tick's value in words: ``0.02``, ``1,000``, ``20 million``."""
    return f"{tick:,.10g}" if abs(tick) < _MILLIONS_FROM else f"{tick / 1e6:,.10g} million"


def frame_points(axes: "Axes", points: Sequence[Point], important: Sequence[float]) -> float:
    """Set a figure's limits around what matters; return the lowest accuracy inside."""
    floor = accuracy_floor(points, important)
    shown = [point for point in points if point[1] >= floor]
    axes.set_ylim(accuracy_limits(shown))
    axes.set_xlim(log_limits([cost for cost, _ in shown]))
    return min(accuracy for _, accuracy in shown)


def below_text(hidden: int, on_front: int = 0) -> str:
    """Return how many networks a figure does not show, and how many of them are on the front."""
    if not hidden:
        return ""
    whole = hidden == on_front
    others = f", {on_front} of them on the front" if on_front and not whole else ""
    return (
        f"{counted(hidden, 'network')}{' of the front' if whole else ''} "
        f"{'is' if hidden == 1 else 'are'} below this picture{others}"
    )


def name_axes(axes: "Axes", title: str, cost: str, below: str) -> None:
    """Write a figure's title, axes and ticks, and in it ``below``: what is not seen of it."""
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.set_xlabel(f"{cost_label(cost)}, log scale", fontsize=10)
    axes.set_ylabel("validation accuracy (%)", fontsize=10)
    low, high = axes.get_xlim()
    ticks = log_ticks(low, high)
    axes.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=9)
    axes.grid(True, color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    if below:
        axes.text(
            0.99, 0.015, f"↓ {below}", transform=axes.transAxes, ha="right", va="bottom",
            fontsize=9, color="#555555", zorder=8,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.85, "lw": 0},
        )  # fmt: skip
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
