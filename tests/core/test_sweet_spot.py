"""The choice, worked out by hand, with and without finalists."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.finalists import Finalist, FinalRound
from pipeline.core.records import front_records
from pipeline.core.selection import RuleSettings
from pipeline.core.sweet_spot import SweetSpot, choose_sweet_spot, probabilities_on_front
from pipeline.core.trial import Outcome, Recipe, RunKey, TrialRecord, TrialSpecification

COSTS = ["epoch_seconds"]
LIMITS = {"epoch_seconds": 4.5}
AUTO = RuleSettings(name="auto", images=10_000)


def trial(
    number: int, accuracy: float, seconds: float, *, repetition: int = 0, reference: str = ""
) -> TrialRecord:
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture.parse("8k3-d16"),
            recipe=Recipe(
                batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="one_cycle"
            ),
            seed=number,
            reference=reference or None,
            repetition=repetition,
        ),
        outcome=Outcome.COMPLETE,
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
RECORDS = [*FRONT, trial(1, 0.85, 5.0, reference="cnn")]


def finalist(
    number: int, *accuracies: float, seconds: float | None = None, without_result: int = 0
) -> Finalist:
    original = next(record for record in FRONT if record.number == number)
    cost = original.costs["epoch_seconds"] if seconds is None else seconds
    further = [trial(number, a, cost, repetition=n) for n, a in enumerate(accuracies, 1)]
    return Finalist(original=original, further=tuple(further), without_result=without_result)


def settled(*finalists: Finalist) -> FinalRound:
    return FinalRound(finalists=finalists, settled=True)


def chosen(
    last: FinalRound,
    rule: RuleSettings = AUTO,
    right: dict[RunKey, NDArray[np.bool_]] | None = None,
) -> SweetSpot:
    spot = choose_sweet_spot(RECORDS, COSTS, rule, last, right or {})
    assert spot is not None
    return spot


def answers(finalists: FinalRound, images: int = 1_000) -> dict[RunKey, NDArray[np.bool_]]:
    records = [*FRONT, *(r for f in finalists.finalists for r in f.further)]
    return {
        r.specification.run: np.arange(images) < round((r.val_accuracy or 0) * images)
        for r in records
    }


def test_without_a_front_there_is_none() -> None:
    assert choose_sweet_spot([], COSTS, AUTO, FinalRound(), {}) is None


def test_auto_is_the_knee_without_finalists() -> None:
    spot = chosen(FinalRound())
    assert (spot.record.number, spot.rule) == (3, "knee")
    assert "farthest above the line" in spot.reason


@pytest.mark.parametrize(("low", "high", "least", "most"), [(3.99, 4.01, 99, 100), (2, 8, 45, 55)])
def test_a_cost_is_drawn_from_the_interval_that_was_measured(
    low: float, high: float, least: int, most: int
) -> None:
    """At a budget of hardly more than its cost, half of a wide interval's draws are too dear."""
    measured = replace(
        FRONT[2], measurements={"epoch_low_seconds": low, "epoch_high_seconds": high}
    )
    rule = RuleSettings(name="budget", budget=4.02, images=10_000_000)
    spot = choose_sweet_spot([*FRONT[:2], measured], COSTS, rule, FinalRound(), {})
    assert spot is not None and spot.record.number == 3
    share = re.search(r"the same is picked in >?(\d+)% of 1,000 resamples$", spot.reason)
    assert share is not None and least <= int(share[1]) <= most


def test_a_reference_above_a_limit_is_no_choice_but_still_what_others_are_compared_with() -> None:
    cnn = trial(1, 0.95, 5.0, reference="cnn")
    records = [*FRONT[:3], cnn]
    free = choose_sweet_spot(records, COSTS, AUTO, FinalRound(), {})
    held = choose_sweet_spot(records, COSTS, AUTO, FinalRound(), {}, limits=LIMITS)
    assert free is not None and held is not None
    assert (free.record.number, held.record.number) == (1, 3)
    # Too dear itself, the dnn reference still says what accuracy a network has to reach.
    dnn = trial(0, 0.895, 9.0, reference="dnn")
    records = [dnn, trial(7, 0.3, 0.5), *FRONT[1:3]]
    held = choose_sweet_spot(records, COSTS, AUTO, FinalRound(), {}, limits=LIMITS)
    assert held is not None and held.record.number == 3
    assert "from accuracy 89.50% (the dnn reference) on" in held.reason


def test_auto_is_the_knee_while_a_training_is_still_to_come() -> None:
    spot = chosen(FinalRound(finalists=(finalist(2, 0.95),), settled=False))
    assert (spot.record.number, spot.rule) == (3, "knee")


def test_auto_is_one_standard_error_among_finalists_by_their_means() -> None:
    # Means: trial 2 0.910 (0.89, 0.91, 0.93), trial 3 0.900 (0.91, 0.89, 0.90), trial 4 0.915
    # (three times 0.915 ± 0.01, so that its standard error is 0.01 / sqrt(3) = 0.0058).
    last = settled(finalist(2, 0.91, 0.93), finalist(3, 0.89, 0.90), finalist(4, 0.905, 0.925))
    spot = chosen(last)
    assert (spot.record.number, spot.rule) == (2, "one_standard_error")
    assert spot.reason.startswith(
        "it is the cheapest of the 2 finalists within one standard error (0.58 points, of the "
        "mean of its 3 trainings) of the most accurate one, accuracy 91.50% at epoch_seconds 7: "
        "accuracy 91.00% at epoch_seconds 2 (means of its trainings); the same is picked in "
    )
    assert spot.record is FRONT[1]


def test_a_member_that_was_trained_once_is_not_preferred_to_a_mean() -> None:
    # Trial 5 has the best accuracy of the front, 0.92, but was trained once.
    spot = chosen(settled(finalist(2, 0.89), finalist(3, 0.91)))
    assert spot.record.number == 3
    assert "nothing cheaper is within one standard error (0.00 points" in spot.reason
    assert "of the most accurate finalist" in spot.reason


def test_the_only_finalist() -> None:
    spot = chosen(settled(finalist(4, 0.905)))
    assert spot.reason.startswith("it is the only finalist, accuracy 91.00% at epoch_seconds 7")


def test_a_tie_of_finalists_is_said() -> None:
    # Both cost 2 s on average; trial 2 has 0.905 and trial 3 0.9.
    dear = Finalist(original=FRONT[2], further=(trial(3, 0.89, 0.0, repetition=1),))
    spot = chosen(settled(finalist(2, 0.92), dear))
    assert spot.record.number == 2
    tied = chosen(settled(finalist(2, 0.92), dear, finalist(4, 0.897)))
    assert tied.record.number == 2
    assert "(2 members tie, the most accurate of them is taken)" in tied.reason


BUDGET = RuleSettings(name="budget", budget=20.0, images=10_000)
PRICE = RuleSettings(name="price", price=0.01, images=10_000)
KNEE = RuleSettings(name="knee", images=10_000)


@pytest.mark.parametrize("rule", [BUDGET, PRICE])
def test_a_budget_and_a_price_too_pick_among_the_finalists(rule: RuleSettings) -> None:
    # Trial 5 has 0.92, above both means, 0.895 and 0.905, but was trained once.
    last = settled(finalist(3, 0.88), finalist(4, 0.895))
    assert chosen(FinalRound(), rule).record.number == 5
    spot = chosen(last, rule)
    assert spot.record.number == 4
    assert "of the 2 finalists" in spot.reason
    assert "(means of its trainings); the same is picked in " in spot.reason


def test_finalists_above_the_budget_or_alone_are_said() -> None:
    low = replace(BUDGET, budget=1.0)
    assert chosen(settled(finalist(3, 0.9), finalist(4, 0.9)), low).reason.startswith(
        "no finalist has epoch_seconds of at most 1; it is the cheapest of them, accuracy 90.50% "
    )
    assert chosen(settled(finalist(3, 0.9)), PRICE).reason.startswith("it is the only finalist, ")
    same = replace(PRICE, price=1e-12)
    assert chosen(settled(finalist(3, 0.92), finalist(4, 0.915)), same).reason.startswith(
        "at 1e-12 points of accuracy for a doubling of epoch_seconds all finalists are worth the "
    )


def test_the_knee_is_looked_for_on_the_front_of_the_means() -> None:
    # By single values the front bends at trial 3. Its mean, 0.885, is below trial 2's, which
    # costs half as much: it is not on the front any more, and trial 4 lies farthest above the line.
    last = settled(finalist(3, 0.86), finalist(4, 0.915))
    spot = chosen(last, KNEE)
    assert spot.record.number == 4
    assert "of the 4 members of the front it lies farthest above the line" in spot.reason
    assert "finalists counting with the means of their trainings; the same is" in spot.reason


def share_of(spot: SweetSpot) -> int:
    share = re.search(r"the same is picked in >?(\d+)% of 1,000 resamples", spot.reason)
    assert share is not None
    return int(share[1])


@pytest.mark.parametrize("rule", [BUDGET, PRICE, KNEE])
@pytest.mark.parametrize("known", [False, True])
def test_the_share_is_of_choices_among_the_same_candidates(rule: RuleSettings, known: bool) -> None:
    """Among the means the pick is clear, whatever single values lie beside and behind them."""
    last = settled(finalist(3, 0.91, 0.91), finalist(4, 0.88, 0.88))
    spot = chosen(last, rule, answers(last) if known else None)
    assert spot.record.number == 3
    assert share_of(spot) > 80


@pytest.mark.parametrize("rule", [AUTO, BUDGET, PRICE])
def test_a_finalist_with_failures_comes_behind_one_without(rule: RuleSettings) -> None:
    # One further training of four has reached the target, and was the best of all.
    lucky = finalist(4, 0.98, without_result=3)
    sure = finalist(3, 0.91, 0.91, 0.91, 0.91)
    assert chosen(settled(sure, finalist(4, 0.98)), rule).record.number == 4
    spot = chosen(settled(sure, lucky), rule)
    assert spot.record.number == 3
    assert spot.reason.endswith(
        "(mean of its 5 trainings); behind it are finalists that ended with a result less often: "
        "trial 4 in 2 of 5 trainings"
    )


def test_the_knee_is_no_finalist_with_failures() -> None:
    lucky = finalist(3, 0.91, without_result=1)
    spot = chosen(settled(lucky, finalist(4, 0.915)), KNEE)
    assert spot.record.number != 3
    assert "trial 3 in 2 of 3 trainings" in spot.reason


def test_where_every_finalist_has_failures_the_surest_is_picked_and_it_is_said() -> None:
    last = settled(
        finalist(3, 0.91, without_result=1), finalist(4, 0.93, without_result=1),
        finalist(5, without_result=2),
    )  # fmt: skip
    spot = chosen(last)
    assert spot.record.number == 4
    assert (
        "(means of its trainings); it ended with a result in 2 of 3 trainings; behind it are "
        "finalists that ended with a result less often: trial 5 in 1 of 3 trainings; the same"
        in spot.reason
    )


def test_seeds_and_images_are_resampled_where_the_answers_are_known() -> None:
    last = settled(finalist(3, 0.91, 0.91), finalist(4, 0.95, 0.95))
    by_answers, by_errors = chosen(last, right=answers(last)), chosen(last)
    assert by_answers.record is by_errors.record
    assert by_answers.reason.endswith("of 1,000 resamples of seeds and validation images")
    assert by_errors.reason.endswith("of 1,000 resamples")


def test_probability_of_being_on_the_front() -> None:
    # Trial 4 loses to the cheaper trial 3 by its mean, unless its lucky first training is drawn
    # twice: in a quarter of the resamples.
    last = settled(finalist(3, 0.91), finalist(4, 0.80))
    found = probabilities_on_front(front_records(RECORDS, COSTS), last, COSTS, answers(last))
    assert set(found) == {3, 4}
    assert found[3] == 1.0
    assert found[4] == pytest.approx(0.25, abs=0.05)


def test_without_all_answers_no_probability_is_known() -> None:
    last = settled(finalist(3, 0.91))
    right = answers(last)
    del right[RunKey(5)]
    members = front_records(RECORDS, COSTS)
    assert probabilities_on_front(members, last, COSTS, right) == {}
    assert probabilities_on_front(members, FinalRound(), COSTS, answers(last)) == {}


def test_of_a_single_candidate_no_share_is_said() -> None:
    only = [trial(2, 0.89, 2.0)]
    spot = choose_sweet_spot(only, COSTS, AUTO, FinalRound(), {})
    assert spot is not None
    assert spot.reason == (
        "it is the only member of the front, accuracy 89.00% at epoch_seconds 2"
    )  # fmt: skip


def test_the_only_finalist_is_there_for_the_front_s_reason() -> None:
    spot = chosen(settled(finalist(3, 0.89)))
    assert (spot.record.number, spot.rule) == (3, "knee")
    assert spot.reason.startswith("of the 5 members of the front it lies farthest above the line")
    assert spot.reason.endswith(
        "; it is the only finalist, accuracy 90.00% at epoch_seconds 4 (mean of its 2 trainings)"
    )
    budget = replace(BUDGET, budget=5.0)
    assert chosen(settled(finalist(3, 0.89)), budget).reason.startswith(
        "it is the most accurate of the 3 members of the front with epoch_seconds of at most 5: "
    )


def test_an_only_finalist_that_the_front_would_not_pick_any_more() -> None:
    spot = chosen(settled(finalist(4, 0.905, without_result=1)))
    assert (spot.record.number, spot.rule) == (4, "one_standard_error")
    assert spot.reason == (
        "it is the only finalist, accuracy 91.00% at epoch_seconds 7 (mean of its 2 trainings); it "
        "ended with a result in 2 of 3 trainings"
    )


@pytest.mark.parametrize("rule", [AUTO, BUDGET, PRICE])
def test_one_without_failures_is_not_called_the_only_finalist(rule: RuleSettings) -> None:
    spot = chosen(settled(finalist(3, 0.91), finalist(4, 0.98, without_result=1)), rule)
    assert spot.record.number == 3
    assert spot.reason == (
        "it is the finalist that ended with a result most often, accuracy 91.00% at epoch_seconds "
        "4 (mean of its 2 trainings); behind it are finalists that ended with a result less "
        "often: trial 4 in 2 of 3 trainings"
    )


def test_a_knee_of_one_candidate_is_none() -> None:
    records = [trial(2, 0.89, 2.0), trial(3, 0.91, 4.0)]
    sure, lucky = (
        Finalist(original=r, further=(trial(r.number, 0.9, 4.0, repetition=1),), without_result=n)
        for n, r in enumerate(records)
    )
    spot = choose_sweet_spot(records, COSTS, KNEE, settled(sure, lucky), {})
    assert spot is not None
    assert spot.reason == (
        "it is the finalist that ended with a result most often, accuracy 89.50% at epoch_seconds "
        "3 (mean of its 2 trainings); behind it are finalists that ended with a result less "
        "often: trial 3 in 2 of 3 trainings"
    )
