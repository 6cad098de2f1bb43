import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.architecture import REFERENCES, Architecture, ConvolutionBlock
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import macs, parameters, shape_journey
from pipeline.training.backend import keras
from pipeline.training.model import build_model

blocks = st.builds(
    ConvolutionBlock,
    filters=st.integers(1, 6),
    kernel_size=st.sampled_from([1, 3, 5]),
    padding=st.sampled_from(["valid", "same"]),
    pooling=st.sampled_from(["max", "average", "none"]),
    normalisation=st.sampled_from(["none", "batch"]),
)
architectures = st.builds(
    Architecture,
    blocks=st.lists(blocks, max_size=4).map(tuple),
    dense_units=st.integers(1, 9),
    dropout=st.sampled_from([0.0, 0.25]),
)


def fits(architecture, image_shape):
    try:
        shape_journey(architecture, image_shape, 2)
    except ConfigurationError:
        return False
    return True


drawn = st.tuples(
    architectures,
    st.tuples(st.integers(8, 14), st.integers(8, 14), st.sampled_from([1, 3])),
    st.integers(2, 5),
).filter(lambda values: fits(*values[:2]))


def profiled_operations(model, image_shape):
    """Count multiplications and additions with TensorFlow's own profiler, in its graph."""
    import tensorflow as tf

    image = tf.TensorSpec((1, *image_shape), tf.uint8)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(image).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    options["account_type_regexes"] = ["Conv2D", "MatMul"]
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn)
def test_the_network_is_what_the_journey_says(values):
    architecture, image_shape, classes = values
    model = build_model(architecture, image_shape, classes, 0, "float32")
    assert model.count_params() == parameters(architecture, image_shape, classes)
    operations = profiled_operations(model, image_shape)
    assert operations == 2 * macs(architecture, image_shape, classes)
    for stage in shape_journey(architecture, image_shape, classes):
        layer = model.get_layer(stage.name)
        assert tuple(layer.output.shape[1:]) == stage.shape
        assert layer.count_params() == stage.parameters


@pytest.mark.parametrize(("name", "count"), [("cnn", 243_786), ("dnn", 101_770)])
def test_the_references(name, count):
    model = build_model(REFERENCES[name], (28, 28, 1), 10, 0, "float32")
    assert model.count_params() == count


IMAGES = np.random.default_rng(5).integers(0, 256, size=(6, 9, 9, 1)).astype(np.uint8)


def outputs(notation, seed=3, precision="float32"):
    model = build_model(Architecture.parse(notation), (9, 9, 1), 4, seed, precision)
    return np.asarray(model(IMAGES, training=False))


def test_outputs_are_probabilities():
    found = outputs("4k3-4k3n-d8p0.5")
    assert found.shape == (6, 4) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


def test_the_seed_decides_the_weights():
    np.testing.assert_array_equal(outputs("4k3-d8"), outputs("4k3-d8"))
    assert not np.array_equal(outputs("4k3-d8"), outputs("4k3-d8", seed=4))


def test_layers_of_equal_shape_start_with_different_weights():
    model = build_model(Architecture.parse("4k3s-4k3s-4k3s-d8"), (9, 9, 4), 4, 3, "float32")
    first, second = (model.get_layer(f"convolution_{index}").kernel for index in (1, 2))
    assert not np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("notation", ["5k3-d8", "5k3b-d8", "5k3a-d8", "5k3ab-d8", "5k3n-d8"])
def test_blocks_compute_convolution_normalisation_relu_and_pooling_in_this_order(notation):
    architecture = Architecture.parse(notation)
    (block,) = architecture.blocks
    model = build_model(architecture, (9, 9, 1), 4, 3, "float32")
    if block.normalisation == "batch":
        generator = np.random.default_rng(1)
        layer = model.get_layer("normalisation_1")
        layer.set_weights([generator.normal(size=5) ** 2 + 0.1 for _ in range(4)])
        layer.beta.assign(generator.normal(size=5))

    kernel = np.asarray(model.get_layer("convolution_1").kernel)[:, :, 0]
    pixels = IMAGES[..., 0] / np.float32(255.0)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2))
    values = np.einsum("nhwij,ijf->nhwf", windows, kernel)
    if block.normalisation == "batch":
        gamma, beta, mean, variance = (np.asarray(weight) for weight in layer.weights)
        values = gamma * (values - mean) / np.sqrt(variance + layer.epsilon) + beta
    values = np.maximum(values, 0.0)
    squares = values[:, :6, :6].reshape(6, 3, 2, 3, 2, 5)
    if block.pooling == "max":
        values = squares.max(axis=(2, 4))
    elif block.pooling == "average":
        values = squares.mean(axis=(2, 4))
    flat = keras.Model(model.input, model.get_layer("flatten").output)
    np.testing.assert_allclose(
        np.asarray(flat(IMAGES)), values.reshape(6, -1), rtol=1e-4, atol=1e-5
    )
