"""Selection rules on hand-worked fronts, and what holds for every front."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import ConfigurationError
from pipeline.core.front import pareto_front
from pipeline.core.selection import RULES, Point, RuleSettings, Selection, select

KNEE = RuleSettings(name="knee")


def fitting(most: float) -> RuleSettings:
    return RuleSettings(name="budget", budget=most)


def chosen(front: Sequence[Point], settings: RuleSettings) -> Selection:
    return select(front, "epoch_seconds", settings)


accuracies = st.integers(1, 99).map(lambda n: n / 100)
costs = st.integers(1, 200).map(lambda n: n / 10)
fronts = st.lists(st.tuples(accuracies, costs, costs), min_size=1, max_size=12).map(
    lambda points: [points[i] for i in pareto_front(points)]
)


def test_knee_by_hand() -> None:
    # From 0.80 at 1 s to 0.92 at 16 s. At 2 s: 75% of the gain for 25% of the way, so 0.5 above
    # the line; at 4 s: 83% for 50%.
    selection = chosen([(0.80, 1.0), (0.89, 2.0), (0.90, 4.0), (0.92, 16.0)], KNEE)
    assert selection == Selection(
        index=1,
        rule="knee",
        reason=(
            "of the 4 members of the front it lies farthest above the line from accuracy 80.00% "
            "at epoch_seconds 1 to accuracy 92.00% at epoch_seconds 16: 75% of that gain in "
            "accuracy for 25% of that way in log10(epoch_seconds)"
        ),
    )


def test_knee_of_one_member() -> None:
    selection = chosen([(0.9, 3.0)], KNEE)
    assert selection.index == 0
    assert selection.reason == (
        "it is the only member of the front, accuracy 90.00% at epoch_seconds 3"
    )


def test_knee_of_two_members_takes_the_accurate_one_and_says_so() -> None:
    selection = chosen([(0.92, 8.0), (0.88, 1.0)], KNEE)
    assert selection.index == 0
    assert selection.reason == (
        "the front has no knee, as nothing lies between accuracy 88.00% at epoch_seconds 1 "
        "and accuracy 92.00% at epoch_seconds 8; the more accurate end is taken"
    )


def test_front_that_bends_the_other_way_has_no_knee() -> None:
    selection = chosen([(0.80, 1.0), (0.81, 8.0), (0.92, 16.0)], KNEE)
    assert selection.index == 2
    assert selection.reason.startswith("the front has no knee, as nothing lies above the line")
    assert selection.reason.endswith("the more accurate end is taken")


def test_members_on_the_line_are_no_knee() -> None:
    selection = chosen([(0.80, 1.0), (0.85, 10.0), (0.90, 100.0)], KNEE)
    assert selection.index == 2
    assert "no knee" in selection.reason


def test_tied_knees_give_the_cheaper_one_and_say_so() -> None:
    selection = chosen([(0.80, 1.0), (0.85, 10.0), (0.95, 100.0), (1.00, 10_000.0)], KNEE)
    # 0.25 for 0.25 and 0.75 for 0.5: no tie yet. Moved up, both lie 0.25 above the line.
    assert selection.index == 2
    selection = chosen([(0.80, 1.0), (0.90, 10.0), (0.95, 100.0), (1.00, 10_000.0)], KNEE)
    assert selection.index == 1
    assert selection.reason.endswith("(2 members tie, the cheapest of them is taken)")


def test_a_network_that_learned_nothing_does_not_move_the_knee() -> None:
    front = [(0.10, 0.5), (0.86, 0.7), (0.88, 1.0), (0.89, 2.0), (0.907, 4.0), (0.92, 12.0)]
    assert chosen(front, KNEE).index == 1
    selection = chosen(front, RuleSettings(name="knee", floor=0.88))
    assert selection.index == 4
    assert selection.reason == (
        "of the 4 members of the front from accuracy 88.00% (the dnn reference) on it lies "
        "farthest above the line from accuracy 88.00% at epoch_seconds 1 to accuracy 92.00% at "
        "epoch_seconds 12: 68% of that gain in accuracy for 56% of that way in "
        "log10(epoch_seconds)"
    )


def test_floor_that_one_member_or_none_reaches() -> None:
    front = [(0.80, 1.0), (0.89, 2.0), (0.92, 16.0)]
    selection = chosen(front, RuleSettings(name="knee", floor=0.92))
    assert selection.index == 2
    assert selection.reason.startswith("it is the only member of the front from accuracy 92.00%")
    none = chosen(front, RuleSettings(name="knee", floor=0.99))
    assert none == chosen(front, KNEE)


def test_equal_members_give_the_first() -> None:
    selection = chosen([(0.9, 2.0), (0.9, 2.0)], KNEE)
    assert selection.index == 0
    assert selection.reason.startswith("no member of the front is more accurate")


def test_budget_by_hand() -> None:
    front = [(0.92, 16.0), (0.80, 1.0), (0.90, 4.0), (0.89, 2.0)]
    selection = chosen(front, fitting(4.0))
    assert selection == Selection(
        index=2,
        rule="budget",
        reason=(
            "it is the most accurate of the 3 members of the front with epoch_seconds of at "
            "most 4: accuracy 90.00% at epoch_seconds 4"
        ),
    )


def test_nothing_within_the_budget_gives_the_cheapest_and_says_so() -> None:
    selection = chosen([(0.92, 16.0), (0.80, 1.5)], fitting(1.0))
    assert selection.index == 1
    assert selection.reason == (
        "nothing on the front has epoch_seconds of at most 1; it is the cheapest there, "
        "accuracy 80.00% at epoch_seconds 1.5"
    )


def enough(least: float) -> RuleSettings:
    return RuleSettings(name="least_accuracy", least_accuracy=least)


def test_least_accuracy_by_hand() -> None:
    front = [(0.92, 16.0), (0.80, 1.0), (0.90, 4.0), (0.89, 2.0)]
    selection = chosen(front, enough(0.895))
    assert selection == Selection(
        index=2,
        rule="least_accuracy",
        reason=(
            "it is the cheapest of the 2 members of the front with an accuracy of at least "
            "89.50%: accuracy 90.00% at epoch_seconds 4"
        ),
    )
    assert chosen(front, enough(0.9)).index == 2  # at least is at least
    assert chosen(front, enough(0.9001)).index == 0


def test_nothing_accurate_enough_gives_the_most_accurate_and_says_so() -> None:
    front = [(0.92, 16.0), (0.80, 1.5)]
    selection = chosen(front, enough(0.95))
    assert selection.index == 0
    assert selection.reason == (
        "nothing on the front has an accuracy of at least 95.00%; it is the most accurate there, "
        "accuracy 92.00% at epoch_seconds 16"
    )
    finalists = replace(enough(0.95), trainings=[3, 3], standard_errors=[0.01, 0.01])
    assert chosen(front, finalists).reason.startswith(
        "no finalist has an accuracy of at least 95.00%; it is the most accurate of them, "
    )


def test_equally_cheap_and_accurate_enough_gives_the_more_accurate() -> None:
    selection = chosen([(0.90, 2.0, 1.0), (0.91, 2.0, 5.0), (0.95, 3.0, 1.0)], enough(0.9))
    assert selection.index == 1
    assert selection.reason.endswith(" (2 members tie, the most accurate of them is taken)")


def test_equally_accurate_within_the_budget_gives_the_cheaper() -> None:
    selection = chosen([(0.9, 3.0, 1.0), (0.9, 2.0, 5.0), (0.8, 1.0, 1.0)], fitting(4.0))
    assert selection.index == 1
    assert selection.reason.endswith("(2 members tie, the cheapest of them is taken)")


def priced(price: float) -> RuleSettings:
    return RuleSettings(name="price", price=price)


def test_price_by_hand() -> None:
    # At 1 point a doubling: 80 - 0, 89 - 1, 90 - 2, 92 - 4.
    front = [(0.92, 16.0), (0.80, 1.0), (0.89, 2.0), (0.905, 4.0)]
    assert chosen(front, priced(1.0)) == Selection(
        index=3,
        rule="price",
        reason=(
            "at 1 point of accuracy for a doubling of epoch_seconds none of the 4 members of the "
            "front is worth more: accuracy 90.50% at epoch_seconds 4, 0.5 points ahead of "
            "accuracy 89.00% at epoch_seconds 2"
        ),
    )
    assert chosen(front, priced(0.7)).index == 0
    assert chosen(front, priced(10.0)).index == 1


def test_tied_prices_give_the_cheaper_one_and_say_so() -> None:
    # 88, 88 and 86 points are left.
    selection = chosen([(0.90, 4.0), (0.89, 2.0), (0.86, 1.0)], priced(1.0))
    assert selection.index == 1
    assert selection.reason.endswith(
        "2 points ahead of accuracy 86.00% at epoch_seconds 1 (2 members tie, the cheapest of "
        "them is taken)"
    )


def test_price_at_which_all_are_worth_the_same() -> None:
    selection = chosen([(0.90, 4.0), (0.89, 2.0), (0.88, 1.0)], priced(1.0))
    assert selection.index == 2
    assert selection.reason == (
        "at 1 point of accuracy for a doubling of epoch_seconds all members of the front are "
        "worth the same; it is the cheapest, accuracy 88.00% at epoch_seconds 1"
    )


@pytest.mark.parametrize("rule", ["price", "one_standard_error"])
def test_the_only_member_is_picked_as_such(rule: str) -> None:
    selection = chosen([(0.9, 3.0)], RuleSettings(name=rule, price=1.0, images=100))
    assert selection.index == 0
    assert selection.reason == (
        "it is the only member of the front, accuracy 90.00% at epoch_seconds 3"
    )


def test_one_standard_error_by_hand() -> None:
    front = [(0.80, 1.0), (0.905, 2.0), (0.911, 4.0), (0.92, 16.0)]
    settings = RuleSettings(name="one_standard_error", standard_errors=[None, None, None, 0.01])
    selection = chosen(front, replace(settings, images=10_000))
    assert selection == Selection(
        index=2,
        rule="one_standard_error",
        reason=(
            "it is the cheapest of the 2 members of the front within one standard error "
            "(1.00 points, of its repeated training) of the most accurate one, accuracy 92.00% at "
            "epoch_seconds 16: accuracy 91.10% at epoch_seconds 4"
        ),
    )


def test_exactly_one_standard_error_is_within() -> None:
    settings = RuleSettings(name="one_standard_error", standard_errors=[0.5, 0.01])
    assert chosen([(0.91, 4.0), (0.92, 16.0)], settings).index == 0


def test_one_standard_error_falls_back_to_the_binomial_one_and_says_so() -> None:
    # sqrt(0.92 * 0.08 / 400) = 0.0136
    settings = RuleSettings(name="one_standard_error", images=400)
    selection = chosen([(0.80, 1.0), (0.91, 4.0), (0.92, 16.0)], settings)
    assert selection.index == 1
    assert (
        "one standard error (1.36 points, binomial for 400 validation images, as it was trained "
        in (selection.reason)
    )


def test_nothing_within_one_standard_error_of_the_best() -> None:
    settings = RuleSettings(name="one_standard_error", images=10_000)
    selection = chosen([(0.92, 16.0), (0.90, 4.0)], settings)
    assert selection.index == 0
    assert selection.reason == (
        "nothing cheaper is within one standard error (0.27 points, binomial for 10,000 validation "
        "images, as it was trained once) of the front's most accurate member, accuracy 92.00% at "
        "epoch_seconds 16"
    )


def test_equally_cheap_within_one_standard_error_gives_the_more_accurate() -> None:
    settings = RuleSettings(name="one_standard_error", standard_errors=[0.1] * 3)
    selection = chosen([(0.90, 2.0, 1.0), (0.91, 2.0, 5.0), (0.92, 4.0, 1.0)], settings)
    assert selection.index == 1
    assert selection.reason.endswith("(2 members tie, the most accurate of them is taken)")


def test_one_standard_error_needs_one_or_the_images() -> None:
    with pytest.raises(ValueError, match="the number of images has to be"):
        chosen([(0.9, 1.0), (0.91, 2.0)], RuleSettings(name="one_standard_error"))
    with pytest.raises(ValueError, match="2 members need as many standard errors, not 1"):
        settings = RuleSettings(name="one_standard_error", standard_errors=[0.1])
        chosen([(0.9, 1.0), (0.91, 2.0)], settings)


def test_unknown_rule() -> None:
    with pytest.raises(
        ConfigurationError, match=r"knee, budget, least_accuracy, price or .*, not 'elbow'"
    ):
        chosen([(0.9, 1.0)], RuleSettings(name="elbow"))


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("budget", "the .*epoch_seconds"),
        ("price", "the .*epoch_seconds"),
        ("least_accuracy", "what the validation accuracy has to be at least"),
    ],
)
def test_rule_without_its_parameter(rule: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"needs objective\.{rule}, {what}"):
        chosen([(0.9, 1.0)], RuleSettings(name=rule))


@pytest.mark.parametrize("front", [[], [(0.9, 0.0)], [(0.9, math.nan)], [(0.9, -1.0)]])
def test_fronts_that_cannot_be_ranked(front: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="front"):
        chosen(front, KNEE)


@settings(deadline=None)
@given(fronts, st.sampled_from(sorted(RULES)), st.floats(0.1, 25.0), accuracies)
def test_every_rule_answers_for_every_front(
    front: list[tuple[float, ...]], rule: str, most: float, floor: float
) -> None:
    settings = RuleSettings(
        name=rule, budget=most, least_accuracy=floor, price=most, floor=floor, images=500
    )
    selection = chosen(front, settings)
    assert 0 <= selection.index < len(front)
    assert selection.rule == rule
    assert selection.reason


@settings(deadline=None)
@given(
    fronts,
    st.sampled_from(sorted(RULES)),
    st.floats(0.1, 25.0),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter(
    front: list[tuple[float, ...]], rule: str, most: float, random: Random
) -> None:
    settings = RuleSettings(
        name=rule, budget=most, least_accuracy=most / 25, price=most / 5, images=500
    )
    picked = front[chosen(front, settings).index]
    random.shuffle(front)
    assert front[chosen(front, settings).index] == picked


@settings(deadline=None)
@given(fronts)
def test_knee_depends_on_no_unit(front: list[tuple[float, ...]]) -> None:
    milliseconds = [(accuracy, 1000 * cost, *rest) for accuracy, cost, *rest in front]
    percent = [(100 * accuracy, *rest) for accuracy, *rest in front]
    expected = chosen(front, KNEE).index
    assert chosen(milliseconds, KNEE).index == expected
    assert chosen(percent, KNEE).index == expected


@settings(deadline=None)
@given(fronts, st.floats(0.1, 25.0))
def test_budget_is_kept_and_nothing_better_fits(
    front: list[tuple[float, ...]], most: float
) -> None:
    picked = front[chosen(front, fitting(most)).index]
    within = [point for point in front if point[1] <= most]
    if within:
        assert picked[1] <= most
        assert picked[0] == max(point[0] for point in within)
    else:
        assert picked[1] == min(point[1] for point in front)


@settings(deadline=None)
@given(fronts, st.floats(0.05, 10.0))
def test_nothing_is_worth_more_at_the_price(front: list[tuple[float, ...]], price: float) -> None:
    def worth(point: Point) -> float:
        return 100 * point[0] - price * math.log2(point[1])

    picked = front[chosen(front, priced(price)).index]
    assert worth(picked) == pytest.approx(max(map(worth, front)))


@settings(deadline=None)
@given(fronts, st.floats(0.05, 10.0), st.floats(0.05, 10.0))
def test_a_higher_price_never_picks_a_dearer_one(
    front: list[tuple[float, ...]], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    at_low, at_high = (front[chosen(front, priced(p)).index] for p in (low, high))
    assert at_high[1] <= at_low[1]


@settings(deadline=None)
@given(fronts, st.floats(0.0, 0.5))
def test_one_standard_error_is_kept_and_nothing_cheaper_fits(
    front: list[tuple[float, ...]], error: float
) -> None:
    settings = RuleSettings(name="one_standard_error", standard_errors=[error] * len(front))
    picked = front[chosen(front, settings).index]
    lowest = max(point[0] for point in front) - error - 1e-9
    assert picked[0] >= lowest
    assert picked[1] == min(point[1] for point in front if point[0] >= lowest)
