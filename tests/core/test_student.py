import math

import pytest

from pipeline.core.statistics import mean_standard_error
from pipeline.core.student import mean_interval, student_quantile


@pytest.mark.parametrize(
    ("degrees", "expected"),  # from printed tables
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042)],
)
def test_quantiles_are_those_of_the_tables(degrees, expected):
    assert student_quantile(degrees) == pytest.approx(expected, abs=5e-4)


def test_other_confidences_and_many_degrees():
    assert student_quantile(4, 0.99) == pytest.approx(4.604, abs=5e-4)
    assert student_quantile(2000) == pytest.approx(1.961, abs=1e-3)


@pytest.mark.parametrize(("degrees", "confidence"), [(0, 0.95), (3, 0.0), (3, 1.0)])
def test_what_makes_no_sense_is_refused(degrees, confidence):
    with pytest.raises(ValueError, match="degrees must be at least 1"):
        student_quantile(degrees, confidence)


def test_the_interval_of_a_mean_is_around_it_and_of_one_value_there_is_none():
    interval = mean_interval(mean_standard_error([0.90, 0.91, 0.92]))
    assert interval is not None
    assert (interval.low + interval.high) / 2 == pytest.approx(0.91)
    assert interval.high - interval.low == pytest.approx(2 * 4.3027 * 0.01 / math.sqrt(3), rel=1e-4)
    assert mean_interval(mean_standard_error([0.9])) is None
