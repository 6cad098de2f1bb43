from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.core.outcome import Interrupted
from pipeline.core.trial import EpochResult
from pipeline.training.checkpoint import (
    Checkpoint,
    KeptWeights,
    read_checkpoint,
    set_aside,
    write_checkpoint,
)

TRIAL = {"architecture": "4k3-d8", "seed": 5, "learning_rate": 0.1}
RESULT = EpochResult(
    epoch=1,
    train_loss=0.1,
    train_accuracy=1 / 3,
    val_loss=0.3,
    val_accuracy=0.4,
    epoch_seconds=0.5,
    images_per_second=6.0,
)


def checkpoint(weights=None):
    return Checkpoint(
        trial=TRIAL,
        costs={"epoch_seconds": 0.1},
        measurements={"step_ms": 0.7},
        step_seconds=0.0007,
        memory_mib=12.5,
        history=(RESULT,),
        kept=KeptWeights(
            epoch=1,
            val_loss=0.3,
            val_accuracy=0.4,
            labels=np.arange(4),
            weights=weights,
        ),
        state=[np.full((2, index), index, dtype=np.float32) for index in range(12)],
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints" / "0001.npz"


@pytest.mark.parametrize("weights", [None, [], [np.ones((2, 3), dtype=np.float32)]])
def test_what_is_read_is_what_was_written(path, weights):
    written = checkpoint(weights)
    write_checkpoint(path, written)
    found = read_checkpoint(path, TRIAL)
    assert found is not None
    assert (found.trial, found.costs, found.measurements) == (
        written.trial, written.costs, written.measurements,
    )  # fmt: skip
    assert found.history == (RESULT,)
    assert found.step_seconds == written.step_seconds
    assert found.memory_mib == 12.5
    assert (found.kept.epoch, found.kept.val_loss, found.kept.val_accuracy) == (1, 0.3, 0.4)
    np.testing.assert_array_equal(found.kept.labels, np.arange(4))
    assert (found.kept.weights is None) == (weights is None)
    for one, other in zip(found.kept.weights or [], weights or [], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(found.state, written.state, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_where_there_is_none_there_is_none(path):
    assert read_checkpoint(path, TRIAL) is None


def test_writing_replaces_and_leaves_nothing_else(path):
    for _ in range(2):
        write_checkpoint(path, checkpoint())
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_another_trials_checkpoint_is_set_aside(path, capsys):
    write_checkpoint(path, checkpoint())
    assert read_checkpoint(path, TRIAL | {"seed": 6}) is None
    assert "0001.npz is of no use, it belongs to another trial; the tr" in capsys.readouterr().err
    assert [other.name for other in path.parent.iterdir()] == [set_aside(path).name]
    assert read_checkpoint(path, TRIAL) is None
    set_aside(path).replace(path)
    assert read_checkpoint(path, TRIAL) is not None


@pytest.mark.parametrize("keep", [0, 1, 100, -30, -2000])
def test_a_damaged_checkpoint_starts_its_trial_again(path, capsys, keep):
    write_checkpoint(path, checkpoint())
    path.write_bytes(path.read_bytes()[:keep])
    assert read_checkpoint(path, TRIAL) is None
    assert "0001.npz is of no use, " in capsys.readouterr().err
    assert [other.name for other in path.parent.iterdir()] == [set_aside(path).name]


def test_a_checkpoint_without_what_it_must_have_starts_its_trial_again(path):
    write_checkpoint(path, checkpoint())
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "labels"}
    np.savez(path, **arrays)
    assert read_checkpoint(path, TRIAL) is None


def test_a_disk_that_fails_is_no_damaged_checkpoint(path):
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match=r"0001.npz cannot be read: .*Is a directory"):
        read_checkpoint(path, TRIAL)
    assert path.is_dir()


def test_a_full_disk_leaves_the_old_checkpoint(path, monkeypatch):
    write_checkpoint(path, checkpoint())
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_checkpoint(path, checkpoint([np.ones(3)]))
    assert path.read_bytes() == before
    assert [other.name for other in path.parent.iterdir()] == [path.name]


USUAL = {"augmentation": "none", "averaging": "none"}


@pytest.mark.parametrize(
    ("written", "asked"),
    [({}, USUAL), (USUAL, {}), (USUAL, USUAL), ({"augmentation": "none"}, USUAL)],
    ids=["before-both", "leaving-them-out", "naming-them", "before-averaging"],
)
def test_a_checkpoint_from_before_a_setting_is_one_of_its_default(path, written, asked):
    write_checkpoint(path, replace(checkpoint(), trial=TRIAL | written))
    assert read_checkpoint(path, TRIAL | asked) is not None


@pytest.mark.parametrize("other", [{"augmentation": "shift"}, {"averaging": "ema"}])
def test_a_checkpoint_from_before_a_setting_is_of_no_other_trial(path, other):
    write_checkpoint(path, checkpoint())
    assert read_checkpoint(path, TRIAL | USUAL | other) is None
    write_checkpoint(path, replace(checkpoint(), trial=TRIAL | USUAL | other))
    assert read_checkpoint(path, TRIAL | USUAL) is None


def test_a_trial_goes_on_from_a_checkpoint_of_before(session, trial, observing, clocks, tmp_path):
    """Which named neither setting, and held the optimiser's row twice."""

    def leave(observer):
        if observer.epochs:
            raise Interrupted("told to leave")

    path, specification = tmp_path / "trial.npz", trial("d8")
    expected = session.run(specification, observing(), clocks)
    with pytest.raises(Interrupted):
        session.run(specification, observing(at_execution=leave), clocks, path)
    identity = session._identity(specification)
    found = read_checkpoint(path, identity)
    assert found is not None
    before = {name: value for name, value in identity.items() if name not in USUAL}
    row = next(i for i, array in enumerate(found.state) if array.ndim == 1 and array.size > 100)
    state = [*found.state[: row + 1], *found.state[row:]]
    write_checkpoint(path, replace(found, trial=before, state=state))
    again = observing()
    trained = session.run(specification, again, clocks, path)
    assert [result.epoch for result in again.epochs] == [2]
    for one, other in zip(trained.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
