"""The ONNX graph gives what the Keras network gives, over many architectures."""

import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.training.model import build_model
from pipeline.training.onnx_files import open_onnx, write_float, write_int8
from pipeline.training.onnx_graph import onnx_graph

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

GREY, COLOUR = (28, 28, 1), (17, 12, 3)
ARCHITECTURES = [
    (notation, shape)
    for shape in (GREY, COLOUR)
    for notation in (
        "d16",
        "d16p0.5",
        "8k3-d16",
        "8k3n-d16",
        "8k3a-d16",
        "8k5s-d16",
        "8k3b-d16",
        "8k3ab-d16",
        "8k5snb-d16p0.3",
        "4k1-8k3s-d16",
        "8k3-8k3-d16",
        "6k5sab-4k3b-d8p0.1",
    )
]


def trained(notation, shape, classes=7):
    """Return a network whose every weight, moving statistics included, is some number."""
    network = build_model(Architecture.parse(notation), shape, classes, 3, "float32")
    random = np.random.default_rng(0)
    for variable in network.weights:
        noise = random.normal(0.0, 0.1, variable.shape)
        is_variance = "variance" in variable.path
        variable.assign(1.0 + np.abs(noise) if is_variance else np.asarray(variable) + noise)
    return network


def pictures(shape, count=64):
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize(("notation", "shape"), ARCHITECTURES)
def test_it_gives_the_same_probabilities(notation, shape, tmp_path):
    network = trained(notation, shape)
    write_float(onnx_graph(network), tmp_path / "float.onnx")
    found = open_onnx(tmp_path / "float.onnx", threads=1)(pictures(shape))
    expected = np.asarray(network(pictures(shape), training=False))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_any_number_of_images_at_once(tmp_path):
    network = trained("8k3b-d16", GREY)
    write_float(onnx_graph(network), tmp_path / "float.onnx")
    infer = open_onnx(tmp_path / "float.onnx", threads=1)
    many = infer(pictures(GREY))
    np.testing.assert_allclose(infer(pictures(GREY)[5:6])[0], many[5], atol=1e-6)


def test_eight_bits_are_close_and_small(tmp_path):
    network = trained("16k3b-16k3-d64", GREY)
    graph = onnx_graph(network)
    write_float(graph, tmp_path / "float.onnx")
    write_int8(graph, tmp_path / "int8.onnx", pictures(GREY))
    whole = open_onnx(tmp_path / "int8.onnx", threads=1)(pictures(GREY))
    exact = open_onnx(tmp_path / "float.onnx", threads=1)(pictures(GREY))
    assert np.abs(whole - exact).max() < 0.05
    assert (whole.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.9
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * (tmp_path / "float.onnx").stat().st_size
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".onnx"] == []


def test_another_layer_is_refused():
    import keras

    network = keras.Sequential([keras.layers.Input(GREY), keras.layers.GlobalMaxPooling2D()])
    with pytest.raises(ValueError, match="GlobalMaxPooling2D, which this project has no use for"):
        onnx_graph(network)
