"""What a worker's trainer does beside training."""

import fcntl

import numpy as np
import pytest

from pipeline.launching import keras_trainer
from pipeline.launching.keras_trainer import KerasTrainer
from pipeline.measuring.quiet import QuietLock


@pytest.mark.parametrize("what", ["probabilities", "feature_maps"])
def test_test_images_are_classified_while_nobody_measures(plan, monkeypatch, tmp_path, what):
    other = QuietLock("device", tmp_path)

    def asked(path, images):
        with pytest.raises(BlockingIOError):
            fcntl.flock(other._device, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return images

    monkeypatch.setattr(keras_trainer, "TrainingSession", lambda *_, **__: None)
    monkeypatch.setattr(keras_trainer, "predicted_probabilities", asked)
    monkeypatch.setattr(keras_trainer, "feature_maps", asked)
    data: object = None
    trainer = KerasTrainer(plan.config, data, 1, QuietLock("device", tmp_path))  # type: ignore[arg-type]
    images = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    assert getattr(trainer, what)(tmp_path / "a.keras", images) is images
    with other.measuring():
        pass
