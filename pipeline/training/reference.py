"""The ``cnn`` reference as a yardstick: what other networks are timed in turn with."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import timed_beside
from pipeline.training.backend import Inference
from pipeline.training.network import CompiledNetwork


class Reference:
    """An untrained reference that classifies and trains beside the network that is measured.

    Parameters
    ----------
    network
        With the default recipe.
    """

    def __init__(self, network: CompiledNetwork) -> None:
        self._network = network
        self._order = network.order(0)
        self.execute(1)  # the first step is slower
        self._untrained = network.state()

    @property
    def infer(self) -> Inference:
        """Classify images; see ``CompiledNetwork.infer``."""
        return self._network.infer

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._network.steps

    def execute(self, steps: int) -> None:
        """Train for so many steps in one call and return when the device is done."""
        self._network.train(self._order, 0, steps)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Give the weights back at the end: how long a step takes may hang on them."""
        try:
            yield
        finally:
            self._network.restore(self._untrained)


def reference_architecture(image_shape: tuple[int, int, int], classes: int) -> Architecture:
    """Return the ``cnn`` reference, or ``dnn`` for images too small for its two blocks."""
    return REFERENCES[timed_beside(image_shape, classes)]
