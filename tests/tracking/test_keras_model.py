from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.core.errors import StorageError
from pipeline.tracking.keras_model import read_model_folder, write_model_folder
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


@pytest.fixture
def model_folder(tmp_path: Path, keras_file: Path) -> Path:
    folder = tmp_path / "model"
    write_model_folder(
        keras_file,
        folder,
        model_id="m",
        run_id="r",
        classes=tuple("0123456789"),
        created=0.0,
    )
    return folder


def test_what_was_written_is_read(model_folder: Path) -> None:
    found = read_model_folder(model_folder)
    assert (found.classes, found.image_shape) == (tuple("0123456789"), (28, 28, 1))


@pytest.mark.parametrize("installed", ["tensorflow", "jax"])
def test_a_model_is_loaded_with_tensorflow_unless_that_is_not_there(
    tmp_path: Path, keras_file: Path, monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    def version(package: str) -> str:
        if package in {"tensorflow", "jax"} - {installed}:
            raise PackageNotFoundError(package)
        return "9"

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for module in ("pipeline.measuring.backends", "pipeline.tracking.keras_model"):
        monkeypatch.setattr(f"{module}.version", version)
    folder = tmp_path / "model"
    write_model_folder(
        keras_file, folder, model_id="m", run_id="r", classes=("a",) * 10, created=0.0
    )
    asked = (folder / "requirements.txt").read_text().splitlines()
    assert f"{installed}==9" in asked and len(asked) == 4
    assert (
        yaml.safe_load((folder / "MLmodel").read_text())["flavors"]["keras"]["keras_backend"]
        == installed
    )
    read_model_folder(folder)


@pytest.mark.parametrize(
    ("flavour", "changes"),
    [
        ("python_function", {"loader_module": "mlflow.sklearn"}),
        ("python_function", {"loader_module": "mlflow.pyfunc.model", "python_model": "x.pkl"}),
        ("python_function", {"code": "code"}),
        ("python_function", {"data": "../elsewhere"}),
        ("keras", {"data": "../../elsewhere"}),
        ("keras", {"save_exported_model": True}),
        ("sklearn", {"pickled_model": "model.pkl"}),
    ],
)
def test_a_model_that_would_bring_code_or_a_pickle_is_refused(
    model_folder: Path, flavour: str, changes: dict[str, Any]
) -> None:
    """Whoever may write to the registry could name what MLflow loads and runs."""
    path = model_folder / "MLmodel"
    values = yaml.safe_load(path.read_text())
    values["flavors"].setdefault(flavour, {}).update(changes)
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(StorageError, match=r"none of sweetspot's"):
        read_model_folder(model_folder)
