"""A filtered picture at each step, as figures and as plain picture files."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.figures import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 150
_INCHES_WIDE = 10.0
_INCHES_OF_TEXT = 0.45  #: what a row has above and below its pictures
_WIDE = 1.2  #: width by height from which on pictures stand in two rows
_GALLERY_COLUMNS = 4
#: Most pixels of a picture among many.
_GALLERY_HEIGHT, _GALLERY_WIDTH = 150, 225
_WHITE = 255.0
#: Of what is below 0; the brighter the further. Blue is in no grey picture.
_NEGATIVE = np.array([0.25, 0.6, 1.0])
_SMOOTH_FROM = 200  #: pixels; smaller pictures are shown as squares


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A picture at one step.

    Parameters
    ----------
    name
        Such as ``convolution``.
    what
        What happened to it, in words.
    values
        Shape ``(height, width, channels)``; 0 is black and 255 is white.
    """

    name: str
    what: str
    values: NDArray[np.float32]

    @property
    def size_text(self) -> str:
        """Height and width, such as ``26×26``."""
        return f"{self.values.shape[0]}×{self.values.shape[1]}"

    @property
    def range_text(self) -> str:
        """The smallest and the largest value."""
        return f"{_whole(self.values.min())} to {_whole(self.values.max())}"


def visible(values: NDArray[np.float32], *, negative: bool = True) -> NDArray[np.uint8]:
    """Return a picture to look at, uint8 of three channels: 0 is black and 255 white.

    Parameters
    ----------
    negative
        Show what is below 0 in a grey picture in blue; else, and in colour, it is black.
    """
    cut = np.clip(values, 0.0, _WHITE)
    grey = values.shape[2] == 1
    shown = np.repeat(cut, 3, axis=2) if grey else cut
    if grey and negative:
        shown = shown + np.clip(-values, 0.0, _WHITE) * _NEGATIVE
    return np.rint(shown).astype(np.uint8)


def picture_png(values: NDArray[np.float32]) -> bytes:
    """Return a picture as a PNG file's content, a pixel for a pixel; see ``visible``."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(visible(values)).save(buffer, format="png")
    return buffer.getvalue()


def steps_figure(title: str, steps: Sequence[Step]) -> "Figure":
    """Return all steps in one figure, with sizes and ranges: in a row, or wide ones in two."""
    height, width = steps[0].values.shape[:2]
    columns = 2 if width > _WIDE * height else len(steps)
    figure, places = _figure(columns, math.ceil(len(steps) / columns), height / width)
    figure.suptitle(drawable(title), fontsize=12, parse_math=False)
    for place, step in zip(places, steps, strict=False):
        _show(place, visible(step.values))
        place.set_title(f"{step.name}, {step.size_text}", fontsize=10, parse_math=False)
        place.set_xlabel(f"values {step.range_text}", fontsize=9)
    if any(step.values.shape[2] == 1 and step.values.min() < 0 for step in steps):
        figure.supxlabel(
            "values below 0 are blue, values above 255 white", fontsize=9, color="#555555"
        )
    return figure


def gallery_figure(title: str, pictures: Sequence[tuple[str, NDArray[np.float32]]]) -> "Figure":
    """Return many pictures in one figure, each with its name; what is below 0 is black.

    Of large ones the middle is shown: a blur of three pixels cannot be seen in all of a photograph.
    """
    height, width = pictures[0][1].shape[:2]
    if height > _GALLERY_HEIGHT or width > _GALLERY_WIDTH:
        pictures = [(name, _middle(values)) for name, values in pictures]
        height, width = pictures[0][1].shape[:2]
        title += f": {height}×{width} pixels in its middle"
    rows = math.ceil(len(pictures) / _GALLERY_COLUMNS)
    figure, places = _figure(_GALLERY_COLUMNS, rows, height / width)
    figure.suptitle(drawable(title), fontsize=12, parse_math=False)
    for place, (name, values) in zip(places, pictures, strict=False):
        _show(place, visible(values, negative=False))
        place.set_title(name, fontsize=10, parse_math=False)
    return figure


def _middle(values: NDArray[np.float32]) -> NDArray[np.float32]:
    top, left = (
        max(0, (side - most) // 2)
        for side, most in zip(values.shape, (_GALLERY_HEIGHT, _GALLERY_WIDTH), strict=False)
    )
    return values[top : top + _GALLERY_HEIGHT, left : left + _GALLERY_WIDTH]


def _figure(columns: int, rows: int, aspect: float) -> tuple["Figure", list["Axes"]]:
    """Return a figure with a grid of empty panels; ``aspect`` is a picture's height by width."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panel = _INCHES_WIDE / columns * min(max(aspect, 0.2), 3.0)
    figure = Figure(
        figsize=(_INCHES_WIDE, rows * (panel + _INCHES_OF_TEXT) + _INCHES_OF_TEXT),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    places: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for place in places:
        place.set_axis_off()
    return figure, places


def _show(place: "Axes", pixels: NDArray[np.uint8]) -> None:
    smooth = min(pixels.shape[:2]) >= _SMOOTH_FROM
    place.set_axis_on()
    place.imshow(pixels, interpolation="antialiased" if smooth else "nearest")
    place.set_xticks([])
    place.set_yticks([])


def _whole(value: float) -> str:
    return f"{round(float(value)):,}"
