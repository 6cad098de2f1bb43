"""The ``cnn`` reference as a short script trains it: Keras' ``fit`` with its defaults.

    python -m benchmarks.peers.plain_keras rate DATA.npz IMAGES
    python -m benchmarks.peers.plain_keras accuracy DATA.npz EPOCHS SEED

Batches of 32, float32, Adam. The first prints the images a second of four epochs of so many, the
first batches (tracing, warm-up) left out; the second the validation accuracy after each epoch and
the seconds of all of them. As JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import keras

from benchmarks.peers.networks import load

_WARM = 2000
#: Of a rate. On few cores Keras' two threads may share one for all of an epoch, and have one each
#: in the next: by one epoch its rate would be chance.
_EPOCHS = 4


def build() -> Any:
    """Return the compiled network."""
    model = keras.Sequential(
        [
            keras.layers.Input((28, 28, 1)),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def rate(path: str, images: int) -> dict[str, float]:
    """Return the images a second of epochs of so many, or of all that there are."""
    pixels, labels, *_ = load(path)
    pixels, labels = pixels[:images], labels[:images]
    model = build()
    model.fit(pixels[:_WARM], labels[:_WARM], verbose=0)
    started = time.perf_counter()
    model.fit(pixels, labels, epochs=_EPOCHS, verbose=0)
    return {"images_per_second": _EPOCHS * len(pixels) / (time.perf_counter() - started)}


def accuracy(path: str, epochs: int, seed: int) -> dict[str, Any]:
    """Return what a training comes to, epoch by epoch, and how long it takes."""
    images, labels, *validation = load(path)
    keras.utils.set_random_seed(seed)
    model = build()
    started = time.perf_counter()
    history = model.fit(images, labels, epochs=epochs, validation_data=validation, verbose=0)
    seconds = time.perf_counter() - started
    return {"accuracies": history.history["val_accuracy"], "seconds": seconds}


if __name__ == "__main__":
    what, images_of, *numbers = sys.argv[1:]
    asked: Callable[..., dict[str, Any]] = rate if what == "rate" else accuracy
    print(json.dumps(asked(images_of, *map(int, numbers))))
