"""Ticks are round and inside, limits hold what matters."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.reporting.axes import (
    accuracy_floor,
    accuracy_limits,
    below_text,
    linear_limits,
    linear_ticks,
    log_limits,
    log_ticks,
    tick_text,
)


@given(st.floats(1e-4, 1e8), st.floats(1.001, 1e6))
def test_ticks_are_round_few_and_inside(low: float, ratio: float) -> None:
    high = low * ratio
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    slack = 1e-9 * high
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert all(math.isclose(float(f"{tick:.6g}"), tick, rel_tol=1e-6) for tick in ticks)


def test_ticks_by_hand() -> None:
    assert log_ticks(0.8, 12_000) == [1, 10, 100, 1_000, 10_000]
    assert log_ticks(0.8, 120) == pytest.approx([1, 3, 10, 30, 100])
    assert log_ticks(0.86, 0.89) == [0.86, 0.865, 0.87, 0.875, 0.88, 0.885, 0.89]
    assert log_ticks(9.5, 10.5) == [9.5, 9.75, 10.0, 10.25, 10.5]


@example(1e6, 1e-3)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_linear_ticks_are_few_and_inside(low: float, width: float) -> None:
    high = low + width
    ticks = linear_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    slack = 1e-6 * max(abs(low), abs(high), 1.0)
    assert all(low - slack <= tick <= high + slack for tick in ticks)


def test_ticks_in_words() -> None:
    assert [tick_text(t) for t in (0.02, 1_000, 2e7, -0.5)] == [
        "0.02",
        "1,000",
        "20 million",
        "-0.5",
    ]


def test_points_far_below_what_matters_are_not_worth_drawing() -> None:
    points = [(1.0, 10.0), (1.0, 88.0), (2.0, 92.0)]
    assert accuracy_floor(points, [88.0]) == pytest.approx(86.0)
    assert accuracy_floor(points, []) == pytest.approx(91.8)


@example([(1e9, 0.0), (math.nextafter(1e9, 0), 0.0)])
@given(st.lists(st.tuples(st.floats(1e-6, 1e9), st.floats(0, 100)), min_size=1))
def test_limits_hold_every_point(points: list[tuple[float, float]]) -> None:
    costs, accuracies = [c for c, _ in points], [a for _, a in points]
    for values, limits in (
        (costs, log_limits(costs)),
        (costs, linear_limits(costs)),
        (accuracies, accuracy_limits(points)),
    ):
        assert limits.low < min(values) and max(values) < limits.high


@pytest.mark.parametrize(
    ("hidden", "on_front", "said"),
    [
        (0, 0, ""),
        (1, 0, "1 network is below this picture"),
        (1, 1, "1 network of the front is below this picture"),
        (5, 1, "5 networks are below this picture, 1 of them on the front"),
    ],
)
def test_what_a_figure_does_not_show_is_said(hidden: int, on_front: int, said: str) -> None:
    assert below_text(hidden, on_front) == said
