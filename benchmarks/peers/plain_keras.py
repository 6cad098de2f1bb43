"""The ``cnn`` reference as a short script trains it: Keras' ``fit`` with its defaults.

    python -m benchmarks.peers.plain_keras IMAGES
    python -m benchmarks.peers.plain_keras DATA.npz EPOCHS SEED

Batches of 32, float32, Adam. The first trains on random images and prints the images a second of
an epoch, the first batches (tracing, warm-up) left out; the second trains on images of a file,
and prints the validation accuracy after each epoch and the seconds of all of them. As JSON.
"""

import json
import sys
import time
from typing import Any

import keras
import numpy as np

from benchmarks.peers.networks import load

_WARM = 2000


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


def throughput(images: int) -> dict[str, float]:
    """Return the images a second of an epoch of so many."""
    generator = np.random.default_rng(0)
    pixels = generator.random((images, 28, 28, 1), dtype=np.float32)
    labels = generator.integers(0, 10, images)
    model = build()
    warm = min(images, _WARM)
    model.fit(pixels[:warm], labels[:warm], verbose=0)
    started = time.perf_counter()
    model.fit(pixels, labels, verbose=0)
    return {"images_per_second": images / (time.perf_counter() - started)}


def training(path: str, epochs: int, seed: int) -> dict[str, Any]:
    """Return what a training comes to, epoch by epoch, and how long it takes."""
    images, labels, *validation = load(path)
    keras.utils.set_random_seed(seed)
    model = build()
    started = time.perf_counter()
    history = model.fit(images, labels, epochs=epochs, validation_data=validation, verbose=0)
    seconds = time.perf_counter() - started
    return {"accuracies": history.history["val_accuracy"], "seconds": seconds}


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    print(json.dumps(training(first, *map(int, rest)) if rest else throughput(int(first))))
