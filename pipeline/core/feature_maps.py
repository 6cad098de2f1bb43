"""What a convolutional network makes of images on their way, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerMaps:
    """The feature maps of one layer.

    Parameters
    ----------
    name
        The layer's, as in the shape journey: ``convolution_1``, ``pooling_1``, …
    maps
        After ReLU, so at least 0; shape ``(images, height, width, filters)``.
    """

    kind: Literal["convolution", "pooling"]
    name: str
    maps: Floats

    @property
    def shape_text(self) -> str:
        """The shape for one image, such as ``26×26×64``."""
        return "×".join(str(side) for side in self.maps.shape[1:])

    @property
    def peaks(self) -> Floats:
        """The largest value of each map, shape ``(images, filters)``."""
        largest: Floats = self.maps.max(axis=(1, 2))
        return largest

    def strongest(self, count: int) -> NDArray[np.intp]:
        """Return the filters that answer most: by the mean of their peaks, the largest first.

        Peaks and not means: a filter that is a little bright everywhere has seen nothing.
        """
        order: NDArray[np.intp] = np.argsort(-self.peaks.mean(axis=0), kind="stable")[:count]
        return order

    def peak_place(self, image: int, filter_number: int) -> tuple[int, int]:
        """Return row and column of the first largest value of a map."""
        values = self.maps[image, :, :, filter_number]
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        return int(row), int(column)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerFilters:
    """The learnt filters of one layer; shape ``(height, width, inputs, filters)``."""

    name: str
    weights: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMaps:
    """Images and all that a network makes of them.

    Parameters
    ----------
    images
        uint8, shape ``(images, height, width, channels)``.
    layers
        Convolutions and poolings in order.
    filters
        Of each convolution, in order.
    probabilities
        Shape ``(images, classes)``.
    """

    images: NDArray[np.uint8]
    layers: tuple[LayerMaps, ...]
    filters: tuple[LayerFilters, ...]
    probabilities: Floats


def shown_filters(layers: Sequence[LayerMaps], count: int) -> list[NDArray[np.intp]]:
    """Return which filters of each layer to look at: those that answer most.

    Of a pooling those of its convolution, so that one sees what pooling leaves of a map.
    """
    chosen: list[NDArray[np.intp]] = []
    for layer in layers:
        pooled = layer.kind == "pooling" and chosen
        chosen.append(chosen[-1] if pooled else layer.strongest(count))
    return chosen
