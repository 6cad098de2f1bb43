"""Trained networks on disk: Keras' own format, for inference only."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.data.durable import replace_durably
from pipeline.training.backend import compile_inference, keras
from pipeline.training.batching import images_a_call

#: The most images a call when a saved model predicts.
BATCH_SIZE = 1000


def save_model(model: Any, path: Path) -> None:
    """Write a model to a ``.keras`` file, by rename; it is on the disk when this returns.

    It takes uint8 images and gives probabilities, holds neither optimiser nor custom code, and
    ``keras.saving.load_model(path, safe_mode=True)`` reads it anywhere.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.keras")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(temporary)
        replace_durably(temporary, path)
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise StorageError(
            f"the model {path} cannot be written: {error.strerror or error}"
        ) from error


def load_model(path: Path) -> Any:
    """Read a model that ``save_model`` has written.

    Raises
    ------
    StorageError
        The file is missing or is not such a model.
    """
    try:
        _check_archive(path)  # h5py reads weights without looking at their digest
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise StorageError(f"the model {path} cannot be read: {reason}") from error


def _check_archive(path: Path) -> None:
    """Raise ValueError for an archive with damage."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except OSError:
        raise
    # Flipped and missing bytes, passwords and ways to pack each have errors of their own.
    except Exception as error:
        raise ValueError(error) from error
    if damaged:
        raise ValueError(f"its {damaged} is damaged")


def predicted_probabilities(model_path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probability of each class that a saved model gives images.

    Parameters
    ----------
    images
        uint8, shape ``(n, height, width, channels)``.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(n, classes)``.
    """
    model = load_model(model_path)
    height, width, channels = model.input_shape[1:]
    infer = compile_inference(model, (height, width, channels), jit_compile=False)
    probabilities = np.empty((len(images), model.output_shape[-1]), dtype=np.float32)
    size = images_a_call(model, BATCH_SIZE)
    for start in range(0, len(images), size):
        batch = slice(start, start + size)
        probabilities[batch] = infer(images[batch])
    return probabilities
