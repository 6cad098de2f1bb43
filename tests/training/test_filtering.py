"""The filter bench's convolution is that of the networks, and SciPy's."""

from typing import Any

import numpy as np
import pytest
from scipy import signal  # type: ignore[import-untyped]

from pipeline.core.classic_filters import CLASSIC_FILTERS, classic_filter
from pipeline.core.errors import ConfigurationError
from pipeline.core.filters import Filter
from pipeline.training.backend import keras
from pipeline.training.filtering import convolve, filter_steps

PICTURE = np.random.default_rng(5).integers(0, 256, size=(14, 17, 3)).astype(np.float32)
LOPSIDED = Filter(name="own", rows=((1.0, -2.0, 3.5), (0.0, 0.25, -1.0), (7.0, 1.0, 0.0)), bias=9)
WIDE = Filter(name="own", rows=((1.0, 2.0, 4.0, 8.0, 16.0),), factor=0.1)
#: Float32 sums of up to 25 products of numbers up to 255 times 36.
CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 2e-2}


def padded(channel, kernel, stride):
    """Add the zeros that TensorFlow's rule asks for with this stride."""
    borders = []
    for side, length in zip(channel.shape, (kernel.height, kernel.width), strict=True):
        total = max((-(-side // stride) - 1) * stride + length - side, 0)
        borders.append((total // 2, total - total // 2))
    return np.pad(channel, borders)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [*CLASSIC_FILTERS.values(), LOPSIDED, WIDE])
def test_it_equals_scipy(kernel, stride, padding):
    found = convolve(PICTURE, kernel, stride=stride, padding=padding)
    assert found.dtype == np.float32
    for number in range(3):
        channel = PICTURE[..., number].astype(np.float64)
        if padding == "same":
            channel = padded(channel, kernel, stride)
        turned = kernel.weights[::-1, ::-1]  # mathematics turns the filter round, networks do not
        expected = signal.convolve2d(channel, turned, mode="valid")[::stride, ::stride]
        np.testing.assert_allclose(found[..., number], expected + kernel.bias, **CLOSE)


def test_same_padding_without_stride_is_scipys_same():
    kernel = classic_filter("sobel_x")
    found = convolve(PICTURE[..., :1], kernel, padding="same")[..., 0]
    expected = signal.correlate2d(PICTURE[..., 0], kernel.weights, mode="same")
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_it_equals_a_layer_of_a_network():
    layer = keras.layers.Conv2D(1, 3, strides=2, padding="same")
    layer.build((None, 14, 17, 1))
    layer.set_weights([LOPSIDED.weights[..., None, None], np.array([LOPSIDED.bias])])
    expected = np.asarray(layer(PICTURE[None, ..., :1]))[0]
    found = convolve(PICTURE[..., :1], LOPSIDED, stride=2, padding="same")
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_relu_and_pooling_follow():
    arguments: dict[str, Any] = {"stride": 1, "padding": "valid", "pool_size": 2}
    kernel = classic_filter("sobel_y")
    largest = filter_steps(PICTURE, kernel, pooling="max", **arguments)
    assert largest.convolved.shape == largest.rectified.shape == (12, 15, 3)
    assert largest.convolved.min() < 0
    np.testing.assert_array_equal(largest.rectified, np.maximum(largest.convolved, 0))
    squares = largest.rectified[:12, :14].reshape(6, 2, 7, 2, 3)
    np.testing.assert_array_equal(largest.pooled, squares.max(axis=(1, 3)))
    mean = filter_steps(PICTURE, kernel, pooling="average", **arguments)
    assert mean.pooled is not None
    np.testing.assert_allclose(mean.pooled, squares.mean(axis=(1, 3)), rtol=1e-5)
    assert filter_steps(PICTURE, kernel, pooling="none", **arguments).pooled is None


def test_what_does_not_fit_is_one_sentence():
    small = PICTURE[:4, :4]
    with pytest.raises(ConfigurationError, match="a 9×9 filter does not fit a 4×4 picture"):
        convolve(small, classic_filter("motion_blur"), padding="valid")
    with pytest.raises(ConfigurationError, match="a 5×5 pooling window does not fit a 4×4 pic"):
        filter_steps(
            small, classic_filter("blur"), stride=1, padding="same", pooling="max", pool_size=5
        )
