"""A trainer that computes learning curves instead of training, for the real worker loop.

The curves are plausible, not true: more multiply-accumulates raise the accuracy that is
reached, with diminishing returns and a little noise from the trial's seed. Everything around
it (claims, events, outcomes, storage, summary) is the real thing.
"""

import json
import math
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.feature_maps import FeatureMaps, Floats, LayerFilters, LayerMaps
from pipeline.core.journey import counted_costs, macs
from pipeline.core.observer import TrialObserver
from pipeline.core.trial import EpochResult, Recipe, TrialSpecification
from pipeline.measuring.clocks import Clocks

_OWN = "simulated.json"


@dataclass(frozen=True, kw_only=True)
class SimulatedTraining:
    """What a simulated training returns."""

    architecture: Architecture
    val_accuracy: float
    validation_right: NDArray[np.bool_]
    costs: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SimulatedTrainer:
    """Stands where a Keras session would.

    Parameters
    ----------
    before_epoch
        Called with the specification and the epoch (from 1) before each epoch; whatever it
        raises ends the trial, as an error of the real trainer would.
    memory_mib
        Returns the peak of the device's memory up to an epoch; None on a device that does not
        count it.
    """

    config: Config
    description: DataDescription
    before_epoch: Callable[[TrialSpecification, int], None] = lambda specification, epoch: None
    memory_mib: Callable[[int], float] | None = None

    def run(
        self,
        specification: TrialSpecification,
        observer: TrialObserver,
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> SimulatedTraining:
        """Go through a trial's epochs; costs depend on the architecture alone."""
        costs = self._costs(specification.architecture)
        described = {"epoch_seconds", "latency_ms"} - self.config.objective.deciding
        before = {name: value for name, value in costs.items() if name not in described}
        observer.measured(before, {}, f"simulated {specification.architecture}")
        accuracy, reached = 0.0, math.inf
        shown: dict[str, float] = {}
        epochs = specification.recipe.epochs or self.config.training.epochs
        for epoch in range(1, epochs + 1):
            observer.between_executions()
            self.before_epoch(specification, epoch)
            accuracy = self._accuracy(specification, epoch / epochs)
            result = self._result(epoch, accuracy, costs["epoch_seconds"])
            shown = {"train_seconds": epoch * result.epoch_seconds}
            target = self.config.objective.target_accuracy
            if target is not None and accuracy >= target:
                reached = min(reached, shown["train_seconds"])
                shown["time_to_accuracy_seconds"] = reached
            if self.memory_mib is not None:
                shown["device_memory_mib"] = self.memory_mib(epoch)
            observer.epoch_ended(result, shown, last=epoch == epochs)
        observer.between_measurements()
        images = self.description.validation
        # Hard images are hard for every network, and each has a few that it alone misses.
        order = np.arange(images) / images
        order += np.random.default_rng(specification.seed).normal(0.0, 0.02, images)
        right = np.zeros(images, dtype=np.bool_)
        right[np.argsort(order, kind="stable")[: round(accuracy * images)]] = True
        return SimulatedTraining(
            architecture=specification.architecture,
            val_accuracy=accuracy,
            validation_right=right,
            costs=shown | {name: costs[name] for name in described},
        )

    def save(self, trained: Any, path: Path) -> None:
        """Write what MLflow reads of a Keras file, and what this trainer itself needs."""
        image = {"batch_shape": [None, *self.description.image_shape], "dtype": "float32"}
        layers = [{"class_name": "InputLayer", "config": image}]
        content = {"accuracy": trained.val_accuracy, "architecture": str(trained.architecture)}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "simulated"}))
            archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
            archive.writestr(_OWN, json.dumps(content))

    def probabilities(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return 0.9 for class 0 of the share of images that the accuracy gives, else class 1."""
        accuracy = _own(path)["accuracy"]
        classes = len(self.description.classes)
        found = np.full((len(images), classes), 0.1 / (classes - 1), dtype=np.float32)
        wrong: NDArray[np.bool_] = np.arange(len(images)) >= accuracy * len(images)
        found[np.arange(len(images)), wrong.astype(np.int64)] = 0.9
        return found

    def feature_maps(self, path: Path, images: NDArray[np.uint8]) -> FeatureMaps:
        """Return what convolutions with random filters of the model's sizes make of images."""
        architecture = Architecture.parse(_own(path)["architecture"])
        random_numbers = np.random.default_rng(0)
        values = (images / 255).astype(np.float32)
        layers, filters = [], []
        for index, block in enumerate(architecture.blocks, start=1):
            kernel = block.kernel_size
            size = (kernel, kernel, values.shape[-1], block.filters)
            weights = random_numbers.normal(0.0, 1.0 / kernel, size).astype(np.float32)
            filters.append(LayerFilters(name=f"convolution_{index}", weights=weights))
            values = _convolved(values, weights, same=block.padding == "same")
            layers.append(LayerMaps(kind="convolution", name=f"convolution_{index}", maps=values))
            if block.pooling != "none":
                values = _pooled(values)
                layers.append(LayerMaps(kind="pooling", name=f"pooling_{index}", maps=values))
        return FeatureMaps(
            images=images,
            layers=tuple(layers),
            filters=tuple(filters),
            probabilities=self.probabilities(path, images),
        )

    def step_ratio(self, architecture: Architecture, recipe: Recipe) -> float:
        """Return a ratio in proportion to the work of a batch."""
        return 1e-10 * recipe.batch_size * self._macs(architecture)

    def _costs(self, architecture: Architecture) -> dict[str, float]:
        shape, classes = self.description.image_shape, len(self.description.classes)
        counted = counted_costs(architecture, shape, classes)
        return counted | {
            "epoch_seconds": 1e-10 * counted["macs"] * self.description.train,
            "latency_ms": 0.1 + 1e-8 * counted["macs"],
        }

    def _macs(self, architecture: Architecture) -> int:
        return macs(architecture, self.description.image_shape, len(self.description.classes))

    def _accuracy(self, specification: TrialSpecification, progress: float) -> float:
        work = math.log10(self._macs(specification.architecture))
        noise = random.Random(specification.seed).gauss(0.0, 0.005)
        reached = 1.0 - 0.5 * math.exp(-0.35 * work) - 0.02 + noise
        return max(0.1, reached * (1.0 - 0.3 * math.exp(-4.0 * progress)))

    def _result(self, epoch: int, accuracy: float, seconds: float) -> EpochResult:
        return EpochResult(
            epoch=epoch,
            train_loss=-math.log(min(accuracy, 0.999)),
            train_accuracy=accuracy,
            val_loss=-math.log(min(accuracy, 0.999)),
            val_accuracy=accuracy,
            epoch_seconds=seconds,
            images_per_second=self.description.train / seconds,
        )


def _own(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        content: dict[str, Any] = json.loads(archive.read(_OWN))
    return content


def _convolved(values: Floats, weights: Floats, *, same: bool) -> Floats:
    kernel = weights.shape[0]
    edge = kernel // 2 if same else 0
    padded = np.pad(values, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return np.maximum(np.tensordot(windows, weights, axes=([4, 5, 3], [0, 1, 2])), 0)


def _pooled(values: Floats) -> Floats:
    images, height, width, count = values.shape
    even = values[:, : height // 2 * 2, : width // 2 * 2]
    largest: Floats = even.reshape(images, height // 2, 2, width // 2, 2, count).max(axis=(2, 4))
    return largest
