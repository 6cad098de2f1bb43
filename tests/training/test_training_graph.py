"""What is trained is the model's own function with the model's own weights."""

import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.training import training_graph
from pipeline.training.backend import keras
from pipeline.training.model import build_model
from pipeline.training.training_graph import PooledConvolution, training_logits

pytestmark = pytest.mark.usefixtures("backend")
SHAPE, CLASSES = (12, 12, 1), 4


def built(notation, precision="float32"):
    model = build_model(Architecture.parse(notation), SHAPE, CLASSES, 3, precision)
    random = np.random.default_rng(5)
    for variable in model.trainable_variables:  # biases begin at 0
        variable.assign(random.normal(0.0, 0.3, variable.shape))
    own = keras.Model(model.input, model.get_layer("classes").output)
    return own, keras.Model(model.input, training_logits(model))


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


@pytest.mark.parametrize("notation", ["6k3-4k3s-d8", "6k3b-4k3-d8p0.1", "6k3a-d8"])
def test_its_weights_are_the_models_in_their_order(notation):
    own, trained = built(notation)
    ours, theirs = ([id(v) for v in m.trainable_variables] for m in (trained, own))
    assert ours == theirs
    assert {id(v) for v in trained.variables} == {id(v) for v in own.variables}


@pytest.mark.usefixtures("in_any_precision")
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.2)])
def test_a_compiled_step_changes_the_weights_as_the_models_own_layers_would(precision, tolerance):
    moves = []
    images = np.random.default_rng(1).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    labels = np.arange(32) % CLASSES
    for which in (0, 1):
        model = built("6k3-4k3-d8", precision)[which]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        before = [np.asarray(weight) for weight in model.get_weights()]
        model.train_on_batch(images, labels)
        moves.append([a - b for a, b in zip(model.get_weights(), before, strict=True)])
    for own, trained in zip(*moves, strict=True):
        assert np.linalg.norm(own) > 0
        assert np.linalg.norm(trained - own) < tolerance * np.linalg.norm(own)
