"""What is trained is the model's own function with the model's own weights."""

import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.measuring.backends import backend_name
from pipeline.training import training_graph
from pipeline.training.backend import keras
from pipeline.training.model import build_model
from pipeline.training.training_graph import (
    FusedNormalisation,
    PooledConvolution,
    layers_in_parts,
    training_logits,
)

pytestmark = pytest.mark.usefixtures("backend")
SHAPE, CLASSES = (12, 12, 1), 4


def built(notation, precision="float32", **how):
    model = build_model(Architecture.parse(notation), SHAPE, CLASSES, 3, precision)
    random = np.random.default_rng(5)
    for variable in model.trainable_variables:  # biases begin at 0
        variable.assign(random.normal(0.0, 0.3, variable.shape))
    own = keras.Model(model.input, model.get_layer("classes").output)
    return own, keras.Model(model.input, training_logits(model, **how))


@pytest.fixture
def in_any_precision(monkeypatch):
    monkeypatch.setattr(training_graph, "BIAS_BEHIND_POOL", {"float32", "bfloat16"})


def pooled(trained):
    return [layer.name for layer in trained.layers if isinstance(layer, PooledConvolution)]


@pytest.mark.usefixtures("in_any_precision")
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("notation", "names"),
    [
        ("6k3-4k3s-d8", ["pooled_convolution_1", "pooled_convolution_2"]),
        ("1k1-1k3-d8", ["pooled_convolution_1", "pooled_convolution_2"]),
        ("6k3b-4k3-d8", ["pooled_convolution_2"]),  # normalised before it is pooled
        ("6k3a-4k3n-d8", []),  # the mean of four and no pool at all
        ("d8p0.5", []),
    ],
)
def test_operation_by_operation_it_gives_the_same_logits_to_the_last_digit(
    notation, names, precision
):
    own, trained = built(notation, precision)
    assert pooled(trained) == names
    images = np.random.default_rng(1).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    np.testing.assert_array_equal(own(images), trained(images))


def test_in_bfloat16_the_bias_stays_with_the_convolution_that_adds_it_for_nothing():
    both = [pooled(built("6k3-4k3-d8", p)[1]) for p in ("float32", "mixed_bfloat16")]
    assert both == [["pooled_convolution_1", "pooled_convolution_2"], []]


@pytest.mark.parametrize("how", [{}, {"parts": 2}, {"fused": True}, {"parts": 2, "fused": True}])
@pytest.mark.parametrize(
    "notation", ["6k3-4k3s-d8", "6k3b-4k3-d8p0.1", "6k3-4k3b-d8p0.1", "6k3ab-d8", "6k3a-d8"]
)
def test_its_weights_are_the_models_in_their_order(notation, how):
    own, trained = built(notation, **how)
    ours, theirs = ([id(v) for v in m.trainable_variables] for m in (trained, own))
    assert ours == theirs
    assert {id(v) for v in trained.variables} == {id(v) for v in own.variables}


def check_a_step_moves_the_weights_alike(own, trained, tolerance):
    moves = []
    images = np.random.default_rng(1).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    labels = np.arange(32) % CLASSES
    for model in (own, trained):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        before = [np.asarray(weight) for weight in model.get_weights()]
        model.train_on_batch(images, labels)
        moves.append([a - b for a, b in zip(model.get_weights(), before, strict=True)])
    for one, other in zip(*moves, strict=True):
        assert np.linalg.norm(one) > 0
        assert np.linalg.norm(other - one) < tolerance * np.linalg.norm(one)


@pytest.mark.usefixtures("in_any_precision")
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.2)])
def test_a_compiled_step_changes_the_weights_as_the_models_own_layers_would(precision, tolerance):
    own, trained = (built("6k3-4k3-d8", precision)[which] for which in (0, 1))
    check_a_step_moves_the_weights_alike(own, trained, tolerance)


#: Of results that are computed by other operations, as a share of the largest.
ROUNDING = {"float32": 1e-4, "mixed_bfloat16": 0.05, "mixed_float16": 0.01}
of_tensorflow = pytest.mark.skipif(
    backend_name() != "tensorflow", reason="the operation is TensorFlow's"
)


@pytest.mark.parametrize(
    ("notation", "names"),
    [
        ("6k3-4k3s-d8", ["pooling_1", "pooling_2"]),
        ("6k3a-4k3n-d8", ["pooling_1"]),
        ("6k3-4k3b-4k1n-d8", ["pooling_1"]),  # from the normalisation on it has to see all images
        ("6k3b-4k3-d8", []),
        ("6k3n-d8", []),
        ("d8", []),
    ],
)
def test_a_batch_is_seen_in_parts_up_to_the_last_pool(notation, names):
    model = build_model(Architecture.parse(notation), SHAPE, CLASSES, 3, "float32")
    found = [layer.name for layer in layers_in_parts(model)]
    assert [name for name in found if name.startswith("pooling")] == names
    assert bool(found) == bool(names)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("notation", ["6k3-4k3s-d8", "6k3a-4k3n-d8", "6k3-4k3b-4k1n-d8"])
def test_a_batch_in_parts_has_the_same_logits(notation, precision):
    own, trained = built(notation, precision, parts=4)
    assert [type(one).__name__ for one in trained.operations].count("Concatenate") == 1
    images = np.random.default_rng(1).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    expected = np.asarray(own(images))
    tolerance = ROUNDING[precision] * np.abs(expected).max()
    np.testing.assert_allclose(trained(images), expected, atol=tolerance)


@of_tensorflow
@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("notation", ["6k3b-4k3sb-d8", "6k3ab-4k1nb-d8"])
def test_fused_normalisation_is_that_of_keras(notation, precision):
    images = np.random.default_rng(1).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    logits, moved = [], []
    for which, how in ((0, {}), (1, {"fused": True})):
        network = built(notation, precision, **how)[which]
        fused = [layer for layer in network.layers if isinstance(layer, FusedNormalisation)]
        assert len(fused) == 2 * which
        trained = np.asarray(network(images, training=True))
        moved.append([np.asarray(v) for v in network.non_trainable_variables])
        logits.append(np.stack([trained, np.asarray(network(images, training=False))]))
        for before, after in zip(moved[-1], network.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(before, after)
        assert all(np.abs(v - v.round()).max() > 0.0 for v in moved[-1])  # they begin at 0 and 1
    tolerance = ROUNDING[precision] * np.abs(logits[0]).max()
    np.testing.assert_allclose(logits[1], logits[0], atol=tolerance)
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=ROUNDING[precision], atol=1e-6)


@of_tensorflow
@pytest.mark.parametrize("precision", ROUNDING)
def test_a_step_with_all_of_it_changes_the_weights_as_the_models_own_layers_would(precision):
    how = {"parts": 4, "fused": True}
    own, trained = (built("6k3-4k3b-d8", precision, **how)[which] for which in (0, 1))
    tolerance = 1e-4 if precision == "float32" else 0.1
    check_a_step_moves_the_weights_alike(own, trained, tolerance)
