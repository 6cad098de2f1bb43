"""How often the same is chosen again, against what can be worked out."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.core.errors import ConfigurationError
from pipeline.core.front import pareto_front
from pipeline.core.resampling import probability_on_front, stability
from pipeline.core.selection import RULES, Point, RuleSettings, select
from pipeline.core.statistics import Interval

FRONT = [(0.80, 1.0), (0.89, 2.0), (0.90, 4.0), (0.92, 16.0)]
accuracies = st.integers(1, 99).map(lambda n: n / 100)
costs = st.integers(1, 200).map(lambda n: n / 10)
tables = st.lists(st.tuples(accuracies, costs, costs), min_size=1, max_size=12)


def again(points: Sequence[Point], settings: RuleSettings, **options):
    selected = select(points, "epoch_seconds", settings).index
    return stability(points, selected, "epoch_seconds", settings, **options)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_without_noise_the_same_is_always_picked(rule: str) -> None:
    settings = RuleSettings(
        name=rule, budget=4.0, least_accuracy=0.9, price=1.0, standard_errors=[0.0] * 4
    )
    found = again(FRONT, settings, cost_intervals=[Interval(low=2.0, high=2.0)] * 4)
    assert found.share == 1.0
    assert sum(found.shares) == pytest.approx(1.0)
    assert found.reason == "the same is picked in 100% of 1,000 resamples"


def test_share_by_hand() -> None:
    # The dearer one wins while its accuracy stays ahead: 0.01 against a deviation of
    # sqrt(0.003² + 0.004²) = 0.005, so in the share of a normal distribution below 2.
    settings = RuleSettings(name="budget", budget=5.0, standard_errors=[0.003, 0.004])
    found = again([(0.90, 1.0), (0.91, 2.0)], settings, resamples=40_000)
    assert found.share == pytest.approx(NormalDist().cdf(2.0), abs=0.005)
    assert found.shares[0] == pytest.approx(1 - found.share)


def test_costs_are_drawn_from_their_intervals() -> None:
    # The log of the cost deviates by log(1.1) / 1.96; the budget is half of that away.
    interval = Interval(low=2.0 / 1.1, high=2.0 * 1.1)
    most = 2.0 * math.exp(math.log(1.1) / 1.959964 / 2)
    settings = RuleSettings(name="budget", budget=most, standard_errors=[0.0, 0.0])
    found = again(
        [(0.90, 1.0), (0.91, 2.0)], settings, cost_intervals=[None, interval], resamples=40_000
    )
    assert found.share == pytest.approx(NormalDist().cdf(0.5), abs=0.01)


def test_binomial_noise_where_no_standard_error_is_known() -> None:
    few, many = (
        again(FRONT, RuleSettings(name="budget", budget=16.0, images=images))
        for images in (200, 20_000)
    )
    assert few.share < 0.9 < many.share


def test_one_standard_error_may_be_known_and_another_not() -> None:
    points = [(0.90, 1.0), (0.91, 2.0)]
    settings = RuleSettings(name="budget", budget=5.0, standard_errors=[0.0, None], images=100)
    found = again(points, settings, resamples=40_000)
    # 0.90 stays; of 100 images at 0.91, more than 90 are right in 57.5%, 90 in 13%: a tie, and
    # the cheaper of equals is taken.
    expected = sum(
        math.comb(100, right) * 0.91**right * 0.09 ** (100 - right) for right in range(91, 101)
    )
    assert found.share == pytest.approx(expected, abs=0.01)


def test_the_floor_moves_with_the_network_that_sets_it() -> None:
    # The dnn is the front's cheap end. Were the floor fixed, it would fall below itself in half
    # of the resamples, and the knee would move.
    front = [(0.88, 1.0), (0.91, 2.0), (0.915, 4.0), (0.92, 16.0)]
    settings = RuleSettings(name="knee", floor=0.88, standard_errors=[0.001] * 4)
    moving = again(front, settings, floor_index=0)
    fixed = again(front, settings)
    assert moving.share > fixed.share + 0.1


def test_trials_behind_the_front_may_be_picked_when_drawn_anew() -> None:
    points = [(0.90, 1.0), (0.92, 2.0), (0.919, 2.0)]
    settings = RuleSettings(name="budget", budget=5.0, standard_errors=[0.002] * 3)
    found = again(points, settings)
    assert found.shares[2] > 0.2


@settings(deadline=None)
@given(tables, st.sampled_from(sorted(RULES)), st.floats(0.1, 25.0), st.floats(0.05, 5.0))
def test_a_rule_picks_the_same_of_all_points_and_of_the_front(
    points: list[tuple[float, ...]], rule: str, most: float, price: float
) -> None:
    settings = RuleSettings(
        name=rule, budget=most, least_accuracy=most / 25, price=price, images=10_000
    )
    front = [points[i] for i in pareto_front(points)]
    of_all = select(points, "epoch_seconds", settings)
    assert points[of_all.index] == front[select(front, "epoch_seconds", settings).index]


@settings(deadline=None, max_examples=30)
@given(tables, st.sampled_from(sorted(RULES)), st.integers(0, 5))
def test_shares_sum_to_one_and_depend_on_the_seed_alone(
    points: list[tuple[float, ...]], rule: str, seed: int
) -> None:
    settings = RuleSettings(name=rule, budget=5.0, least_accuracy=0.5, price=1.0, images=500)
    found = again(points, settings, seed=seed, resamples=200)
    assert sum(found.shares) == pytest.approx(1.0)
    assert 0.0 <= found.share <= 1.0
    assert again(points, settings, seed=seed, resamples=200) == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"selected": 4}, "there is no point 4 among 4"),
        ({"selected": -1}, "there is no point -1"),
        ({"cost_intervals": [None]}, "4 points need as many intervals, not 1"),
        ({"cost_intervals": [Interval(low=0.0, high=1.0)] * 4}, "two positive ends in order"),
        ({"cost_intervals": [Interval(low=2.0, high=1.0)] * 4}, "two positive ends in order"),
        ({"settings": RuleSettings(name="knee")}, "the number of images has to be"),
        ({"settings": RuleSettings(standard_errors=[0.1])}, "as many standard errors, not 1"),
    ],
)
def test_what_cannot_be_resampled(changes: dict, said: str) -> None:
    arguments = {"selected": 0, "settings": RuleSettings(images=100)} | changes
    with pytest.raises(ValueError, match=said):
        stability(FRONT, leading_cost="epoch_seconds", **arguments)


def test_a_rule_without_its_parameter_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"needs objective\.price"):
        stability(FRONT, 0, "epoch_seconds", RuleSettings(name="price", images=100))


def rights(share: float, images: int = 1_000) -> NDArray[np.bool_]:
    return np.atleast_2d(np.arange(images) < share * images)


def test_far_apart_is_certain() -> None:
    better = [rights(0.95), rights(0.5), rights(0.99)]
    assert probability_on_front(better, [[1.0], [2.0], [3.0]]) == (1.0, 0.0, 1.0)


def test_equal_candidates_share_the_front() -> None:
    assert probability_on_front([rights(0.9), rights(0.9)], [[1.0], [1.0]]) == (1.0, 1.0)


def test_images_are_resampled_together() -> None:
    # The dearer one gets right whatever the cheaper one does, and one image more: it is ahead
    # unless that image is not drawn, (1 - 1/n)ⁿ, and never behind.
    dearer = np.arange(1_000) < 901
    found = probability_on_front([rights(0.9), [dearer]], [[1.0], [2.0]], resamples=20_000)
    assert found[0] == 1.0
    assert found[1] == pytest.approx(1 - math.exp(-1), abs=0.012)


def test_seeds_are_resampled() -> None:
    # Two seeds of 0.8 and 1.0 against 0.9: both draws of the bad one, a quarter, fall behind.
    dearer = np.concatenate([rights(0.8, 10_000), rights(1.0, 10_000)])
    found = probability_on_front([rights(0.85, 10_000), dearer], [[1.0], [2.0]], resamples=20_000)
    assert found[1] == pytest.approx(0.75, abs=0.012)


def test_cost_measurements_are_resampled() -> None:
    # Means of two draws from 1 and 3 are 1, 2 and 3; against 2 only 3, a quarter, is dearer.
    found = probability_on_front([rights(0.9), rights(0.9)], [[1.0, 3.0], [2.0]], resamples=20_000)
    assert found[0] == pytest.approx(0.75, abs=0.012)
    assert found[1] == pytest.approx(0.75, abs=0.012)


def test_several_costs() -> None:
    alike = [rights(0.9)] * 3
    assert probability_on_front(alike, [[[1.0, 3.0]], [[3.0, 1.0]], [[3.0, 3.0]]]) == (1, 1, 0)


def test_many_networks_equal_a_plain_bootstrap() -> None:
    random = np.random.default_rng(0)
    difficulty = random.random(300)
    correct = [difficulty + random.normal(0, 0.1, (seeds, 300)) < 0.9 for seeds in (1, 2, 3)]
    spent = [[1.0], [1.1, 1.2], [1.15, 1.3]]
    found = probability_on_front(correct, spent, resamples=8_000)
    counts = np.zeros(3)
    for _ in range(1_000):
        images = random.integers(300, size=300)
        points = [
            (
                right[random.integers(len(right), size=len(right))][:, images].mean(),
                random.choice(cost, len(cost)).mean(),
            )
            for right, cost in zip(correct, spent, strict=True)
        ]
        counts[pareto_front(points)] += 1
    assert found == pytest.approx(counts / 1_000, abs=0.05)


def test_the_seed_decides() -> None:
    arguments = ([rights(0.9), rights(0.91)[:, ::-1]], [[1.0], [2.0]])
    assert probability_on_front(*arguments, seed=3) == probability_on_front(*arguments, seed=3)


@pytest.mark.parametrize(
    ("correct", "spent", "said"),
    [
        ([], [], "0 candidates cannot have the costs of 0"),
        ([rights(0.5)], [[1.0], [2.0]], "1 candidates cannot have the costs of 2"),
        ([rights(0.5), rights(0.5, 10)], [[1.0], [2.0]], "right answers for the same images"),
        ([rights(0.5)] * 2, [[1.0], [[1.0, 2.0]]], "need the same costs"),
        ([[0.5, 0.7]], [[1.0]], "a table of truth values, seeds by images, not float64"),
        ([[True, False]], [[1.0]], "a table of truth values"),
        ([rights(0.5)], [[math.nan]], "a table of finite numbers"),
        ([rights(0.5)], [[]], "a table of finite numbers"),
    ],
)
def test_what_is_no_candidate(correct: list, spent: list, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        probability_on_front(correct, spent)
