"""KerasTuner's Hyperband as its guide shows it: one objective, the validation accuracy.

    python -m benchmarks.peers.hyperband DATA.npz LOG.jsonl SECONDS SEED

Each network of each bracket is written down with its accuracy after each epoch. The guide is
https://keras.io/keras_tuner/. What the class's own page recommends, early stopping within a
training, has nothing to do here: the longest ones have eight epochs. Instead of many
``hyperband_iterations`` of one tuner, a new one with another seed follows; both draw anew.
"""

import tempfile
import time
from typing import Any

import keras
import keras_tuner

from benchmarks.peers.networks import (
    BATCH_SIZE,
    DEPTHS,
    DROPOUTS,
    FILTERS,
    KERNELS,
    LEARNING_RATES,
    NORMALISATIONS,
    PADDINGS,
    UNITS,
    Log,
    arguments,
    build,
    load,
    written_down,
)

MOST_EPOCHS = 8


def suggest(hp: Any) -> dict[str, Any]:
    """Return a network's parameters."""
    params: dict[str, Any] = {"depth": hp.Int("depth", DEPTHS[0], DEPTHS[-1])}
    for number in range(1, DEPTHS[-1] + 1):
        with hp.conditional_scope("depth", [d for d in DEPTHS if d >= number]):
            for name, choices in (
                ("filters", FILTERS), ("kernel_size", KERNELS), ("padding", PADDINGS),
                ("normalisation", NORMALISATIONS),
            ):  # fmt: skip
                params[f"{name}_{number}"] = hp.Choice(f"{name}_{number}", list(choices))
    params["dense_units"] = hp.Choice("dense_units", list(UNITS))
    params["dropout"] = hp.Choice("dropout", list(DROPOUTS))
    low, high = LEARNING_RATES
    params["learning_rate"] = hp.Float("learning_rate", low, high, sampling="log")
    return params


class Networks(keras_tuner.HyperModel):  # type: ignore[misc]
    """Builds a network, and writes down what it came to."""

    def __init__(self, image_shape: tuple[int, ...], classes: int, log: Log) -> None:
        super().__init__()
        self._image_shape, self._classes, self._log = image_shape, classes, log

    def build(self, hp: Any) -> Any:
        """Return the compiled network."""
        model, self._architecture = build(suggest(hp), self._image_shape, self._classes)
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train the network as the tuner wants."""
        written = written_down(self._log, self._architecture)
        kwargs["callbacks"] = [*kwargs.get("callbacks", ()), written]
        return model.fit(*args, **kwargs)


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the search when the time is over."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if time.monotonic() > self._end:
            raise SystemExit(0)


def main() -> None:
    """Search until the time is over, with another seed once all brackets are done."""
    end = time.monotonic()
    path, log, seconds, seed = arguments()
    end += seconds
    train, train_labels, validation, validation_labels = load(path)
    networks = Networks(train.shape[1:], int(train_labels.max()) + 1, log)
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            tuner = keras_tuner.Hyperband(
                networks, objective="val_accuracy", max_epochs=MOST_EPOCHS, factor=3, seed=seed,
                directory=folder, project_name=str(seed),
            )  # fmt: skip
            tuner.search(
                train, train_labels, batch_size=BATCH_SIZE, verbose=0,
                validation_data=(validation, validation_labels), callbacks=[Deadline(end)],
            )  # fmt: skip
            seed += 1_000


if __name__ == "__main__":
    main()
