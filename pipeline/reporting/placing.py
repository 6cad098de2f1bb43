"""Labels beside points of a figure, where they cover neither points nor one another."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
#: Distances of a label from its point, in pixels; nearer ones are better.
_GAPS = (16.0, 30.0, 50.0, 80.0, 120.0, 170.0)
#: The sides on which a label may lie: (right, up), each -1, 0 or 1.
_SIDES = ((-1, 1), (1, -1), (1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
#: Pixels around a point that belong to it.
_POINT_RADIUS = 9.0
#: What covering a whole point is worth, in pixels of covered label.
_POINT_PRICE = 2_000.0


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        """The area in square pixels."""
        return (self.right - self.left) * (self.top - self.bottom)

    def holds(self, point: Point, around: float = 0.0) -> bool:
        """Return whether a point lies inside, or nearer than ``around``."""
        x, y = point
        return (
            self.left - around < x < self.right + around
            and self.bottom - around < y < self.top + around
        )


def best_place(
    point: Point,
    size: tuple[float, float],
    *,
    inside: Box,
    taken: Sequence[Box],
    points: Sequence[Point],
) -> Box:
    """Return where a label of that width and height goes; everything in pixels.

    The place that sticks out of ``inside`` least and covers least of ``taken`` and ``points``;
    of equally good ones the nearest to its point.
    """

    def price(place: Box) -> float:
        outside = place.area - place.overlap(inside)
        covered = sum(place.overlap(box) for box in taken)
        hit = sum(place.holds(other, _POINT_RADIUS) for other in points)
        return 10 * outside + 4 * covered + _POINT_PRICE * hit

    places = [_beside(point, size, gap, side) for gap, side in itertools.product(_GAPS, _SIDES)]
    # `min` keeps the first of equals, which is the nearest.
    return min(places, key=price)


def _beside(point: Point, size: tuple[float, float], gap: float, side: tuple[int, int]) -> Box:
    (x, y), (width, height), (right, up) = point, size, side
    left = x + right * gap - width * (1 - right) / 2
    bottom = y + up * gap - height * (1 - up) / 2
    return Box(left, bottom, left + width, bottom + height)


def place_labels(
    axes: "Axes", labels: Sequence[tuple[Point, str]], *, avoid: Iterable[Point]
) -> None:
    """Draw each label near its point, joined to it by a thin line; texts that are there stay free.

    Parameters
    ----------
    labels
        Points in data coordinates, and texts of one or more lines.
    avoid
        Further points in data coordinates that labels are not to cover.
    """
    figure = axes.get_figure(root=True)
    if figure is None or not labels:
        return
    # Sizes and positions in pixels are known once the figure has been laid out.
    figure.canvas.draw()
    to_pixels = axes.transData.transform
    points = [(float(x), float(y)) for x, y in map(to_pixels, (*avoid, *(p for p, _ in labels)))]
    window = axes.get_window_extent()
    inside = Box(window.x0, window.y0, window.x1, window.y1)
    taken = [Box(*text.get_window_extent().extents) for text in axes.texts]
    for data_point, text in labels:
        annotation = axes.annotate(
            text, data_point, xytext=(0, 0), textcoords="offset points", fontsize=9,
            linespacing=1.15, parse_math=False, zorder=8, ha="left", va="bottom",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.85, "lw": 0},
            arrowprops={"arrowstyle": "-", "color": "#555555", "lw": 0.8, "shrinkB": 6},
        )  # fmt: skip
        annotation.set_in_layout(False)
        extent = annotation.get_window_extent()
        x, y = to_pixels(data_point)
        place = best_place(
            (float(x), float(y)),
            (extent.width, extent.height),
            inside=inside,
            taken=taken,
            points=points,
        )
        pixels_a_point = figure.dpi / 72
        annotation.set_position(
            ((place.left - x) / pixels_a_point, (place.bottom - y) / pixels_a_point)
        )
        taken.append(place)
