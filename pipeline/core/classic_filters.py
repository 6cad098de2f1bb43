"""The classic filters by name.

Numbers as in image processing's textbooks; see R. C. Gonzalez and R. E. Woods, *Digital Image
Processing*, chapter 3, and L. Vandevenne, *Image Filtering*
(https://lodev.org/cgtutor/filtering.html), whose motion blur, line filters and emboss these
are. Like a network's convolution they are laid over the picture as they are written, not
turned round.
"""

import numpy as np

from pipeline.core.errors import ConfigurationError, one_of
from pipeline.core.filters import Filter

_MOTION_SIDE = 9


def _filter(name: str, does: str, text: str, *, divisor: int = 1, bias: float = 0.0) -> Filter:
    rows = tuple(tuple(map(float, row.split())) for row in text.split("/"))
    return Filter(name=name, does=does, rows=rows, factor=1 / divisor, bias=bias)


_ALL = (
    _filter("identity", "changes nothing", "0 0 0 / 0 1 0 / 0 0 0"),
    _filter("blur", "the mean of each pixel and its neighbours", "1 1 1 / 1 1 1 / 1 1 1",
            divisor=9),
    _filter("gaussian_blur", "a mean in which near pixels count more", "1 2 1 / 2 4 2 / 1 2 1",
            divisor=16),
    _filter("gaussian_blur_5", "the same, wider",
            "1 4 6 4 1 / 4 16 24 16 4 / 6 24 36 24 6 / 4 16 24 16 4 / 1 4 6 4 1", divisor=256),
    Filter(name="motion_blur", does="as if the camera had moved, down to the right",
           rows=tuple(map(tuple, np.eye(_MOTION_SIDE).tolist())), factor=1 / _MOTION_SIDE),
    _filter("sharpen", "strengthens what differs from its neighbours",
            "0 -1 0 / -1 5 -1 / 0 -1 0"),
    _filter("sharpen_strong", "the same, against all eight neighbours",
            "-1 -1 -1 / -1 9 -1 / -1 -1 -1"),
    _filter("edges", "edges in every direction", "-1 -1 -1 / -1 8 -1 / -1 -1 -1"),
    _filter("edges_horizontal", "horizontal lines", "-1 -1 -1 / 2 2 2 / -1 -1 -1"),
    _filter("edges_vertical", "vertical lines", "-1 2 -1 / -1 2 -1 / -1 2 -1"),
    _filter("edges_falling", "diagonal lines, down to the right", "2 -1 -1 / -1 2 -1 / -1 -1 2"),
    _filter("edges_rising", "diagonal lines, up to the right", "-1 -1 2 / -1 2 -1 / 2 -1 -1"),
    _filter("sobel_x", "from dark to bright, left to right", "-1 0 1 / -2 0 2 / -1 0 1"),
    _filter("sobel_y", "from bright to dark, top to bottom", "1 2 1 / 0 0 0 / -1 -2 -1"),
    _filter("laplacian", "the second derivative: bright beside dark, twice",
            "0 -1 0 / -1 4 -1 / 0 -1 0"),
    _filter("emboss", "as if pressed into metal and lit from one corner",
            "-1 -1 0 / -1 0 1 / 0 1 1", bias=128),
    _filter("lesson_horizontal", "the lesson's horizontal edges", "-1 -2 -1 / 0 0 0 / 1 2 1"),
    _filter("lesson_vertical", "the lesson's vertical edges", "-1 0 1 / -2 0 2 / -1 0 1"),
    _filter("lesson_all", "the lesson's edges in all directions", "0 1 0 / 1 -4 1 / 0 1 0"),
)  # fmt: skip

CLASSIC_FILTERS: dict[str, Filter] = {kernel.name: kernel for kernel in _ALL}


def classic_filter(name: str) -> Filter:
    """Return a filter by its name.

    Raises
    ------
    ConfigurationError
        There is none of that name; the message lists them.
    """
    if name not in CLASSIC_FILTERS:
        raise ConfigurationError(f"{name!r} is not a filter; choose {one_of(CLASSIC_FILTERS)}")
    return CLASSIC_FILTERS[name]
