"""Front, ranks and hypervolume against brute force, Monte Carlo and Optuna's own."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from optuna._hypervolume import compute_hypervolume

from pipeline.core.front import hypervolume, nondominated_ranks, pareto_front

Point = tuple[float, ...]


def tables(columns: int, *, most: int = 12) -> st.SearchStrategy[list[Point]]:
    """Few distinct values, so that equal points and equal columns are common."""
    value = st.integers(0, 6).map(lambda n: n / 4)
    return st.lists(st.tuples(*[value] * columns), max_size=most)


any_table = st.integers(2, 4).flatmap(tables)


def dominates(a: Point, b: Point) -> bool:
    as_good = a[0] >= b[0] and all(x <= y for x, y in zip(a[1:], b[1:], strict=True))
    return as_good and a != b


def brute_front(points: list[Point]) -> list[int]:
    return [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]


def test_more_accurate_and_cheaper_wins() -> None:
    points = [(0.9, 5.0), (0.8, 1.0), (0.85, 6.0), (0.7, 2.0), (0.95, 9.0)]
    assert pareto_front(points) == [0, 1, 4]
    assert nondominated_ranks(points) == [0, 0, 1, 1, 0]


def test_equal_points_stay_together() -> None:
    assert pareto_front([(0.9, 5.0), (0.9, 5.0), (0.8, 5.0), (0.8, 5.0)]) == [0, 1]
    assert nondominated_ranks([(0.9, 5.0), (0.9, 5.0), (0.8, 5.0), (0.8, 5.0)]) == [0, 0, 1, 1]


def test_no_points() -> None:
    assert pareto_front([]) == []
    assert nondominated_ranks([]) == []
    assert hypervolume([], (0.1, 10.0)) == 0.0


@pytest.mark.parametrize(
    "points", [[(math.nan, 1.0)], [(0.5, math.inf)], [(0.5,)], [0.5, 0.6], [[[0.5, 1.0]]]]
)
def test_points_that_are_no_table_of_numbers(points: ArrayLike) -> None:
    for rule in (pareto_front, nondominated_ranks, lambda p: hypervolume(p, (0.0, 9.0))):
        with pytest.raises(ValueError, match="points must be"):
            rule(points)


@settings(deadline=None)
@given(any_table)
def test_front_equals_brute_force(points: list[Point]) -> None:
    assert pareto_front(points) == brute_front(points)


@settings(deadline=None)
@given(any_table)
def test_ranks_equal_peeling(points: list[Point]) -> None:
    expected = [-1] * len(points)
    left = list(range(len(points)))
    rank = 0
    while left:
        front = {left[i] for i in brute_front([points[i] for i in left])}
        for index in front:
            expected[index] = rank
        left = [i for i in left if i not in front]
        rank += 1
    assert nondominated_ranks(points) == expected


@settings(deadline=None)
@given(any_table, st.randoms(use_true_random=False))
def test_order_does_not_matter(points: list[Point], random: Random) -> None:
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = [points[i] for i in order]
    assert sorted(order[i] for i in pareto_front(shuffled)) == pareto_front(points)


def test_hypervolume_by_hand() -> None:
    assert hypervolume([(0.5, 2.0)], (0.0, 4.0)) == pytest.approx(0.5 * 2.0)
    assert hypervolume([(0.5, 2.0), (0.9, 3.0)], (0.0, 4.0)) == pytest.approx(0.5 * 2 + 0.4 * 1)
    assert hypervolume([(0.5, 2.0, 1.0)], (0.0, 4.0, 4.0)) == pytest.approx(0.5 * 2 * 3)


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume([(0.05, 1.0), (0.5, 4.0), (0.5, 5.0)], (0.1, 4.0)) == 0.0
    inside = [(0.5, 2.0)]
    assert hypervolume([*inside, (0.9, 5.0)], (0.1, 4.0)) == hypervolume(inside, (0.1, 4.0))


def test_reference_must_fit() -> None:
    with pytest.raises(ValueError, match="3 values"):
        hypervolume([(0.5, 2.0)], (0.0, 4.0, 4.0))
    with pytest.raises(ValueError, match="finite"):
        hypervolume([(0.5, 2.0)], (0.0, math.inf))


@settings(deadline=None)
@given(any_table.filter(bool))
def test_hypervolume_equals_optuna(points: list[Point]) -> None:
    reference = (0.2, *[1.3] * (len(points[0]) - 1))
    losses = np.array([(-p[0], *p[1:]) for p in points])
    worst = np.array([-reference[0], *reference[1:]])
    inside = losses[(losses < worst).all(axis=1)]
    expected = compute_hypervolume(inside, worst) if len(inside) else 0.0
    assert hypervolume(points, reference) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_hypervolume_equals_monte_carlo(columns: int) -> None:
    random = np.random.default_rng(columns)
    points = random.random((15, columns))
    points[:, 0] = 1 - points[:, 0]
    samples = random.random((40_000, columns))
    covered = np.zeros(len(samples), dtype=bool)
    for point in points:
        covered |= (samples[:, 0] < point[0]) & (samples[:, 1:] > point[1:]).all(axis=1)
    volume = hypervolume(points, (0.0, *[1.0] * (columns - 1)))
    assert volume == pytest.approx(covered.mean(), abs=0.012)


@settings(deadline=None)
@given(tables(3), tables(3))
def test_more_points_never_cover_less(some: list[Point], more: list[Point]) -> None:
    reference = (0.1, 1.4, 1.4)
    assert hypervolume(some + more, reference) >= hypervolume(some, reference) - 1e-12


@settings(deadline=None)
@given(tables(3))
def test_dominated_points_add_nothing(points: list[Point]) -> None:
    reference = (0.1, 1.4, 1.4)
    front = [points[i] for i in pareto_front(points)]
    assert hypervolume(front, reference) == pytest.approx(hypervolume(points, reference), abs=1e-12)


def test_many_points_with_two_costs() -> None:
    random = np.random.default_rng(0)
    directions = np.abs(random.normal(size=(300, 3)))
    gains = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    points = np.column_stack([gains[:, 0], 1 - gains[:, 1], 1 - gains[:, 2]])
    assert len(pareto_front(points)) == 300
    # The union of boxes under an eighth of the unit ball approaches its volume from below.
    assert 0.45 < hypervolume(points, (0.0, 1.0, 1.0)) < math.pi / 6
