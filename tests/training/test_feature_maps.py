import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.journey import shape_journey
from pipeline.training.feature_maps import feature_maps, input_shape
from pipeline.training.model import build_model
from pipeline.training.saving import save_model

#: Keras 3.15 itself copies arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGES = np.random.default_rng(3).integers(0, 256, size=(3, 12, 10, 1)).astype(np.uint8)


def saved(folder, notation, precision="float32"):
    model = build_model(Architecture.parse(notation), (12, 10, 1), 4, 1, precision)
    save_model(model, folder / "model.keras")
    return model, folder / "model.keras"


@pytest.mark.parametrize("notation", ["4k3-6k3sa-d8", "4k3b-6k3sab-d8", "4k5nb-3k3n-d8"])
def test_layers_and_shapes_are_those_of_the_journey(tmp_path, notation):
    model, path = saved(tmp_path, notation)
    maps = feature_maps(path, IMAGES)
    journey = shape_journey(Architecture.parse(notation), (12, 10, 1), 4)
    expected = [(s.kind, s.name, s.shape) for s in journey if s.kind in ("convolution", "pooling")]
    assert [(m.kind, m.name, m.maps.shape[1:]) for m in maps.layers] == expected
    assert all(layer.maps.dtype == np.float32 and layer.maps.min() >= 0 for layer in maps.layers)
    kernels = [np.asarray(layer.kernel) for layer in model.layers if "convolution" in layer.name]
    for filters, kernel in zip(maps.filters, kernels, strict=True):
        np.testing.assert_array_equal(filters.weights, kernel)
    np.testing.assert_allclose(maps.probabilities, np.asarray(model(IMAGES)), rtol=1e-5)
    assert input_shape(path) == (12, 10, 1)


def test_maps_are_what_the_network_computes(tmp_path):
    """Also where it pools before ReLU, which gives the same numbers."""
    model, path = saved(tmp_path, "4k3-d8")
    convolution, pooling = feature_maps(path, IMAGES).layers
    kernel, bias = (np.asarray(w) for w in model.get_layer("convolution_1").weights)
    patches = np.lib.stride_tricks.sliding_window_view(IMAGES[..., 0] / 255.0, (3, 3), axis=(1, 2))
    expected = np.maximum(np.einsum("nhwij,ijf->nhwf", patches, kernel[:, :, 0]) + bias, 0)
    np.testing.assert_allclose(convolution.maps, expected, atol=1e-5)
    squares = expected.reshape(3, 5, 2, 4, 2, 4)
    np.testing.assert_allclose(pooling.maps, squares.max(axis=(2, 4)), atol=1e-5)


def test_a_network_in_half_precision_gives_float32(tmp_path):
    _, path = saved(tmp_path, "4k3-d8", "mixed_bfloat16")
    assert feature_maps(path, IMAGES).layers[0].maps.dtype == np.float32


def test_what_has_no_maps_is_one_sentence(tmp_path):
    _, path = saved(tmp_path, "d8")
    with pytest.raises(ConfigurationError, match=r"model\.keras has no convolution"):
        feature_maps(path, IMAGES)
    with pytest.raises(ConfigurationError, match="takes images of 12×10×1, not 10×10×1"):
        feature_maps(path, IMAGES[:, :10])
    with pytest.raises(StorageError, match=r"missing\.keras cannot be read"):
        input_shape(tmp_path / "missing.keras")
