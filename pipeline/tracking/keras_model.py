"""A saved Keras file as an MLflow model, made without loading TensorFlow.

MLflow's own ``log_model`` wants the live network, and TensorFlow takes ten seconds to import.
What it writes is a folder of small text files around the ``.keras`` file; this module writes
the same folder (flavours ``keras`` and ``python_function``), with a signature read from the
file itself. Format: ``mlflow.keras.save_model`` of MLflow 3.
"""

import json
import platform
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.measuring import backends

#: Where the network is in the folder of an MLflow model.
KERAS_FILE = "data/model.keras"
#: What the class names are called in the model's metadata.
CLASSES_KEY = "classes"
_PACKAGES = ("mlflow", "keras", "numpy")
_EXAMPLE = "input_example.json"
_SERVING_EXAMPLE = "serving_input_example.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """What is needed to use a network from the folder of an MLflow model.

    Parameters
    ----------
    classes
        Names in the order of the outputs.
    image_shape
        ``(height, width, channels)``.
    """

    keras_file: Path
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]


def read_model_folder(folder: Path) -> ModelFolder:
    """Read what ``write_model_folder`` has written.

    Others may be able to write to where a model comes from, and MLflow runs what a model's folder
    names: so it is one of ours in all that MLflow goes by, and a network in Keras' own format.

    Raises
    ------
    StorageError
        It is the folder of some other kind of model.
    """
    try:
        model = Model.load(str(folder))
        _check_loading(model, folder)
        classes = tuple(str(name) for name in (model.metadata or {})[CLASSES_KEY])
        _, height, width, channels = model.signature.inputs.inputs[0].shape
    except (MlflowException, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(
            f"the model in {folder} is none of sweetspot's, it lacks class names or signature: "
            f"{error!r}"
        ) from error
    return ModelFolder(
        keras_file=folder / KERAS_FILE,
        classes=classes,
        image_shape=(int(height), int(width), int(channels)),
    )


def _check_loading(model: Model, folder: Path) -> None:
    """Raise ValueError where MLflow would load anything but a network in safe mode."""
    ours: dict[str, dict[str, Any]] = {
        "keras": {"data": "data", "save_exported_model": False},
        "python_function": {"loader_module": "mlflow.keras"},
    }
    if set(model.flavors) != set(ours):
        raise ValueError(f"it has the flavours {sorted(model.flavors)}")
    for flavour, settings in ours.items():
        found = model.flavors[flavour]
        if any(found.get(name) != value for name, value in settings.items()):
            raise ValueError(f"its flavour {flavour} is loaded in another way")
        if {"code", "data"} & set(found) - set(settings):
            raise ValueError(f"its flavour {flavour} brings code or data")
    if not (folder / KERAS_FILE).is_file():
        raise ValueError(f"it lacks {KERAS_FILE}")


def write_model_folder(
    keras_file: Path,
    folder: Path,
    *,
    model_id: str,
    run_id: str,
    classes: Sequence[str],
    created: float,
    example: NDArray[np.uint8] | None = None,
) -> None:
    """Write the MLflow model folder of a saved network.

    Parameters
    ----------
    folder
        Is created.
    model_id, run_id
        Of the MLflow model and of the run it belongs to.
    classes
        Names of the classes that the network tells apart, in the order of its outputs.
    created
        Seconds since the epoch.
    example
        Images to show what the network takes, shape ``(n, height, width, channels)``.

    Raises
    ------
    StorageError
        The file is not a saved Keras network.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    signature, keras_version = _described(keras_file, len(classes))
    shutil.copyfile(keras_file, folder / KERAS_FILE)
    (data / "keras_module.txt").write_text("keras")
    backend, backend_version = _loading_backend()
    packages = {name: version(name) for name in _PACKAGES} | {backend: backend_version}
    requirements = [f"{name}=={number}" for name, number in packages.items()]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    python = platform.python_version()
    _write_yaml(
        folder / "python_env.yaml",
        {"python": python, "dependencies": ["-r requirements.txt"]},
    )
    _write_yaml(
        folder / "conda.yaml",
        {
            "name": "mlflow-env",
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", {"pip": requirements}],
        },
    )
    moment = datetime.fromtimestamp(created, tz=UTC).replace(tzinfo=None)
    model = Model(
        run_id=run_id,
        model_id=model_id,
        model_uuid=model_id,
        utc_time_created=moment,
        signature=signature,
        saved_input_example_info=None if example is None else _write_example(folder, example),
        metadata={CLASSES_KEY: list(classes)},
    )
    model.add_flavor(
        "keras",
        data="data",
        keras_version=keras_version,
        keras_backend=backend,
        save_exported_model=False,
    )
    pyfunc.add_to_model(
        model, loader_module="mlflow.keras", conda_env="conda.yaml", python_env="python_env.yaml"
    )
    model.model_size_bytes = keras_file.stat().st_size
    model.save(str(folder / "MLmodel"))


def _loading_backend() -> tuple[str, str]:
    """Return the backend, and its version, that a network is to be loaded with.

    Its file is the same whichever it was trained with: TensorFlow, unless that is not there.
    """
    try:
        return "tensorflow", version("tensorflow")
    except PackageNotFoundError:
        return backends.backend_name(), backends.backend_version()


def _described(keras_file: Path, classes: int) -> tuple[ModelSignature, str]:
    """Return the signature and the Keras version that a saved network tells of."""
    try:
        with zipfile.ZipFile(keras_file) as archive:
            network = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
        image = next(
            layer["config"]
            for layer in network["config"]["layers"]
            if layer["class_name"] == "InputLayer"
        )
        shape = image.get("batch_shape") or image["batch_input_shape"]
        inputs = TensorSpec(np.dtype(image["dtype"]), (-1, *(int(side) for side in shape[1:])))
        keras_version = str(metadata["keras_version"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration, zipfile.BadZipFile) as error:
        raise StorageError(f"{keras_file} is not a saved Keras network: {error!r}") from error
    outputs = TensorSpec(np.dtype("float32"), (-1, classes))
    return ModelSignature(inputs=Schema([inputs]), outputs=Schema([outputs])), keras_version


def _write_example(folder: Path, images: NDArray[np.uint8]) -> dict[str, str]:
    """Write images as MLflow shows them, and as its server takes them; return where they are."""
    (folder / _EXAMPLE).write_text(json.dumps(images.tolist()))
    (folder / _SERVING_EXAMPLE).write_text(json.dumps({"inputs": images.tolist()}))
    return {
        "artifact_path": _EXAMPLE,
        "serving_input_path": _SERVING_EXAMPLE,
        "type": "ndarray",
    }


def _write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(values), sort_keys=False))
