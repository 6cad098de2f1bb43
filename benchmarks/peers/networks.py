"""The networks that the peers search over, built as people build them: our default space.

Nothing of ``pipeline`` is used here: this is what somebody without it would write.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DEPTHS, FILTERS, KERNELS = (0, 1, 2, 3), (16, 32, 64), (3, 5)
PADDINGS, NORMALISATIONS, UNITS = ("valid", "same"), ("none", "batch"), (32, 64, 128)
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
LEARNING_RATES = (3e-4, 3e-3)
EPOCHS, BATCH_SIZE = 5, 32


def load(path: str) -> tuple[Any, Any, Any, Any]:
    """Return training images and labels, and those of validation, images as float32 in [0, 1]."""
    with np.load(path) as data:
        train, validation = (data[f"{name}_images"] / np.float32(255) for name in ("train", "val"))
        return train, data["train_labels"], validation, data["val_labels"]


def build(params: dict[str, Any], image_shape: tuple[int, ...], classes: int) -> tuple[Any, str]:
    """Return the compiled network of some parameters, and its architecture as text."""
    # Not above: whoever only needs the space, as Syne Tune's tuner, need not wait ten seconds.
    import keras

    layers: list[Any] = [keras.layers.Input(image_shape)]
    blocks, side = [], image_shape[0]
    for number in range(1, params["depth"] + 1):
        filters, kernel = params[f"filters_{number}"], params[f"kernel_size_{number}"]
        same = params[f"padding_{number}"] == "same" or side < kernel
        batch = params[f"normalisation_{number}"] == "batch"
        layers.append(
            keras.layers.Conv2D(
                filters, kernel, padding="same" if same else "valid",
                activation=None if batch else "relu",
            )
        )  # fmt: skip
        if batch:
            layers += [keras.layers.BatchNormalization(), keras.layers.Activation("relu")]
        side -= 0 if same else kernel - 1
        pool = side >= 2
        if pool:
            layers.append(keras.layers.MaxPooling2D())
            side //= 2
        blocks.append(
            f"{filters}k{kernel}{'s' if same else ''}{'' if pool else 'n'}{'b' if batch else ''}"
        )
    layers += [keras.layers.Flatten(), keras.layers.Dense(params["dense_units"], "relu")]
    if params["dropout"]:
        layers.append(keras.layers.Dropout(params["dropout"]))
    model = keras.Sequential([*layers, keras.layers.Dense(classes, "softmax")])
    model.compile(
        keras.optimizers.Adam(params["learning_rate"]),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    rate = f"p{params['dropout']:g}" if params["dropout"] else ""
    return model, "-".join([*blocks, f"d{params['dense_units']}{rate}"])


def work(model: Any) -> float:
    """Return the multiply-accumulates of an image."""
    import keras

    total = 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += float(height * width * math.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += float(math.prod(layer.kernel.shape))
    return total


class Log:
    """Writes down how accurate a network is after each epoch, and when; a line of JSON each."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def trial(self, architecture: str, accuracy: float) -> None:
        """Write what a network came to; the time is the clock's."""
        with self.path.open("a") as file:
            line = {"time": time.time(), "architecture": architecture, "accuracy": accuracy}
            file.write(json.dumps(line) + "\n")


def written_down(log: Log, architecture: str) -> Any:
    """Return a callback that writes down each epoch of a network."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _, logs: log.trial(architecture, logs["val_accuracy"])
    )


def arguments() -> tuple[str, Log, float, int]:
    """Return the data's path, the log, the seconds and the seed of the command line."""
    data, log, seconds, seed = sys.argv[1:5]
    return data, Log(log), float(seconds), int(seed)
