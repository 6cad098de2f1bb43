"""Measuring: alone on the device, and without a trace in what is trained."""

from itertools import count

import numpy as np
import pytest

from pipeline.core.pace import measured_pace
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.energy import EnergyCounter, EnergyMeter
from pipeline.measuring.latency import TimedLatency
from pipeline.measuring.quiet import QuietLock
from pipeline.measuring.steps import TimedStep
from pipeline.training.reference import Reference


@pytest.mark.parametrize("costs", [("epoch_seconds", "latency_ms"), ("macs",)], ids=str)
def test_nothing_is_timed_while_others_train(
    session_with, trial, observer, clocks, monkeypatch, *, costs
):
    session, held = session_with(costs=costs), []

    def watched(take_turn):
        def turn(timed):
            held.append(session._quiet._held)
            take_turn(timed)

        return turn

    for timed in (TimedStep, TimedLatency):
        monkeypatch.setattr(timed, "take_turn", watched(timed.take_turn))
    session.run(trial("d8"), observer, clocks)
    assert set(held) == {"measuring"}


def test_what_was_measured_before_leaves_no_trace_in_the_training(session_with, trial, observing):
    specification = trial("4k3b-d8p0.2", learning_rate=0.1)
    found = []
    for costs in (("macs",), ("epoch_seconds", "latency_ms")):
        observer = observing()
        trained = session_with(costs=costs).run(specification, observer, Clocks())
        losses = [(epoch.train_loss, epoch.val_loss) for epoch in observer.epochs]
        found.append((losses, trained.model.get_weights()))
    (losses, weights), (other_losses, other_weights) = found
    assert losses == other_losses
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nobody_is_made_to_wait_where_only_what_is_counted_decides(
    session_with, trial, observer, clocks, monkeypatch
):
    session, alone = session_with(costs=("macs",)), []
    take = QuietLock.measuring

    def measuring(quiet, clocks):
        alone.append(len(observer.epochs))
        return take(quiet, clocks)

    monkeypatch.setattr(QuietLock, "measuring", measuring)
    trained = session.run(trial("d8"), observer, clocks)
    assert set(observer.costs) == {"parameters", "macs"}
    assert alone == [2]  # after both epochs
    assert {"epoch_seconds", "latency_ms"} <= trained.costs.keys()


def test_measurements_come_with_intervals_at_every_batch_size(undisturbed):
    trained, observer, _ = undisturbed
    found = observer.measurements | trained.measurements
    costs = observer.costs | trained.costs
    assert found["epoch_low_seconds"] <= costs["epoch_seconds"] <= found["epoch_high_seconds"]
    assert found["latency_batch_size"] == 1
    assert found["latency_low_ms"] <= costs["latency_ms"] <= found["latency_high_ms"]
    assert found["latency_64_low_ms"] <= found["latency_64_ms"] <= found["latency_64_high_ms"]
    assert found["latency_64_ratio_low"] <= found["latency_64_ratio"]
    assert found["step_ratio_low"] <= found["step_ratio"] <= found["step_ratio_high"]
    assert set(measured_pace(found)) == {
        "step_reference_ms", "latency_reference_ms", "latency_64_reference_ms",
    }  # fmt: skip
    assert found["latency_64_images_per_second"] == pytest.approx(64_000 / found["latency_64_ms"])
    assert found["host_peak_memory_mib"] > 10


@pytest.mark.parametrize(
    "training",
    [{}, {"patience": 1, "epochs": 4}, {"averaging": "ema"}, {"averaging": "interim"}],
    ids=str,
)
def test_counting_energy_changes_nothing_of_what_was_trained(
    session_with, trial, observing, data, monkeypatch, *, training
):
    joules = count()
    counter = EnergyCounter(part="cpu", read=lambda: float(next(joules)))
    plain = session_with(**training)
    monkeypatch.setattr(
        "pipeline.training.session.open_meter", lambda **_: EnergyMeter(counters=(counter,))
    )
    monkeypatch.setattr("pipeline.measuring.steps.ENERGY_SECONDS", 0.0)
    specification = trial("4k3b-d8p0.2", learning_rate=0.1)
    trained = session_with(**training).run(specification, observing(), Clocks())
    assert trained.measurements["epoch_cpu_joules"] > 0
    expected = plain.run(specification, observing(), Clocks())
    assert "epoch_cpu_joules" not in expected.measurements
    for one, other in zip(trained.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    found = np.asarray(trained.model(data.validation.images)).argmax(axis=1)
    np.testing.assert_array_equal(trained.validation_labels, found)


def test_a_batch_that_there_is_no_memory_for_costs_no_trained_trial(
    session_with, trial, observing, clocks, monkeypatch
):
    session = session_with()
    infer = session._meter.reference.infer

    def failing(images):
        if len(images) == 64:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return infer(images)

    monkeypatch.setattr(Reference, "infer", property(lambda reference: failing))
    trained = session.run(trial("d8"), observing(), clocks)
    assert set(measured_pace(trained.measurements)) == {"latency_reference_ms"}
