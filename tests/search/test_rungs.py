from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RungsConfig
from pipeline.search.rungs import RungPeer, reason_to_stop, rung_epochs

RUNGS = RungsConfig(enabled=True, first=1, keep=0.5, peers=3)


def peer(accuracy, cost, final=None, epoch=1):
    return RungPeer(costs=(cost,), accuracies={epoch: accuracy}, final_accuracy=final)


def test_rungs_double_and_the_last_epoch_is_none():
    assert rung_epochs(RUNGS, 9) == (1, 2, 4, 8)
    assert rung_epochs(RUNGS, 8) == (1, 2, 4)
    assert rung_epochs(RUNGS, 1) == ()
    assert rung_epochs(RUNGS.model_copy(update={"enabled": False}), 8) == ()
    assert rung_epochs(RUNGS.model_copy(update={"first": 3}), 20) == (3, 6, 12)


def test_nothing_is_stopped_before_there_are_enough_peers():
    peers = [peer(0.9, 1.0), peer(0.9, 1.0)]
    assert reason_to_stop(RUNGS, 1, 0.1, (9.0,), peers) is None
    elsewhere = [*peers, peer(0.9, 1.0, epoch=2)]
    assert reason_to_stop(RUNGS, 1, 0.1, (9.0,), elsewhere) is None


def test_a_trial_behind_most_of_its_peers_stops():
    peers = [peer(0.9, 1.0), peer(0.8, 0.5), peer(0.85, 0.7)]
    assert reason_to_stop(RUNGS, 1, 0.5, (2.0,), peers) == (
        "epoch 1: 3 of 3 other trials are ahead of accuracy 0.5000 at this cost"
    )


def test_a_cheap_trial_goes_on_however_inaccurate():
    peers = [peer(0.9, 1.0, 0.95), peer(0.8, 0.5, 0.85), peer(0.85, 0.7, 0.9)]
    assert reason_to_stop(RUNGS, 1, 0.3, (0.1,), peers) is None


def test_a_trial_that_could_still_pass_the_front_goes_on():
    # Peers gained up to 0.3 from here: 0.75 may become 1.05, which nothing dominates.
    peers = [peer(0.6, 1.0, 0.9), peer(0.5, 1.0, 0.6), peer(0.4, 1.0, 0.5), peer(0.3, 2.0)]
    assert reason_to_stop(RUNGS, 1, 0.75, (2.0,), peers) is None


def test_a_trial_that_cannot_reach_the_front_stops():
    peers = [peer(0.90, 1.0, 0.91), peer(0.5, 2.0), peer(0.4, 2.0)]
    assert reason_to_stop(RUNGS, 1, 0.8, (2.0,), peers) == (
        "epoch 1: could reach 0.8100 at best, and a cheaper trial has 0.9100"
    )


accuracies = st.floats(0.0, 1.0)
costs = st.floats(0.1, 10.0)
peers_lists = st.lists(st.builds(peer, accuracies, costs, st.none() | accuracies), max_size=12)


@given(peers_lists, accuracies)
def test_the_cheapest_trial_is_never_stopped(peers, accuracy):
    cheapest = min((p.costs[0] for p in peers), default=1.0) / 2
    assert reason_to_stop(RUNGS, 1, accuracy, (cheapest,), peers) is None


@given(peers_lists, costs)
def test_the_most_accurate_trial_is_never_stopped(peers, cost):
    best = max([1.0, *(p.final_accuracy or 0.0 for p in peers)])
    assert reason_to_stop(RUNGS, 1, best + 0.1, (cost,), peers) is None


@given(peers_lists, accuracies, costs)
def test_a_better_trial_is_not_stopped_where_a_worse_one_goes_on(peers, accuracy, cost):
    if reason_to_stop(RUNGS, 1, accuracy, (cost,), peers) is None:
        assert reason_to_stop(RUNGS, 1, accuracy + 0.05, (cost / 2,), peers) is None
