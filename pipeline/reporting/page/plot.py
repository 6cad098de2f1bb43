"""Coordinates of a drawing: where values lie, and the ticks of its axes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.reporting.axes import Limits, linear_ticks, log_ticks, tick_text

#: Pixels of an axis' label with its gaps, and of a character of a tick.
_LABEL, _CHARACTER = 23.5, 6.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Where values lie between two ends, in pixels.

    Parameters
    ----------
    start, end
        Pixels of ``low`` and of ``high``; upwards the end is the smaller one.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return a value's pixel, rounded; beyond the ends where the value is."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = (math.log(number) for number in (low, high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A value of an axis that is marked."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A drawing with two axes, its inner part between the margins; sizes in pixels."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x: Scale
    y: Scale
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str

    def line(self, points: Iterable[tuple[float, float]]) -> str:
        """Return the points as those of an SVG polyline."""
        return " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in points)


def plot(
    *,
    x_limits: Limits,
    y_limits: Limits,
    x_label: str,
    y_label: str,
    width: int = 440,
    height: int = 280,
    left: int = 56,
    x_log: bool = False,
    y_log: bool = False,
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Plot:
    """Lay a drawing out.

    The left margin is ``left`` pixels, or what the ticks need.

    Parameters
    ----------
    x_ticks
        Values with their texts; by default round ones.
    """
    upwards = ticks(y_limits, log=y_log)
    if y_label:  # stands to the left of the longest tick
        left = max(
            left,
            math.ceil(_LABEL + _CHARACTER * max((len(text) for _, text in upwards), default=0)),
        )
    right, top, bottom = width - 14, 12, height - 44
    x = Scale(low=x_limits.low, high=x_limits.high, start=left, end=right, log=x_log)
    y = Scale(low=y_limits.low, high=y_limits.high, start=bottom, end=top, log=y_log)
    across = ticks(x_limits, log=x_log) if x_ticks is None else x_ticks
    return Plot(
        width=width, height=height, left=left, right=right, top=top, bottom=bottom, x=x, y=y,
        x_ticks=tuple(Tick(at=x(value), text=text) for value, text in across),
        y_ticks=tuple(Tick(at=y(value), text=text) for value, text in upwards),
        x_label=x_label, y_label=y_label,
    )  # fmt: skip


def ticks(limits: Limits, *, log: bool) -> list[tuple[float, str]]:
    """Return round values inside the limits with their texts."""
    values = log_ticks(*limits) if log else linear_ticks(*limits)
    return [(value, tick_text(value)) for value in values]


def whole_ticks(limits: Limits) -> list[tuple[float, str]]:
    """Return round whole numbers inside the limits, for counts."""
    return [(value, text) for value, text in ticks(limits, log=False) if value == round(value)]
