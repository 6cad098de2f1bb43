from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.tracking.keras_model import write_model_folder
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.store import open_client

Sweep = Any


def test_a_mirrored_model_predicts_what_the_network_predicted(
    stored_sweep: Sweep, tmp_path: Path, backend: Any
) -> None:
    import keras
    import mlflow

    network = keras.Sequential(
        [
            keras.layers.Input((28, 28, 1)),
            keras.layers.Conv2D(2, 5, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    network.save(tmp_path / "network.keras")
    images = np.random.default_rng(1).random((4, 28, 28, 1), dtype=np.float32)
    expected = network.predict(images, verbose=0)
    spec = stored_sweep.specification(0)
    stored_sweep.start(spec)
    stored_sweep.keep_model(0, (tmp_path / "network.keras").read_bytes())
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as mirror:
        assert mirror.sync().failure is None
    client = open_client(stored_sweep.config)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    (model,) = client.search_logged_models([experiment.experiment_id])
    folder = model.artifact_location
    loaded = mlflow.pyfunc.load_model(folder)
    np.testing.assert_array_equal(loaded.predict(images), expected)
    signature = loaded.metadata.signature
    assert signature.inputs.inputs[0].shape == (-1, 28, 28, 1)
    assert signature.outputs.inputs[0].shape == (-1, 10)
    assert loaded.metadata.model_id == model.model_id
    assert loaded.metadata.metadata["classes"] == list("0123456789")
    again = mlflow.keras.load_model(folder)
    np.testing.assert_array_equal(again.predict(images, verbose=0), expected)


def test_what_is_no_network_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_text("no archive")
    with pytest.raises(StorageError, match=r"x.keras is not a saved Keras network"):
        write_model_folder(
            tmp_path / "x.keras",
            tmp_path / "model",
            model_id="m",
            run_id="r",
            classes=tuple("0123456789"),
            created=0.0,
        )
