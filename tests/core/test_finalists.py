"""Who is trained again, and what the trainings come to."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.architecture import Architecture
from pipeline.core.finalists import (
    Finalist,
    choose_finalists,
    final_round,
    wanted_trainings,
)
from pipeline.core.records import front_records
from pipeline.core.selection import RuleSettings
from pipeline.core.trial import Outcome, Recipe, TrialRecord, TrialSpecification

COSTS = ["epoch_seconds"]
RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="one_cycle")
AUTO = RuleSettings(name="auto", images=10_000)


def trial(
    number: int,
    accuracy: float,
    seconds: float,
    *,
    reference: str | None = None,
    repetition: int = 0,
    outcome: Outcome | None = Outcome.COMPLETE,
) -> TrialRecord:
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture.parse("8k3-d16"),
            recipe=RECIPE,
            seed=number,
            reference=reference,
            repetition=repetition,
        ),
        outcome=outcome,
        val_accuracy=accuracy,
        costs={"epoch_seconds": seconds},
    )


# Between 0.88 at 1 s and 0.92 at 16 s the knee is trial 3: 75% of the gain at half of the way.
FRONT = [
    trial(0, 0.880, 1.0, reference="dnn"),
    trial(2, 0.890, 2.0),
    trial(3, 0.910, 4.0),
    trial(4, 0.915, 7.0),
    trial(5, 0.920, 16.0),
]
BEHIND = trial(1, 0.85, 5.0, reference="cnn")


def numbers(rule: RuleSettings, limit: int, records: list[TrialRecord] | None = None) -> list[int]:
    chosen = choose_finalists([*(records or FRONT), BEHIND], COSTS, rule, limit)
    return [record.number for record in chosen]


def test_they_are_the_knee_and_its_neighbours_cheapest_first() -> None:
    assert numbers(AUTO, 1) == [3]
    # In doublings of the cost: trial 4 is 0.81 away, 2 is 1, 0 and 5 are 2.
    assert numbers(AUTO, 2) == [3, 4]
    assert numbers(AUTO, 3) == [2, 3, 4]
    assert numbers(AUTO, 9) == [0, 2, 3, 4, 5]
    assert numbers(AUTO, 0) == []
    assert choose_finalists([], COSTS, AUTO, 3) == []


def test_one_standard_error_compares_the_members_around_the_knee() -> None:
    rule = RuleSettings(name="one_standard_error", images=10_000)
    assert numbers(rule, 3) == numbers(AUTO, 3)


def test_other_rules_have_theirs_around_their_own_pick() -> None:
    assert numbers(RuleSettings(name="budget", budget=20.0), 2) == [4, 5]
    # Above the budget there is nothing to win, however near it is.
    assert numbers(RuleSettings(name="budget", budget=5.0), 3) == [0, 2, 3]
    assert numbers(RuleSettings(name="budget", budget=0.5), 3) == [0]
    assert numbers(RuleSettings(name="price", price=0.01), 2) == [4, 5]


def test_those_beside_a_least_accuracy_are_first_of_all_the_dearer_ones() -> None:
    accuracies = {record.number: record.val_accuracy for record in FRONT}
    rule = RuleSettings(name="least_accuracy", least_accuracy=accuracies[3])
    assert numbers(rule, 1) == [3]
    assert numbers(rule, 3) == [3, 4, 5]
    assert numbers(rule, 4) == [2, 3, 4, 5]


def test_what_is_worse_than_the_dnn_is_no_finalist() -> None:
    cheap = [trial(7, 0.30, 0.9), *FRONT]
    assert numbers(AUTO, 9, cheap) == [0, 2, 3, 4, 5]


def test_a_front_of_one_has_one_finalist() -> None:
    assert numbers(AUTO, 3, [trial(8, 0.99, 0.1)]) == [8]


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 200)), min_size=1, max_size=12),
    st.integers(0, 5),
    st.sampled_from(["auto", "knee", "budget", "least_accuracy", "price", "one_standard_error"]),
)
def test_finalists_are_members_of_the_front_whatever_the_order(
    points: list[tuple[int, int]], limit: int, name: str
) -> None:
    records = [trial(n, a / 100, c / 10) for n, (a, c) in enumerate(points)]
    rule = RuleSettings(name=name, budget=5.0, least_accuracy=0.5, price=1.0, images=1_000)
    chosen = choose_finalists(records, COSTS, rule, limit)
    front = front_records(records, COSTS)
    assert len(chosen) <= min(limit, len(front))
    if name != "budget":  # every member could win: there is no reference
        assert len(chosen) == min(limit, len(front))
    assert bool(chosen) is (limit > 0)
    assert [member for member in front if member in chosen] == chosen
    assert choose_finalists(records[::-1], COSTS, rule, limit) == chosen


def test_trainings_have_seeds_of_their_own_that_never_change() -> None:
    wanted = wanted_trainings(FRONT[1:3], 7, 2)
    assert [training.run for training in wanted] == [(2, 1), (3, 1), (2, 2), (3, 2)]
    assert len({training.seed for training in wanted} | {2, 3}) == 6
    assert wanted_trainings(FRONT[1:4], 7, 3)[0] == wanted[0]
    assert wanted_trainings(FRONT[1:3], 8, 2)[0].seed != wanted[0].seed


def test_mean_and_standard_error_by_hand() -> None:
    further = (trial(3, 0.90, 5.0, repetition=1), trial(3, 0.92, 6.0, repetition=2))
    finalist = Finalist(original=FRONT[2], further=further)
    # 0.91, 0.90, 0.92: s = 0.01, and 0.01 / sqrt(3).
    assert finalist.accuracy == pytest.approx((0.91, 0.005774, 3), abs=1e-6)
    assert finalist.cost("epoch_seconds") == pytest.approx((5.0, 0.57735, 3), abs=1e-5)
    assert finalist.mean_point(COSTS) == pytest.approx((0.91, 5.0))
    assert Finalist(original=FRONT[2]).accuracy == (0.91, None, 1)


def test_a_round_is_settled_once_everything_wanted_has_ended() -> None:
    finalists = FRONT[1:3]
    wanted = wanted_trainings(finalists, 0, 1)
    one = trial(2, 0.89, 2.0, repetition=1)
    other = trial(3, 0.91, 4.0, repetition=1)
    assert not final_round(finalists, wanted, [one], COSTS).settled
    for outcome in (None, Outcome.INTERRUPTED):
        unfinished = dataclasses.replace(other, outcome=outcome)
        found = final_round(finalists, wanted, [one, unfinished], COSTS)
        assert (found.settled, [f.number for f in found.finalists]) == (False, [2])
    found = final_round(finalists, wanted, [other, one], COSTS)
    assert found.decides
    assert [f.number for f in found.finalists] == [2, 3]


def test_a_training_that_failed_has_ended_is_no_number_and_is_counted() -> None:
    wanted = wanted_trainings(FRONT[1:3], 0, 2)
    trainings = [
        trial(2, 0.1, 2.0, repetition=1, outcome=Outcome.DIVERGED),
        trial(2, 0.1, 2.0, repetition=2, outcome=Outcome.CENSORED),
        trial(3, 0.9, 4.0, repetition=1),
        trial(3, 0.9, 4.0, repetition=2, outcome=Outcome.FAILED),
    ]
    found = final_round(FRONT[1:3], wanted, trainings, COSTS)
    assert found.decides
    assert [(f.number, len(f.further), f.without_result) for f in found.finalists] == [
        (2, 0, 2),
        (3, 1, 1),
    ]
    assert [f.with_result for f in found.finalists] == ["1 of 3", "2 of 3"]
    assert found.finalists[1].accuracy.mean == pytest.approx(0.905)


def test_nobody_had_more_chances_to_fail_than_the_others() -> None:
    """With fewer seeds than before, what failed beyond them counts no more than what was not."""
    trainings = [
        trial(2, 0.9, 2.0, repetition=1),
        trial(2, 0.1, 2.0, repetition=2, outcome=Outcome.DIVERGED),
        trial(3, 0.9, 4.0, repetition=1),
    ]
    found = final_round(FRONT[1:3], wanted_trainings(FRONT[1:3], 0, 1), trainings, COSTS)
    assert [finalist.without_result for finalist in found.finalists] == [0, 0]


def test_without_any_further_result_nothing_is_decided() -> None:
    failed = trial(2, 0.1, 2.0, repetition=1, outcome=Outcome.DIVERGED)
    found = final_round(FRONT[1:2], wanted_trainings(FRONT[1:2], 0, 1), [failed], COSTS)
    assert found.settled and not found.decides
    assert [finalist.with_result for finalist in found.finalists] == ["1 of 2"]


def test_a_training_that_will_go_on_is_no_failure() -> None:
    wanted = wanted_trainings(FRONT[1:2], 0, 1)
    for outcome in (None, Outcome.INTERRUPTED):
        waits = trial(2, 0.5, 2.0, repetition=1, outcome=outcome)
        assert final_round(FRONT[1:2], wanted, [waits], COSTS).finalists == ()


def test_more_trainings_than_wanted_all_count() -> None:
    trainings = [trial(3, 0.9, 4.0, repetition=n) for n in (3, 1, 2)]
    (finalist,) = final_round(
        FRONT[2:3], wanted_trainings(FRONT[2:3], 0, 1), trainings, COSTS
    ).finalists
    assert [r.specification.repetition for r in finalist.trainings] == [0, 1, 2, 3]


def test_all_that_were_trained_to_their_end_may_be_finalists() -> None:
    stopped = trial(6, 0.7, 0.5, outcome=Outcome.STOPPED)
    chosen = choose_finalists([*FRONT, BEHIND, stopped], COSTS, AUTO, 99, among_all=True)
    assert [record.number for record in chosen] == [0, 2, 3, 1, 4, 5]
    few = choose_finalists([*FRONT, BEHIND, stopped], COSTS, AUTO, 2, among_all=True)
    assert [record.number for record in few] == [3, 1]  # the knee and its nearest neighbour
