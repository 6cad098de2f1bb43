from pipeline.core.architecture import Architecture
from pipeline.core.limits import unmet_limits
from pipeline.core.trial import Outcome, Recipe, TrialRecord, TrialSpecification

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")


def trial(number, outcome=Outcome.INFEASIBLE, reference=None, **costs):
    specification = TrialSpecification(
        number=number,
        architecture=Architecture.parse("8k3-d32"),
        recipe=RECIPE,
        seed=0,
        reference=reference,
    )
    return TrialRecord(specification=specification, outcome=outcome, costs=costs)


def test_the_sentence_names_limit_and_cheapest_cost_seen():
    records = [
        trial(0, Outcome.COMPLETE, reference="dnn", latency_ms=0.05),
        trial(2, latency_ms=0.7),
        trial(3, latency_ms=0.42),
    ]
    assert unmet_limits(records, {"latency_ms": 0.1}, 2) == (
        "All 2 trials were above objective.limits.latency_ms=0.1; "
        "the least latency_ms seen is 0.42, of trial 3 8k3-d32."
    )
    assert unmet_limits(records, {"latency_ms": 0.1}, 3) is None


def test_who_is_above_what_is_counted_was_not_measured_and_is_above_nothing_else():
    records = [trial(2, macs=900.0), trial(3, macs=800.0)]
    assert unmet_limits(records, {"latency_ms": 0.1, "macs": 100.0}, 2) == (
        "All 2 trials were above objective.limits.macs=100; "
        "the least macs seen is 800, of trial 3 8k3-d32."
    )
    either = [*records, trial(4, macs=9.0, latency_ms=3.0)]
    said = unmet_limits(either, {"latency_ms": 0.1, "macs": 100.0}, 2)
    assert said.startswith(
        "All 3 trials were above objective.limits.latency_ms=0.1 or objective.limits.macs=100; "
    )
    within = [*records, trial(4, Outcome.FAILED, macs=9.0, latency_ms=0.05)]
    assert unmet_limits(within, {"latency_ms": 0.1, "macs": 100.0}, 2) is None


def test_several_limits_that_nothing_meets_are_all_named():
    records = [
        trial(2, latency_ms=0.7, macs=900.0, parameters=5.0),
        trial(3, latency_ms=0.9, macs=800.0, parameters=5.0),
    ]
    said = unmet_limits(records, {"latency_ms": 0.1, "macs": 100.0, "parameters": 9.0}, 1)
    assert said == (
        "All 2 trials were above objective.limits.latency_ms=0.1 and objective.limits.macs=100; "
        "the least latency_ms seen is 0.7, of trial 2 8k3-d32; "
        "the least macs seen is 800, of trial 3 8k3-d32."
    )


def test_limits_that_are_met_one_at_a_time_only():
    records = [trial(2, latency_ms=0.7, macs=90.0), trial(3, latency_ms=0.09, macs=800.0)]
    said = unmet_limits(records, {"latency_ms": 0.1, "macs": 100.0}, 2)
    assert said is not None
    assert said.startswith(
        "All 2 trials were above objective.limits.latency_ms=0.1 or objective.limits.macs=100;"
    )


def test_one_trial_within_is_enough_however_it_ended():
    above = [trial(number, latency_ms=0.7) for number in range(2, 9)]
    for outcome in (None, Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED, Outcome.FAILED):
        within = trial(9, outcome, latency_ms=0.05)
        assert unmet_limits([*above, within], {"latency_ms": 0.1}, 5) is None


def test_a_trial_that_is_not_measured_yet_says_nothing():
    above = [trial(number, latency_ms=0.7) for number in range(2, 9)]
    assert unmet_limits([*above, trial(9, None)], {"latency_ms": 0.1}, 5) is not None


def test_quick_failures_do_not_speak_for_limits_that_only_training_shows():
    limits = {"latency_ms": 0.1, "train_seconds": 60.0}
    quick = [trial(number, latency_ms=0.7) for number in range(2, 40)]
    trains = trial(40, None, latency_ms=0.05)
    assert unmet_limits([*quick, trains], limits, 5) is None
    slow = [trial(n, latency_ms=0.05, train_seconds=60.0 + n) for n in range(41, 46)]
    said = unmet_limits([*quick, trains, *slow], limits, 5)
    assert said is not None and said.startswith("All 5 trials were above objective.limits.train_se")
    assert unmet_limits([*quick, trains, *slow], limits, 6) is None


def test_a_target_that_is_never_reached_has_no_time():
    limits = {"time_to_accuracy_seconds": 10.0}
    records = [trial(2, Outcome.CENSORED, train_seconds=8.0), trial(3, train_seconds=11.0)]
    assert unmet_limits(records, limits, 2) == (
        "All 2 trials were above objective.limits.time_to_accuracy_seconds=10; "
        "no trial reached objective.target_accuracy in that time."
    )


def test_without_trials_or_limits_there_is_nothing_to_say():
    assert unmet_limits([], {"macs": 1.0}, 1) is None
    assert unmet_limits([trial(2, macs=2.0)], {}, 1) is None
