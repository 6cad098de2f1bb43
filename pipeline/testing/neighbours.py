"""Curves of networks that were not recorded, from those that are most like them.

For comparing samplers, which ask for any network of the space: a stand-in, and no better than
the recording is dense.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.journey import ImageShape, counted_costs, macs, parameters
from pipeline.core.trial import Recipe, TrialSpecification
from pipeline.testing.curves import Curve, Recording

NEIGHBOURS = 3


class NearestCurves:
    """Answers with the mean of the nearest recorded curves, weighted by nearness.

    Costs that follow from the architecture are exact; measured ones are the neighbours', in
    proportion to the multiply-accumulates.
    """

    def __init__(self, recording: Recording) -> None:
        self._curves = recording.curves
        height, width, channels = recording.origin["image_shape"]
        self._shape: ImageShape = (height, width, channels)
        self._classes = int(recording.origin["classes"])
        known = np.array([self._features(c.architecture, c.recipe) for c in self._curves])
        self._scale = np.maximum(known.std(axis=0), 1e-9)
        self._known = known / self._scale
        self._answer = lru_cache(maxsize=None)(self._interpolate)

    def __call__(self, specification: TrialSpecification) -> Curve:
        """Return how a trial's network would learn."""
        return self._answer(specification.architecture, specification.recipe)

    def _interpolate(self, architecture: Architecture, recipe: Recipe) -> Curve:
        own = np.array(self._features(architecture, recipe)) / self._scale
        distance = np.sqrt(((self._known - own) ** 2).sum(axis=1))
        nearest = np.argsort(distance, kind="stable")[:NEIGHBOURS]
        weights = 1.0 / (distance[nearest] + 1e-6)
        weights /= weights.sum()
        found = [self._curves[index] for index in nearest]
        return Curve(
            architecture=architecture,
            recipe=recipe,
            reference=None,
            precision=found[0].precision,
            costs=self._costs(architecture, found, weights),
            val_accuracy=_mean([curve.val_accuracy for curve in found], weights),
            val_loss=_mean([curve.val_loss for curve in found], weights),
        )

    def _costs(
        self, architecture: Architecture, found: Sequence[Curve], weights: NDArray[np.float64]
    ) -> Mapping[str, float]:
        costs = counted_costs(architecture, self._shape, self._classes)
        for name in set(found[0].costs) - set(costs):
            shares = [curve.costs[name] * costs["macs"] / curve.costs["macs"] for curve in found]
            costs[name] = float(np.dot(weights, shares))
        return costs

    def _features(self, architecture: Architecture, recipe: Recipe) -> tuple[float, ...]:
        blocks = architecture.blocks
        return (
            math.log10(macs(architecture, self._shape, self._classes)),
            math.log10(parameters(architecture, self._shape, self._classes)),
            float(len(blocks)),
            float(sum(block.normalisation == "batch" for block in blocks)),
            float(sum(block.kernel_size for block in blocks)) / max(1, len(blocks)),
            architecture.dropout,
            math.log2(recipe.batch_size),
            math.log10(recipe.learning_rate),
        )


def _mean(curves: Sequence[Sequence[float]], weights: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.dot(weights, np.array(curves)))
