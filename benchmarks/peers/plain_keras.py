"""The ``cnn`` reference as a short script trains it: Keras' ``fit`` with its defaults.

    python -m benchmarks.peers.plain_keras IMAGES

Batches of 32, float32, Adam; prints the images a second of an epoch as JSON, the first batches
(tracing, warm-up) left out.
"""

import json
import sys
import time

import keras
import numpy as np


def main(images: int) -> None:
    """Train on ``images`` random images for one epoch and print the throughput."""
    generator = np.random.default_rng(0)
    pixels = generator.random((images, 28, 28, 1), dtype=np.float32)
    labels = generator.integers(0, 10, images)
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
    warm = min(images, 2000)
    model.fit(pixels[:warm], labels[:warm], verbose=0)
    started = time.perf_counter()
    model.fit(pixels, labels, verbose=0)
    print(json.dumps({"images_per_second": images / (time.perf_counter() - started)}))


main(int(sys.argv[1]))
