"""What a sweep asks of whoever trains."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.feature_maps import FeatureMaps
from pipeline.core.observer import TrialObserver
from pipeline.core.trial import Recipe, TrialSpecification
from pipeline.measuring.clocks import Clocks


class Trained(Protocol):
    """What a trainer returns."""

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy of the weights that were kept."""

    @property
    def costs(self) -> dict[str, float]:
        """Costs that training itself has shown, and those measured after it."""

    @property
    def measurements(self) -> dict[str, float]:
        """What was measured after training, by name."""

    @property
    def validation_right(self) -> NDArray[np.bool_]:
        """Whether these weights classify each validation image rightly, shape ``(images,)``."""


class Trainer(Protocol):
    """Whoever trains: the session of ``pipeline.training``, or a simulated one."""

    def run(
        self,
        specification: TrialSpecification,
        observer: TrialObserver,
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> Trained:
        """Measure, train and validate one network; what decides nothing is measured last."""

    def save(self, trained: Any, path: Path) -> None:
        """Write the trained model to ``path``."""

    def probabilities(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the model at ``path`` says of ``(n, height, width, channels)``.

        Shape ``(n, classes)``.
        """

    def feature_maps(self, path: Path, images: NDArray[np.uint8]) -> FeatureMaps:
        """Return what the convolutions of the model at ``path`` make of images; it has some."""

    def step_ratio(self, architecture: Architecture, recipe: Recipe) -> float:
        """Return how many times the reference's a training step takes."""
