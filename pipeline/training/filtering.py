"""One filter over one picture, by the operations that the networks are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Padding, Pooling
from pipeline.core.errors import ConfigurationError
from pipeline.core.filters import Filter, filtered_side
from pipeline.training.backend import keras

Pixels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterSteps:
    """A picture on its way; each float32, shape ``(height, width, channels)``, not cut off.

    Parameters
    ----------
    picture
        The original, values from 0 to 255.
    convolved
        After the filter; below 0 and above 255 are possible.
    rectified
        After ReLU: what was below 0 is 0.
    pooled
        After pooling; None without it.
    """

    picture: Pixels
    convolved: Pixels
    rectified: Pixels
    pooled: Pixels | None


def convolve(picture: Pixels, kernel: Filter, *, stride: int = 1, padding: Padding) -> Pixels:
    """Lay a filter over each channel of a picture.

    This is a network's convolution, which mathematics calls cross-correlation: the filter is
    not turned round. ``same`` padding adds zeros, with a stride as many as TensorFlow's rule
    asks for.

    Parameters
    ----------
    picture
        Shape ``(height, width, channels)``.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(height, width, channels)`` of the result.

    Raises
    ------
    ConfigurationError
        The filter does not fit the picture.
    """
    height, width = picture.shape[:2]
    sides = zip((height, width), (kernel.height, kernel.width), strict=True)
    if min(filtered_side(side, length, padding, stride) for side, length in sides) < 1:
        raise ConfigurationError(
            f"a {kernel.height}×{kernel.width} filter does not fit a {height}×{width} picture; "
            "filters.padding=same adds zeros around it"
        )
    # A channel each is a batch of grey pictures: no channel is mixed into another.
    values = keras.ops.conv(
        np.moveaxis(picture, -1, 0)[..., None].astype(np.float32),
        kernel.weights[..., None, None].astype(np.float32),
        strides=stride,
        padding=padding,
        data_format="channels_last",
    )
    return _channels_last(values) + np.float32(kernel.bias)


def filter_steps(
    picture: Pixels,
    kernel: Filter,
    *,
    stride: int,
    padding: Padding,
    pooling: Pooling,
    pool_size: int,
) -> FilterSteps:
    """Apply a filter, ReLU and pooling, and return the picture at each step.

    Raises
    ------
    ConfigurationError
        The filter or the pooling window does not fit.
    """
    convolved = convolve(picture, kernel, stride=stride, padding=padding)
    rectified = np.asarray(keras.ops.relu(convolved))
    pooled = None
    if pooling != "none":
        if min(rectified.shape[:2]) < pool_size:
            raise ConfigurationError(
                f"a {pool_size}×{pool_size} pooling window does not fit a "
                f"{rectified.shape[0]}×{rectified.shape[1]} picture"
            )
        pool = keras.ops.max_pool if pooling == "max" else keras.ops.average_pool
        pooled = _channels_last(
            pool(
                np.moveaxis(rectified, -1, 0)[..., None],
                pool_size=pool_size,
                strides=pool_size,
                padding="valid",
                data_format="channels_last",
            )
        )
    return FilterSteps(
        picture=picture.astype(np.float32), convolved=convolved, rectified=rectified, pooled=pooled
    )


def _channels_last(values: object) -> Pixels:
    """Return a batch of one-channel pictures as one picture with so many channels."""
    return np.ascontiguousarray(np.moveaxis(np.asarray(values)[..., 0], 0, -1))
