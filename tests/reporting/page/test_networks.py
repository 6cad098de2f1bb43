import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import shape_journey
from pipeline.reporting.compare import Answers
from pipeline.reporting.page.networks import (
    commonest_confusions,
    confusion_matrix,
    drawn_journey,
    networks_view,
    picture_source,
)
from pipeline.reporting.page.sources import ReportSources

ANSWERS = Answers(predicted=np.array([0, 0, 1, 1, 2, 0]), labels=np.array([0, 0, 0, 1, 2, 2]))


def test_side_by_side(sources: ReportSources) -> None:
    view = networks_view(sources)
    assert [network.title for network in view.networks] == [
        "sweet spot", "cnn reference", "dnn reference"
    ]  # fmt: skip
    rows = {row.label: row.cells for row in view.rows}
    assert rows["test accuracy"] == (
        ("95.00%", "88.82 to 97.85%"), ("90.00%", "82.56 to 94.48%"), ("80.00%", "71.12 to 86.66%")
    )  # fmt: skip
    assert [value for value, _ in rows["parameters"]] == ["225,034", "243,786", "101,770"]
    assert [value for value, _ in rows["batch size"]] == ["256", "128", "128"]
    assert [network.wrong for network in view.networks] == [5, 10, 20]
    assert [len(network.mistakes) for network in view.networks] == [5, 10, 12]
    by_class = {row.label: row.cells for row in view.class_rows}
    assert by_class["a"] == (
        ("90.0%", "59.6 to 98.2%"), ("90.0%", "59.6 to 98.2%"), ("80.0%", "49.0 to 94.3%")
    )  # fmt: skip


def test_before_test_is_read_there_are_numbers_and_journeys_only(sources: ReportSources) -> None:
    view = networks_view(replace(sources, answers={}, mistakes={}))
    assert view.class_rows == ()
    assert all(network.journey and not network.matrix for network in view.networks)


def test_the_matrix_counts_rows_by_the_right_class() -> None:
    matrix = confusion_matrix(ANSWERS, 3)
    assert [[cell.images for cell in row] for row in matrix] == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert [[cell.right for cell in row] for row in matrix] == np.eye(3, dtype=bool).tolist()
    assert matrix[0][2].shade == 0 < matrix[0][1].shade
    assert confusion_matrix(ANSWERS, 26) == ()


def test_the_commonest_confusions() -> None:
    assert commonest_confusions(ANSWERS, ["x", "y", "z"]) == (("x", "y", 1), ("z", "x", 1))


def test_a_journey_is_drawn_to_scale() -> None:
    drawn = drawn_journey(shape_journey(REFERENCES["cnn"], (28, 28, 1), 10))
    sides = [stage.side_x for stage in drawn if stage.sheets]
    assert sides == sorted(sides, reverse=True)
    assert [stage.sheets for stage in drawn][:2] == [1, 7]
    heights = [stage.side_y for stage in drawn if not stage.sheets]
    assert heights == sorted(heights, reverse=True)
    assert drawn_journey(()) == ()


def test_pictures_are_small_and_keep_their_colours() -> None:
    def opened(source: str) -> Image.Image:
        assert source.startswith("data:image/png;base64,")
        return Image.open(BytesIO(base64.b64decode(source.partition(",")[2])))

    grey = np.full((28, 28, 1), 7, dtype=np.uint8)
    assert opened(picture_source(grey)).size == (28, 28)
    assert opened(picture_source(grey)).getpixel((3, 3)) == 7
    colour = np.zeros((300, 200, 3), dtype=np.uint8)
    colour[:, :, 0] = 200
    picture = opened(picture_source(colour))
    assert picture.size == (64, 96)
    assert picture.getpixel((5, 5)) == (200, 0, 0)
