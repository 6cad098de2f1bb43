"""Intervals and tests by hand, against scipy, and how often an interval holds the truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats  # type: ignore[import-untyped]

from pipeline.core.statistics import (
    MeanError,
    holm,
    mcnemar,
    mean_standard_error,
    normal_quantile,
    wilson_interval,
)

confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])
counts = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_by_hand() -> None:
    # 8 of 10: centre (0.8 + 0.19207) / 1.38415, half 1.95996 sqrt(0.016 + 0.0096036) / 1.38415.
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_wilson_has_a_width_where_all_or_none_are_right() -> None:
    none, all_right = wilson_interval(0, 100), wilson_interval(100, 100)
    assert none.low == 0.0 and 0.03 < none.high < 0.04
    assert all_right.high == 1.0 and 0.96 < all_right.low < 0.97


@settings(deadline=None)
@given(counts, confidences)
def test_wilson_equals_scipy(count: tuple[int, int], confidence: float) -> None:
    interval = wilson_interval(*count, confidence)
    theirs = stats.binomtest(*count).proportion_ci(confidence, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0.0 <= interval.low <= count[0] / count[1] <= interval.high <= 1.0


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_proportion(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no proportion"):
        wilson_interval(correct, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(confidence)


@pytest.mark.parametrize(("share", "images"), [(0.91, 200), (0.91, 10_000), (0.5, 270)])
def test_wilson_holds_the_truth_as_often_as_it_says(share: float, images: int) -> None:
    random = np.random.default_rng(images)
    intervals = [wilson_interval(int(n), images) for n in random.binomial(images, share, 2_000)]
    held = sum(interval.low <= share <= interval.high for interval in intervals)
    assert 0.92 <= held / 2_000 <= 0.98


def test_mean_standard_error_by_hand() -> None:
    # Deviations -1, 0, 1: s = 1, over the root of 3.
    assert mean_standard_error([1.0, 2.0, 3.0]) == pytest.approx((2.0, 1 / math.sqrt(3), 3))
    assert mean_standard_error([0.9]) == MeanError(mean=0.9, standard_error=None, n=1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_values_without_a_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="a mean needs finite values"):
        mean_standard_error(values)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_mean_standard_error_equals_scipy(values: list[float]) -> None:
    mean, error, n = mean_standard_error(values)
    assert error is not None
    assert n == len(values)
    assert mean == pytest.approx(np.mean(values), abs=1e-6)
    assert error == pytest.approx(stats.sem(values), rel=1e-6, abs=1e-6)


def pair(both: int, only_first: int, only_second: int, neither: int) -> tuple[ArrayLike, ArrayLike]:
    parts = (both, only_first, only_second, neither)
    return (
        np.repeat([True, True, False, False], parts),
        np.repeat([True, False, True, False], parts),
    )


def test_mcnemar_by_hand() -> None:
    # Of 6 images on which they differ 1 speaks for the first: 2 (1 + 6) / 64.
    test = mcnemar(*pair(80, 1, 5, 14))
    assert (test.images, test.only_first, test.only_second) == (100, 1, 5)
    assert test.p_value == pytest.approx(14 / 64)
    assert test.difference == pytest.approx(-0.04)


def test_interval_of_the_difference_by_hand() -> None:
    # One image more each way: 2/102 against 6/102.
    interval = mcnemar(*pair(80, 1, 5, 14)).interval
    half = 1.959964 * math.sqrt((8 / 102 - (4 / 102) ** 2) / 102)
    assert (interval.low, interval.high) == pytest.approx((-4 / 102 - half, -4 / 102 + half))


def test_two_that_answer_alike() -> None:
    test = mcnemar(*pair(90, 0, 0, 10))
    assert (test.p_value, test.difference) == (1.0, 0.0)
    assert test.interval.low < 0 < test.interval.high


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 300)] * 4).filter(lambda parts: sum(parts) > 0))
def test_mcnemar_equals_scipy_and_is_symmetric(parts: tuple[int, int, int, int]) -> None:
    first, second = pair(*parts)
    ours, swapped = mcnemar(first, second), mcnemar(second, first)
    differing = ours.only_first + ours.only_second
    expected = stats.binomtest(ours.only_first, differing).pvalue if differing else 1.0
    assert ours.p_value == pytest.approx(expected, rel=1e-9)
    assert swapped.p_value == ours.p_value
    assert swapped.difference == -ours.difference
    ends = (-ours.interval.high, -ours.interval.low)
    assert (swapped.interval.low, swapped.interval.high) == pytest.approx(ends)
    assert -1 <= ours.interval.low <= ours.difference <= ours.interval.high <= 1


def test_as_many_differing_images_as_there_may_be() -> None:
    assert mcnemar(*pair(0, 2_000, 0, 0)).p_value == 0.0
    assert mcnemar(*pair(0, 1_000, 1_000, 0)).p_value == 1.0


def test_interval_of_the_difference_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = 0
    for both, first, second, neither in random.multinomial(1_000, [0.87, 0.03, 0.04, 0.06], 1_000):
        interval = mcnemar(*pair(both, first, second, neither)).interval
        held += interval.low <= 0.03 - 0.04 <= interval.high
    assert 0.92 <= held / 1_000 <= 0.98


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([True], [True, False], "images come in pairs, not 1 and 2"),
        ([], [], "a row of truth values is needed"),
        ([1, 0], [True, False], "a row of truth values is needed, not int64"),
        ([[True]], [[True]], "a row of truth values is needed"),
    ],
)
def test_what_cannot_be_paired(first: ArrayLike, second: ArrayLike, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mcnemar(first, second)


def test_holm_by_hand() -> None:
    # Smallest first: 0.01 of 3, 0.02 of 2, 0.9 of 1; none below a smaller one's.
    assert holm([0.02, 0.9, 0.01]) == pytest.approx([0.04, 0.9, 0.03])
    assert holm([0.03, 0.02]) == pytest.approx([0.04, 0.04])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_values_and_bonferronis(values: list[float]) -> None:
    for value, adjusted in zip(values, holm(values), strict=True):
        assert value <= adjusted <= min(1.0, len(values) * value) + 1e-12
