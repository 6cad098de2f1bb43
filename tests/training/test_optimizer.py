import numpy as np
import pytest

from pipeline.core.trial import Recipe
from pipeline.training.backend import keras
from pipeline.training.optimizer import FlatOptimizer, build_optimizer

SHAPES = [(3, 3, 1, 4), (4,), (36, 5), (5,)]


def variables():
    generator = np.random.default_rng(1)
    return [keras.Variable(generator.normal(size=shape).astype("float32")) for shape in SHAPES]


def trained(optimizer, steps=5):
    weights = variables()
    optimizer.build(weights)
    generator = np.random.default_rng(2)
    for _ in range(steps):
        gradients = [generator.normal(size=shape).astype("float32") for shape in SHAPES]
        gradients = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return [np.asarray(weight) for weight in weights]


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.RMSprop(0.01),
        lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    ],
)
def test_in_a_row_the_weights_get_the_same_updates(build):
    for flat, plain in zip(trained(FlatOptimizer(build())), trained(build()), strict=True):
        np.testing.assert_allclose(flat, plain, rtol=1e-6, atol=1e-7)


def test_steps_are_counted():
    optimizer = FlatOptimizer(keras.optimizers.Adam(0.01))
    trained(optimizer, steps=3)
    assert int(optimizer.iterations) == 3


def test_the_state_of_a_step_can_be_taken_up():
    generator = np.random.default_rng(3)
    gradients = [
        keras.ops.convert_to_tensor(generator.normal(size=shape).astype("float32"))
        for shape in SHAPES
    ]
    first, second = (FlatOptimizer(keras.optimizers.Adam(0.01)) for _ in range(2))
    weights, others = variables(), variables()
    first.build(weights)
    second.build(others)
    first.apply_gradients(zip(gradients, weights, strict=True))
    for target, source in (
        *zip(others, weights, strict=True),
        *zip(second.variables, first.variables, strict=True),
    ):
        target.assign(np.asarray(source))
    first.apply_gradients(zip(gradients, weights, strict=True))
    second.apply_gradients(zip(gradients, others, strict=True))
    for other, weight in zip(others, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(other), np.asarray(weight))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("rmsprop", keras.optimizers.RMSprop),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_the_recipe_names_the_optimizer(name, kind):
    recipe = Recipe(batch_size=512, optimizer=name, learning_rate=0.004, schedule="constant")
    optimizer = build_optimizer(recipe, 10, "float32")
    inner = getattr(optimizer, "inner", optimizer)
    assert isinstance(inner, kind)
    assert float(inner.learning_rate) == pytest.approx(0.016 if name == "sgd" else 0.008)
    if name == "sgd":
        assert inner.momentum == 0.9


def test_adam_remembers_as_long_as_it_is_told():
    recipe = Recipe(batch_size=128, optimizer="adam", learning_rate=0.01, schedule="constant")
    told = trained(build_optimizer(recipe, 10, "float32", adam_beta_2=0.9))
    plain = trained(build_optimizer(recipe, 10, "float32"))
    for weight, other in zip(told, trained(keras.optimizers.Adam(0.01, beta_2=0.9)), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    for weight, other in zip(plain, trained(keras.optimizers.Adam(0.01)), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    assert not np.allclose(told[0], plain[0])


def float16_step(name, gradient):
    """Return the weights, all 0 before a step with loss scaling, and its optimiser."""
    recipe = Recipe(batch_size=128, optimizer=name, learning_rate=0.004, schedule="constant")
    optimizer = build_optimizer(recipe, 10, "mixed_float16")
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    weights = [keras.Variable(np.zeros(shape, dtype="float32")) for shape in SHAPES]
    optimizer.build(weights)
    scaled = [np.asarray(optimizer.scale_loss(array)).astype("float16") for array in gradient]
    scaled = [keras.ops.convert_to_tensor(array.astype("float32")) for array in scaled]
    optimizer.apply_gradients(zip(scaled, weights, strict=True))
    return [np.asarray(weight) for weight in weights], optimizer


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_float16_takes_the_step_of_float32_though_gradients_are_small(name):
    generator = np.random.default_rng(2)
    # As they are, float16 has a single digit of these.
    gradient = [1e-6 * generator.normal(size=shape).astype("float32") for shape in SHAPES]
    found, optimizer = float16_step(name, gradient)
    assert int(optimizer.iterations) == 1

    recipe = Recipe(batch_size=128, optimizer=name, learning_rate=0.004, schedule="constant")
    plain = build_optimizer(recipe, 10, "float32")
    weights = [keras.Variable(np.zeros(shape, dtype="float32")) for shape in SHAPES]
    plain.build(weights)
    gradient = [keras.ops.convert_to_tensor(array) for array in gradient]
    plain.apply_gradients(zip(gradient, weights, strict=True))
    for one, weight in zip(found, weights, strict=True):
        expected = np.asarray(weight)
        assert np.all(expected != 0)
        np.testing.assert_allclose(one, expected, rtol=1e-2)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_float16_step_that_overflows_is_left_out(name, value):
    gradient = [np.full(shape, 1e-6, dtype="float32") for shape in SHAPES]
    gradient[1][2] = value
    found, optimizer = float16_step(name, gradient)
    assert not any(np.any(weight) for weight in found)
    assert int(optimizer.iterations) == 0
    assert float(optimizer.scale_loss(1.0)) == 2.0**14  # half of what it begins with


def test_each_variable_of_the_state_is_there_once():
    optimizer = FlatOptimizer(keras.optimizers.Adam(0.01))
    optimizer.build(variables())
    listed = optimizer.variables
    # What Keras does by itself under JAX, which then gives the buffer away twice.
    if not any(variable is optimizer._row for variable in optimizer._variables):
        optimizer._variables.append(optimizer._row)
    assert [id(variable) for variable in optimizer.variables] == [id(v) for v in listed]
    assert len({id(variable) for variable in listed}) == len(listed)
