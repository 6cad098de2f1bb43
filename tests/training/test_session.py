from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.core.outcome import Interrupted, LossNotFinite, OutOfMemory, StoppedAtRung
from pipeline.core.pace import measured_pace
from pipeline.core.trial import Recipe
from pipeline.measuring.clocks import Clocks
from pipeline.training.reference import Reference
from pipeline.training.session import DeviceTooSmall, predicted_probabilities, save_model


def test_costs_that_decide_are_told_before_the_first_epoch(undisturbed):
    _, observer, _ = undisturbed
    assert set(observer.costs) == {"parameters", "macs", "epoch_seconds"}
    assert set(measured_pace(observer.measurements)) == {"step_reference_ms"}
    # 3x3x1x4 weights and 4x4 of normalisation; 3x3x4 pooled values; three classes.
    assert observer.costs["parameters"] == 36 + 16 + 36 * 8 + 8 + 8 * 3 + 3
    assert observer.costs["macs"] == 6 * 6 * 36 + 36 * 8 + 8 * 3
    assert observer.costs["epoch_seconds"] == pytest.approx(
        6 * observer.measurements["step_ms"] / 1000
    )
    assert "convolution_1" in observer.summary


def test_latency_is_told_before_the_first_epoch_where_it_decides(
    session_with, trial, observer, clocks
):
    trained = session_with(costs=("latency_ms",)).run(trial("d8"), observer, clocks)
    assert set(observer.costs) == {"parameters", "macs", "latency_ms"}
    assert observer.measurements["latency_batch_size"] == 1
    assert "epoch_seconds" in trained.costs and "latency_ms" not in trained.costs
    # Neither a training step nor other batch sizes decide anything.
    assert set(measured_pace(trained.measurements)) == {
        "step_reference_ms", "latency_64_reference_ms",
    }  # fmt: skip


def test_all_of_a_network_can_be_measured_without_training_it(session, trial, clocks):
    costs, measurements = session.measure(trial("d8"), clocks)
    assert set(costs) == {"parameters", "macs", "epoch_seconds", "latency_ms"}
    assert len(measured_pace(measurements)) == 3
    assert clocks.seconds()["training"] == 0.0


def test_every_epoch_is_told(undisturbed):
    trained, observer, _ = undisturbed
    assert [result.epoch for result in observer.epochs] == [1, 2, 3]
    assert trained.epochs == tuple(observer.epochs)
    assert observer.executions == 3 * 3
    for result in observer.epochs:
        assert result.images_per_second == pytest.approx(90 / result.epoch_seconds)


def test_it_learns(undisturbed):
    trained, observer, _ = undisturbed
    assert observer.epochs[-1].train_loss < observer.epochs[0].train_loss
    assert trained.val_accuracy > 0.5


def test_training_costs(undisturbed):
    trained, observer, clocks = undisturbed
    seconds = [result.epoch_seconds for result in observer.epochs]
    assert trained.costs["train_seconds"] == sum(seconds)
    assert trained.costs["train_seconds"] == pytest.approx(clocks.seconds()["training"])
    reached = next(i for i, result in enumerate(observer.epochs) if result.val_accuracy >= 0.4)
    assert trained.costs["time_to_accuracy_seconds"] == sum(seconds[: reached + 1])
    assert observer.training_costs[0]["train_seconds"] == seconds[0]
    assert observer.training_costs[-1].items() <= trained.costs.items()
    assert "device_memory_mib" not in trained.costs


def test_the_kept_weights_are_those_of_the_best_epoch(undisturbed, data):
    trained, observer, _ = undisturbed
    best = min(observer.epochs, key=lambda result: result.val_loss)
    assert trained.val_accuracy == best.val_accuracy
    found = np.asarray(trained.model(data.validation.images)).argmax(axis=1)
    np.testing.assert_array_equal(trained.validation_labels, found)
    assert np.mean(found == data.validation.labels) == trained.val_accuracy


def test_clocks_have_all_of_it(undisturbed):
    _, _, clocks = undisturbed
    seconds = clocks.seconds()
    for name in ("build_and_trace", "first_step", "training", "evaluation", "measuring"):
        assert seconds[name] > 0


# Before a batch size is compiled for, and while the device is this trial's alone.
@pytest.mark.parametrize("asked", [2, 4])
def test_a_trained_trial_that_has_to_leave_is_not_measured_first(
    session, trial, observing, clocks, tmp_path, *, asked
):
    def leave(observer):
        if observer.asked == asked:
            raise Interrupted("told to leave")

    checkpoint = tmp_path / "trial.npz"
    observer = observing(at_measuring=leave)
    with pytest.raises(Interrupted):
        session.run(trial("d8"), observer, clocks, checkpoint)
    assert len(observer.epochs) == 2
    again = observing()
    assert "latency_64_ms" in session.run(trial("d8"), again, clocks, checkpoint).measurements
    assert not again.epochs


@pytest.mark.parametrize("costs", [("epoch_seconds",), ("latency_ms",)], ids=str)
def test_whoever_has_to_leave_does_not_measure_to_the_end_before(
    session_with, trial, observing, clocks, *, costs
):
    def leave(observer):
        if observer.asked_before == 3:
            raise Interrupted("told to leave")

    session, observer = session_with(costs=costs), observing(before_training=leave)
    with pytest.raises(Interrupted):
        session.run(trial("d8"), observer, clocks)
    assert not observer.costs
    # The device is free again, and the session goes on.
    assert session.run(trial("d8"), observing(), clocks).epochs


def test_the_peak_of_memory_outlasts_an_interruption(
    session, trial, observing, tmp_path, monkeypatch
):
    def leave(observer):
        raise Interrupted("told to leave")

    peak, checkpoint = [3.0], tmp_path / "trial.npz"
    monkeypatch.setattr("pipeline.training.session.device_peak_memory_mib", lambda counter: peak[0])
    with pytest.raises(Interrupted):
        session.run(trial("d8"), observing(at_measuring=leave), Clocks(), checkpoint)
    peak[0] = 1.0  # nothing is trained any more
    trained = session.run(trial("d8"), observing(), Clocks(), checkpoint)
    assert trained.costs["device_memory_mib"] == 3.0


def test_no_trial_has_the_memory_of_the_one_before(
    session, trial, observing, tmp_path, monkeypatch
):
    diary, checkpoint = [], tmp_path / "trial.npz"
    monkeypatch.setattr(
        session, "_device", replace(session._device, reset_memory=lambda: diary.append("reset"))
    )
    built = session._built

    def build(*given):
        network = built(*given)
        diary.append("built")
        return network

    monkeypatch.setattr(session, "_built", build)

    def leave(observer):
        diary.append("trained")
        if len(observer.epochs) == 1:
            raise Interrupted("told to leave")

    with pytest.raises(Interrupted):
        session.run(trial("d8"), observing(at_execution=leave), Clocks(), checkpoint)
    session.run(trial("d8"), observing(at_execution=leave), Clocks(), checkpoint)
    before = [one for one, after in pairwise(diary) if after == "trained" and one != after]
    assert before == ["reset", "reset"] and diary.count("built") == 2


def test_training_stops_at_its_training_accuracy(session_with, trial, observer, clocks):
    session = session_with(epochs=40, stop_at_accuracy=0.6)
    trained = session.run(trial("d16"), observer, clocks)
    assert len(trained.epochs) < 40
    assert trained.epochs[-1].train_accuracy >= 0.6
    assert all(result.train_accuracy < 0.6 for result in trained.epochs[:-1])
    assert observer.was_last


def test_patience_ends_the_training_and_keeps_the_best_epoch(
    session_with, trial, observer, clocks, data
):
    # A rate far too large: the validation loss jumps about.
    session = session_with(epochs=60, patience=2)
    trained = session.run(trial("d16", learning_rate=3.0), observer, clocks)
    losses = [result.val_loss for result in trained.epochs]
    best = losses.index(min(losses))
    assert len(losses) == min(best + 1 + 2, 60)
    assert len(losses) < 60 and observer.was_last
    found = np.asarray(trained.model(data.validation.images)).argmax(axis=1)
    assert np.mean(found == data.validation.labels) == trained.epochs[best].val_accuracy


def test_averaged_weights_are_those_that_are_validated_and_kept(
    session_with, trial, observing, clocks, data
):
    averaging = session_with(epochs=2, averaging="ema")
    plain = session_with(epochs=2)
    specification = trial("4k3b-d8", learning_rate=0.1)
    observers = observing(), observing()
    kept = averaging.run(specification, observers[0], clocks)
    other = plain.run(specification, observers[1], clocks)
    assert [r.train_loss for r in observers[0].epochs] == [
        r.train_loss for r in observers[1].epochs
    ]
    assert not np.array_equal(kept.model.get_weights()[0], other.model.get_weights()[0])
    found = kept.model.predict(data.validation.images, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(found, kept.validation_labels)
    assert kept.val_accuracy == observers[0].epochs[-1].val_accuracy


def same_weights(one, other):
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_in_between_the_average_is_validated_and_at_the_end_the_weights_are(
    session_with, trial, observing, clocks
):
    specification = trial("4k3b-d8", learning_rate=0.1)
    interim, ema, plain = (
        session_with(averaging=averaging, averaged_epochs=0.5).run(
            specification, observing(), clocks
        )
        for averaging in ("interim", "ema", "none")
    )
    first, last = ([t.epochs[at].val_loss for t in (interim, ema, plain)] for at in (0, 1))
    assert first[0] == first[1] != first[2]
    assert last[0] == last[2] != last[1]
    assert same_weights(interim, plain) and not same_weights(interim, ema)
    assert interim.val_accuracy == plain.val_accuracy


def test_an_average_is_validated_to_the_end_where_no_schedule_settles_the_weights(
    session_with, trial, observing, clocks
):
    specification = trial("4k3b-d8", learning_rate=0.1, schedule="constant")
    interim, ema = (
        session_with(averaging=averaging).run(specification, observing(), clocks)
        for averaging in ("interim", "ema")
    )
    assert same_weights(interim, ema)
    assert [r.val_loss for r in interim.epochs] == [r.val_loss for r in ema.epochs]


@pytest.mark.parametrize("own", [1, 3])
def test_the_last_epoch_is_the_trials_own(session_with, trial, observing, clocks, own):
    session = session_with(epochs=2, averaging="interim")
    trained = session.run(trial("4k3b-d8", epochs=own), observing(), clocks)
    plain = session_with(epochs=own).run(trial("4k3b-d8"), observing(), clocks)
    assert len(trained.epochs) == own and same_weights(trained, plain)
    assert trained.epochs[-1].val_loss == plain.epochs[-1].val_loss


@pytest.mark.parametrize(
    "ends", [{"stop_at_accuracy": 0.01}, {"patience": 2, "epochs": 60}], ids=str
)
def test_what_ends_in_between_keeps_the_average_that_was_validated(
    session_with, trial, observing, clocks, data, *, ends
):
    settings = {"epochs": 2, "averaged_epochs": 0.5} | ends
    specification = trial("d16", learning_rate=3.0)
    interim, ema = (
        session_with(averaging=averaging, **settings).run(specification, observing(), clocks)
        for averaging in ("interim", "ema")
    )
    assert len(interim.epochs) < settings["epochs"]
    assert same_weights(interim, ema)
    found = np.asarray(interim.model(data.validation.images)).argmax(axis=1)
    np.testing.assert_array_equal(found, interim.validation_labels)


def test_a_loss_that_is_not_finite_ends_the_trial(session, trial, observer, clocks):
    with pytest.raises(LossNotFinite, match=r"loss became (nan|inf) in epoch 1"):
        session.run(
            trial("8k3-8k3n-d16", learning_rate=1e30, schedule="constant", optimizer="sgd"),
            observer,
            clocks,
        )


def test_what_the_observer_raises_ends_the_trial(session, trial, observing, clocks):
    def stop(observer):
        raise StoppedAtRung("others are better")

    with pytest.raises(StoppedAtRung):
        session.run(trial("d8"), observing(at_epoch=stop), clocks)
    # The device is free again, and the session goes on.
    assert session.run(trial("d8"), observing(), clocks).epochs


@pytest.mark.parametrize("text", ["RESOURCE_EXHAUSTED: Out of memory", "CUDA_ERROR_OUT_OF_MEMORY"])
def test_the_devices_memory_errors_end_the_trial(session, trial, observing, clocks, text):
    def fail(observer):
        raise RuntimeError(text)

    with pytest.raises(OutOfMemory, match="the cpu ran out of memory"):
        session.run(trial("d8"), observing(at_execution=fail), clocks)


def test_a_device_too_small_for_the_reference_is_refused_in_a_sentence(session_with, monkeypatch):
    def fail(reference, steps):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(Reference, "execute", fail)
    with pytest.raises(DeviceTooSmall, match=r"^the cpu ran out of memory with the [\d,]+ tr"):
        session_with()


def test_a_batch_may_be_larger_than_the_data(session, trial, observer, clocks):
    trained = session.run(trial("d8", batch_size=256), observer, clocks)
    assert len(trained.epochs) == 2


def test_step_time_of_any_network_at_any_batch_size(session, trial):
    recipe = Recipe(batch_size=32, optimizer="sgd", learning_rate=0.01, schedule="constant")
    assert session.step_ratio(trial("4k3-d8").architecture, recipe) > 0


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
def test_a_trained_model_predicts_the_same_from_disk(undisturbed, data, tmp_path):
    trained, _, _ = undisturbed
    save_model(trained.model, tmp_path / "model.keras")
    found = predicted_probabilities(tmp_path / "model.keras", data.validation.images)
    np.testing.assert_array_equal(found.argmax(axis=1), trained.validation_labels)
