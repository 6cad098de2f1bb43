"""The Keras session as a worker's trainer; importing this module imports Keras."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.feature_maps import FeatureMaps
from pipeline.core.observer import TrialObserver
from pipeline.core.trial import Recipe, TrialSpecification
from pipeline.data.dataset import TrainingData
from pipeline.measuring.automatic import automatic, settled_training
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock
from pipeline.training.feature_maps import feature_maps
from pipeline.training.session import (
    TrainedTrial,
    TrainingSession,
    predicted_probabilities,
    save_model,
)


class KerasTrainer:
    """Trains with Keras on this process' device, whose locks are ``quiet``."""

    def __init__(self, config: Config, data: TrainingData, threads: int, quiet: QuietLock) -> None:
        # Whoever started this worker has told it its share of a GPU, where it has one.
        share = config.launch.gpu_memory
        training = settled_training(config.training, automatic(config))
        self._quiet = quiet
        self._session = TrainingSession(
            data,
            training,
            config.measuring,
            config.objective,
            precision=training.precision,
            threads=threads,
            quiet=quiet,
            gpu_memory=None if share == "auto" else share,
        )

    def run(
        self,
        specification: TrialSpecification,
        observer: TrialObserver,
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> TrainedTrial:
        """Measure, train and validate one network."""
        return self._session.run(specification, observer, clocks, checkpoint)

    def save(self, trained: TrainedTrial, path: Path) -> None:
        """Write the model to ``path``."""
        save_model(trained.model, path)

    def probabilities(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of each class that the model at ``path`` gives the images."""
        with self._quiet.training():
            return predicted_probabilities(path, images)

    def feature_maps(self, path: Path, images: NDArray[np.uint8]) -> FeatureMaps:
        """Return what the convolutions of the model at ``path`` make of images."""
        with self._quiet.training():
            return feature_maps(path, images)

    def step_ratio(self, architecture: Architecture, recipe: Recipe) -> float:
        """Return how many times the reference's a training step takes."""
        return self._session.step_ratio(architecture, recipe)
