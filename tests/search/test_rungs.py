import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RungsConfig
from pipeline.search.rungs import (
    RungPeer,
    predict_end,
    reason_to_stop,
    rung_epochs,
)

RUNGS = RungsConfig(enabled=True, first=1, risk=0.05, keep=0.7, peers=3)


def peer(accuracy, cost, final=None, epoch=1):
    return RungPeer(costs=(cost,), reached={epoch: accuracy}, final_accuracy=final)


def changed(**values):
    return RUNGS.model_copy(update=values)


def test_every_epoch_is_a_rung_but_the_last_and_those_before_the_first():
    assert rung_epochs(RUNGS, 5) == (1, 2, 3, 4)
    assert rung_epochs(RUNGS, 1) == ()
    assert rung_epochs(changed(first=3), 6) == (3, 4, 5)
    assert rung_epochs(changed(enabled=False), 8) == ()


@pytest.mark.parametrize(("first", "sorting"), [(1, {1, 2, 4, 8}), (3, {3, 6})])
def test_trials_are_sorted_whenever_the_epoch_has_doubled(first, sorting):
    rungs, found = changed(first=first), set()
    for epoch in rung_epochs(rungs, 10):
        peers = [peer(accuracy, 1.0, epoch=epoch) for accuracy in (0.7, 0.8, 0.9)]
        if reason_to_stop(rungs, epoch, 10, peer(0.5, 2.0, epoch=epoch), peers):
            found.add(epoch)
    assert found == sorting


def test_nothing_is_stopped_before_there_are_enough_peers():
    peers = [peer(0.9, 1.0), peer(0.9, 1.0)]
    assert reason_to_stop(RUNGS, 1, 8, peer(0.1, 9.0), peers) is None
    elsewhere = [*peers, peer(0.9, 1.0, epoch=2)]
    assert reason_to_stop(RUNGS, 1, 8, peer(0.1, 9.0), elsewhere) is None


def test_a_trial_behind_most_of_its_peers_stops():
    peers = [peer(0.9, 1.0), peer(0.8, 0.5), peer(0.85, 0.7)]
    assert reason_to_stop(RUNGS, 1, 8, peer(0.5, 2.0), peers) == (
        "epoch 1: 3 of 3 other trials have a better rank by accuracy and cost (it has 50.00%)"
    )
    assert reason_to_stop(changed(keep=1.0), 1, 8, peer(0.5, 2.0), peers) is None


def test_a_cheap_trial_goes_on_however_inaccurate():
    peers = [peer(0.9, 1.0, 0.95), peer(0.8, 0.5, 0.85), peer(0.85, 0.7, 0.9)]
    assert reason_to_stop(RUNGS, 1, 8, peer(0.3, 0.1), peers) is None


def finished(number, noise=0.0, seed=0):
    """Return trials whose final error is half of that at the rung, but for some noise."""
    generator = np.random.default_rng(seed)
    found = []
    for cost, error in zip(
        generator.uniform(1, 10, number), generator.uniform(0.2, 0.4, number), strict=True
    ):
        final = 1 - error / 2 * math.exp(noise * generator.standard_normal())
        found.append(peer(1 - error, cost, final))
    return found


def test_a_trial_that_will_not_reach_the_front_stops_and_is_told_where_it_would_end():
    peers = [*finished(10), peer(0.9, 0.5, 0.95)]
    never_sorted = changed(keep=1.0)
    assert reason_to_stop(never_sorted, 1, 8, peer(0.7, 5.0), peers) == (
        "epoch 1: would end at about 85.00%, 85.00% at best, and a trial that costs no more has "
        "95.00%"
    )
    assert reason_to_stop(never_sorted, 1, 8, peer(0.91, 5.0), peers) is None
    assert reason_to_stop(never_sorted, 1, 8, peer(0.7, 0.4), peers) is None


def test_the_end_is_foreseen_by_the_cost_too():
    """Of the same error a larger network has more to go."""
    peers = [
        peer(1 - error, cost, 1 - error / math.sqrt(cost))
        for cost, error in np.random.default_rng(0).uniform((1, 0.2), (10, 0.4), (12, 2))
    ]
    small, large = (predict_end(0.05, 1, peer(0.7, cost), peers) for cost in (4.0, 9.0))
    assert small.accuracy == pytest.approx(0.85) and large.accuracy == pytest.approx(0.9)


def test_of_another_cost_than_all_that_have_ended_nothing_is_predicted():
    errors = np.linspace(0.2, 0.4, 10)
    peers = [peer(1 - error, 2.0, 1 - error / 2) for error in errors]
    for cost, known in ((2.0, True), (5.0, False)):
        assert (predict_end(0.05, 1, peer(0.7, cost), peers) is not None) is known
    more = [*peers, peer(0.75, 4.0, 0.87)]
    assert predict_end(0.05, 1, peer(0.7, 5.0), more) is not None


def test_the_least_error_on_the_way_counts_not_the_latest():
    peers = [
        RungPeer(
            costs=trial.costs,
            reached={1: trial.reached[1], 2: 0.1},
            final_accuracy=trial.final_accuracy,
        )
        for trial in [*finished(10), peer(0.9, 0.5, 0.95)]
    ]
    trial = RungPeer(costs=(5.0,), reached={1: 0.7, 2: 0.2})
    reason = reason_to_stop(changed(keep=1.0), 2, 8, trial, peers)
    assert reason is not None and "would end at about 85.00%" in reason


def test_with_few_finished_trials_nothing_is_predicted():
    peers = [*finished(3), peer(0.9, 0.5, 0.95)]
    assert reason_to_stop(changed(keep=1.0), 1, 8, peer(0.7, 5.0), peers) is None


@pytest.mark.parametrize("risk", [0.05, 0.2])
def test_as_many_end_above_their_best_as_the_risk_says(risk):
    cases, passed = 2000, 0
    for seed in range(cases):
        *peers, trial = finished(13, noise=0.1, seed=seed)
        passed += trial.final_accuracy > predict_end(risk, 1, trial, peers).at_best
    assert abs(passed / cases - risk) < 4 * math.sqrt(risk * (1 - risk) / cases)


accuracies = st.floats(0.0, 1.0)
costs = st.floats(0.1, 10.0)
peers_lists = st.lists(
    st.builds(peer, accuracies, costs, st.none() | accuracies),
    max_size=12,
)


@given(peers_lists, accuracies)
def test_the_cheapest_trial_is_never_stopped(peers, accuracy):
    cheapest = min((p.costs[0] for p in peers), default=1.0) / 2
    assert reason_to_stop(RUNGS, 1, 8, peer(accuracy, cheapest), peers) is None


@given(peers_lists, accuracies, costs)
def test_a_trial_at_whose_cost_nothing_has_ended_is_not_stopped_for_its_end(peers, accuracy, cost):
    dearer = [p for p in peers if p.final_accuracy is None or p.costs[0] > cost]
    assert reason_to_stop(changed(keep=1.0), 1, 8, peer(accuracy, cost), dearer) is None
