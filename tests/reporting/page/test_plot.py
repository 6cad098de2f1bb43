"""How a drawing is laid out."""

import pytest

from pipeline.reporting.axes import Limits
from pipeline.reporting.page.plot import plot


@pytest.mark.parametrize(
    ("limits", "label", "left"),
    [
        (Limits(0.0, 4.0), "accuracy", 56),
        (Limits(2.2945, 2.298), "hypervolume", 63),  # 2.2965 is as long as the longest
        (Limits(2.2945, 2.298), "", 56),
    ],
)
def test_the_axis_label_stands_beside_the_longest_tick(limits, label, left):
    drawing = plot(x_limits=Limits(0.0, 1.0), y_limits=limits, x_label="trials", y_label=label)
    assert drawing.left == drawing.x(0.0) == left
    assert drawing.x(1.0) == drawing.right
