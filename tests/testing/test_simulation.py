"""Simulated sweeps: the real study and rungs, on made-up curves."""

import pytest

from benchmarks.stopping import NO_RUNGS, final_front, replay, settings
from pipeline.core.trial import Outcome
from pipeline.testing.simulation import SECONDS_BEFORE_TRAINING


def replayed(recording, *overrides, seed=0, workers=1):
    config = settings(recording, len(recording.curves), *overrides)
    return replay(recording, config, seed, workers)


def test_without_rungs_every_network_is_trained_once_and_to_its_end(recording):
    simulation = replayed(recording, NO_RUNGS)
    assert {r.specification.architecture for r in simulation.records} == {
        curve.architecture for curve in recording.curves
    }
    assert all(r.outcome is Outcome.COMPLETE for r in simulation.records)
    assert [r.specification.reference for r in simulation.records[:3]] == ["dnn", "cnn", None]
    assert simulation.epochs == 4 * len(recording.curves)
    epochs = sum(4 * curve.costs["epoch_seconds"] for curve in recording.curves)
    waits = SECONDS_BEFORE_TRAINING * len(recording.curves)
    assert simulation.moments[-1].seconds == pytest.approx(epochs + waits)


def test_several_workers_do_the_same_in_less_time(recording):
    alone, together = (replayed(recording, NO_RUNGS, workers=n) for n in (1, 4))
    assert together.epochs == alone.epochs
    assert together.hypervolume == alone.hypervolume
    assert together.moments[-1].seconds < alone.moments[-1].seconds / 2


def test_rungs_stop_what_is_hopeless_and_keep_the_front(recording):
    full, stopping = replayed(recording, NO_RUNGS), replayed(recording)
    stopped = [r for r in stopping.records if r.outcome is Outcome.STOPPED]
    assert stopped and stopping.epochs < full.epochs
    assert stopping.hypervolume == full.hypervolume
    front = final_front(recording)
    assert len(front) == 3
    for record in stopped:
        assert (record.specification.architecture, record.specification.recipe) not in front
        assert record.val_accuracy == record.history[-1].val_accuracy
        assert len(record.history) < 4


def test_an_order_is_decided_by_its_seed(recording):
    def order(seed):
        return [r.specification.architecture for r in replayed(recording, seed=seed).records]

    assert order(3) == order(3)
    assert order(3) != order(4)
