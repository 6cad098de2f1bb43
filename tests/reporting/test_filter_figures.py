import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pipeline.config import FiltersConfig
from pipeline.core.classic_filters import CLASSIC_FILTERS
from pipeline.reporting.filter_figures import (
    Step,
    gallery_figure,
    picture_png,
    steps_figure,
    visible,
)
from pipeline.reporting.filter_page import filter_lines, show_filter, show_gallery, show_steps


def step(name, height, width):
    values = np.linspace(-300, 400, height * width, dtype=np.float32)
    return Step(name=name, what="w", values=values.reshape(height, width, 1))


def test_black_white_and_blue():
    values = np.array([[0.0, 100.0, 900.0, -900.0]], dtype=np.float32)[..., None]
    dark, middle, bright, negative = visible(values)[0].tolist()
    assert (dark, middle, bright) == ([0] * 3, [100] * 3, [255] * 3)
    assert negative[2] > negative[1] > negative[0]
    assert visible(values, negative=False)[0, 3].tolist() == [0] * 3
    assert visible(np.repeat(values, 3, axis=2))[0, 3].tolist() == [0] * 3


def test_a_picture_is_written_a_pixel_for_a_pixel():
    with Image.open(io.BytesIO(picture_png(step("x", 5, 7).values))) as picture:
        assert picture.size == (7, 5)


@pytest.mark.parametrize(("height", "width", "rows"), [(28, 28, 1), (40, 90, 2), (90, 40, 1)])
def test_steps_say_their_sizes_and_values(height, width, rows):
    steps = [step(name, height, width) for name in ("picture", "convolution", "ReLU", "pooling")]
    figure = steps_figure("$x_$ on <b>", steps)
    figure.canvas.draw()
    assert figure.axes[0].get_title() == f"picture, {height}×{width}"
    assert {axes.get_xlabel() for axes in figure.axes} == {"values -300 to 400"}
    tops = sorted({round(axes.get_position().y1, 2) for axes in figure.axes})
    assert len(tops) == rows
    assert "blue" in figure.get_supxlabel()


def test_the_gallery_names_every_filter_and_overlaps_nothing():
    pictures = [(name, step(name, 43, 64).values) for name in CLASSIC_FILTERS]
    figure = gallery_figure("classic filters", pictures)
    figure.canvas.draw()
    named = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in named] == list(CLASSIC_FILTERS)
    boxes = [axes.get_tightbbox() for axes in named]
    for left, right in pairwise(boxes):
        assert left is not None and right is not None and not left.overlaps(right)


def test_the_gallery_shows_the_middle_of_large_pictures_and_says_so():
    values = np.arange(425 * 638, dtype=np.float32).reshape(425, 638, 1) % 251
    figure = gallery_figure("classic filters", [("blur", values)])
    (shown,) = (axes.get_images()[0].get_array() for axes in figure.axes if axes.get_title())
    assert shown is not None and shown.shape[:2] == (150, 225)
    np.testing.assert_array_equal(shown[..., 0], values[137:287, 206:431, 0])
    assert figure.get_suptitle() == "classic filters: 150×225 pixels in its middle"


def test_the_terminal_explains_a_filter(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    settings = FiltersConfig(kernel="blur", stride=2)
    (kernel,) = settings.chosen()
    show_filter(filter_lines(kernel, settings, "china", (427, 640)))
    show_steps([step("convolution", 213, 319)])
    show_gallery([kernel])
    said = capsys.readouterr().out
    for part in (
        "blur on china: the mean of each pixel and its neighbours",
        "  1  1  1",
        "all added up, divided by 9.",
        "add up to 1: the picture keeps its brightness",
        "427 - 2 = 425, every 2nd of them: 213",
        "213×319  -300 to 400",
    ):
        assert part in said
    assert "normalise" not in said


def test_normalising_is_offered_where_it_changes_something():
    settings = FiltersConfig(matrix=((1.0, 1.0, 1.0),), factor=0.5, bias=-3)
    lines = filter_lines(settings.chosen()[0], settings, "x", (9, 9))
    assert "filters.normalise=true keeps the brightness." in lines
    assert "Each number times the pixel under it, all added up, divided by 2, minus 3." in lines
