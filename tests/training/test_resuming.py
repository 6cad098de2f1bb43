import shutil
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.outcome import Interrupted
from pipeline.measuring.clocks import Clocks
from pipeline.training.checkpoint import read_checkpoint, write_checkpoint
from pipeline.training.network import CompiledNetwork


def timeless(results):
    return [replace(result, epoch_seconds=0.0, images_per_second=0.0) for result in results]


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_a_resumed_trial_equals_an_undisturbed_one(
    long_session, trial, observing, undisturbed, tmp_path, *, epochs_before
):
    def leave(observer):
        if len(observer.epochs) == epochs_before and observer.executions % 3 == 2:
            raise Interrupted("told to leave")

    checkpoint = tmp_path / "deep" / "trial.npz"
    clocks = Clocks()
    specification = trial("4k3b-d8p0.2", learning_rate=0.1)
    first = observing(at_execution=leave)
    with pytest.raises(Interrupted):
        long_session.run(specification, first, clocks, checkpoint)
    second = observing()
    trained = long_session.run(specification, second, clocks, checkpoint)

    expected, _, _ = undisturbed
    assert [result.epoch for result in second.epochs] == [2, 3][epochs_before - 1 :]
    assert second.costs == first.costs and second.measurements == first.measurements
    assert (first.measured_again, second.measured_again) == (False, True)
    assert timeless(trained.epochs) == timeless(expected.epochs)
    assert trained.val_accuracy == expected.val_accuracy
    assert trained.costs["train_seconds"] == sum(r.epoch_seconds for r in trained.epochs)
    np.testing.assert_array_equal(trained.validation_labels, expected.validation_labels)
    for one, other in zip(trained.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_average_of_the_weights_outlasts_an_interruption(
    session_with, trial, observing, clocks, tmp_path
):
    def leave(observer):
        if observer.epochs and observer.executions % 3 == 2:
            raise Interrupted("told to leave")

    averaging = session_with(epochs=3, averaging="interim", averaged_epochs=2.0)
    specification, checkpoint = trial("4k3b-d8", learning_rate=0.1), tmp_path / "trial.npz"
    expected = averaging.run(specification, observing(), clocks)
    with pytest.raises(Interrupted):
        averaging.run(specification, observing(at_execution=leave), clocks, checkpoint)
    again = observing()
    trained = averaging.run(specification, again, clocks, checkpoint)
    assert [result.epoch for result in again.epochs] == [2, 3]
    assert timeless(trained.epochs) == timeless(expected.epochs)
    for one, other in zip(trained.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for other in ({"averaging": "ema"}, {"averaged_epochs": 1.0}):
        settings = {"epochs": 3, "averaging": "interim", "averaged_epochs": 2.0} | other
        copy, anew = tmp_path / "other.npz", observing()
        shutil.copy(checkpoint, copy)
        session_with(**settings).run(specification, anew, clocks, copy)
        assert [result.epoch for result in anew.epochs] == [1, 2, 3]  # of another trial


def test_a_finished_checkpoint_needs_no_epoch(session, trial, observing, clocks, tmp_path):
    checkpoint = tmp_path / "trial.npz"
    first = session.run(trial("d8"), observing(), clocks, checkpoint)
    again = observing()
    second = session.run(trial("d8"), again, clocks, checkpoint)
    assert not again.epochs and again.costs
    # What was measured last is in no checkpoint.
    assert second.costs.keys() == first.costs.keys() >= {"latency_ms", "train_seconds"}
    assert {"latency_ratio", "latency_64_ms"} <= second.measurements.keys()
    assert second.val_accuracy == first.val_accuracy and second.epochs == first.epochs
    np.testing.assert_array_equal(second.validation_labels, first.validation_labels)


def test_a_finished_checkpoint_has_the_average_that_was_kept(
    session_with, trial, observing, clocks, tmp_path
):
    settings = {"epochs": 3, "averaging": "interim", "stop_at_accuracy": 0.01}
    checkpoint, session = tmp_path / "trial.npz", session_with(**settings)
    first = session.run(trial("4k3b-d8"), observing(), clocks, checkpoint)
    again = observing()
    second = session.run(trial("4k3b-d8"), again, clocks, checkpoint)
    assert not again.epochs and len(second.epochs) == 1
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_adam_remembers_as_the_sweep_says_and_no_checkpoint_of_another_memory_is_gone_on_with(
    session_with, trial, observing, clocks, tmp_path
):
    usual, short = session_with(), session_with(adam_beta_2=0.5)
    checkpoint = tmp_path / "trial.npz"
    one = usual.run(trial("d8"), observing(), clocks, checkpoint)
    other = short.run(trial("d8"), observing(), clocks)
    first = [trained.model.get_weights()[0] for trained in (one, other)]
    assert not np.allclose(*first)
    anew = observing()
    again = short.run(trial("d8"), anew, clocks, checkpoint)
    assert [result.epoch for result in anew.epochs] == [1, 2]
    assert timeless(again.epochs) == timeless(other.epochs)


def test_a_checkpoint_of_another_version_of_keras_starts_its_trial_again(
    session, trial, observing, tmp_path, capsys
):
    checkpoint, clocks = tmp_path / "trial.npz", Clocks()
    expected = session.run(trial("d8"), observing(), clocks, checkpoint)
    found = read_checkpoint(checkpoint, session._identity(trial("d8")))
    assert found is not None
    write_checkpoint(checkpoint, replace(found, state=found.state[:-1]))
    anew = observing()
    trained = session.run(trial("d8"), anew, clocks, checkpoint)
    assert [result.epoch for result in anew.epochs] == [1, 2]
    assert timeless(trained.epochs) == timeless(expected.epochs)
    assert (
        "trial.npz is of no use, its variables are not those of the ne" in capsys.readouterr().err
    )


def test_the_same_seed_gives_the_same_trial(session, trial, observing, clocks):
    one, other, different = (
        session.run(trial("4k3-d8", seed=seed), observing(), clocks) for seed in (1, 1, 2)
    )
    assert timeless(one.epochs) == timeless(other.epochs) != timeless(different.epochs)


def test_the_step_that_compiles_is_no_training_of_a_resumed_trial_either(
    session, trial, observing, tmp_path, monkeypatch
):
    def leave(observer):
        if observer.epochs:
            raise Interrupted("told to leave")

    checkpoint, specification = tmp_path / "trial.npz", trial("4k3-d8")
    with pytest.raises(Interrupted):
        session.run(specification, observing(at_execution=leave), Clocks(), checkpoint)
    taken: list[tuple[float, int]] = []
    train = CompiledNetwork.train

    def counted(network, order, first, last):
        taken.append((clocks.seconds()["training"], last - first))
        return train(network, order, first, last)

    monkeypatch.setattr(CompiledNetwork, "train", counted)
    clocks = Clocks()
    observer = observing()
    session.run(specification, observer, clocks, checkpoint)
    stepped = [trained for trained, steps in taken if steps]
    assert stepped[0] == 0.0 < stepped[1] and clocks.seconds()["first_step"] > 0.0
    assert [result.epoch for result in observer.epochs] == [2]
    finished = Clocks()
    session.run(specification, observing(), finished, checkpoint)
    assert finished.seconds()["first_step"] == 0.0  # nothing is trained any more
