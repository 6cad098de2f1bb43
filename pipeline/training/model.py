"""From an architecture to a Keras network."""

from typing import Any

import numpy as np

from pipeline.core.architecture import Architecture, ConvolutionBlock
from pipeline.core.journey import POOL_SIZE
from pipeline.core.trial import derived_seed
from pipeline.training.backend import keras

layers = keras.layers

#: Of batch normalisation's moving statistics, at most and at least. Keras' 0.99 remembers 100
#: batches, more than a short training on few images has; then validation would use half-learnt
#: statistics.
MOST_MOMENTUM, LEAST_MOMENTUM = 0.9, 0.5
#: A share of a moving statistic that no activation tells.
_NOTHING_LEFT = 1e-6


def build_model(
    architecture: Architecture,
    image_shape: tuple[int, int, int],
    classes: int,
    seed: int,
    precision: str,
) -> Any:
    """Build the network, its weights drawn from ``seed``.

    Layers carry the names of the shape journey's stages (``convolution_1``, ``pooling_1``,
    ``dense``, …); ``activation_1`` is a block's ReLU where that is a layer of its own, ``dropout``
    follows ``dense``, and ``probabilities`` is the softmax of ``classes``, whose outputs are the
    logits.

    Parameters
    ----------
    image_shape
        (height, width, channels).
    seed
        Decides every layer's weights; a layer's do not depend on the other layers.
    precision
        A Keras dtype policy: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.

    Returns
    -------
    keras.Model
        uint8 images ``(n, *image_shape)`` to float32 probabilities ``(n, classes)``; scaling
        to [0, 1] is part of it.
    """
    image = keras.Input(image_shape, dtype="uint8", name="image")
    values = layers.Rescaling(1.0 / 255.0, dtype=precision, name="scaling")(image)
    for index, block in enumerate(architecture.blocks, start=1):
        values = _block(values, block, index, seed, precision)
    values = layers.Flatten(dtype=precision, name="flatten")(values)
    values = layers.Dense(
        architecture.dense_units,
        activation="relu",
        kernel_initializer=_weights(seed, "dense"),
        dtype=precision,
        name="dense",
    )(values)
    if architecture.dropout:
        values = layers.Dropout(
            architecture.dropout, seed=derived_seed(seed, "dropout"), dtype=precision,
            name="dropout",
        )(values)  # fmt: skip
    # Logits and softmax in float32 in every precision: this is where half a byte is too coarse.
    logits = layers.Dense(
        classes, kernel_initializer=_weights(seed, "classes"), dtype="float32", name="classes"
    )(values)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(image, probabilities, name="network")


def set_momentum(model: Any, steps: int) -> None:
    """Make the moving statistics of a model's batch normalisation remember a quarter of an epoch.

    So does the average of the weights by default; but no fewer than two batches, and no more than
    ten. After an epoch of ten steps at 0.9 a third of them would still be what they begin with, and
    the network would look far worse than it is.

    Parameters
    ----------
    steps
        Of an epoch.
    """
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(MOST_MOMENTUM, max(LEAST_MOMENTUM, 1.0 - 4.0 / steps))


def forget_start(model: Any, steps: int) -> None:
    """Take what the moving statistics began with out of what they are after so many steps.

    They began with a mean of 0 and a variance of 1, of which so many powers of the momentum are
    left: a quarter after two steps, and 1% after twenty, where the variance itself may be 0.02.
    Without that each is a mean over the batches, with the weights that the momentum gives them, as
    Adam's moments are (D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR
    2015, section 3).

    Parameters
    ----------
    steps
        All that the model has been trained for.
    """
    for layer in model.layers:
        if not isinstance(layer, layers.BatchNormalization):
            continue
        left = layer.momentum**steps
        if left < _NOTHING_LEFT:
            continue
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        layer.moving_mean.assign(mean / (1.0 - left))
        layer.moving_variance.assign(np.maximum(variance - left, 0.0) / (1.0 - left))


def _block(values: Any, block: ConvolutionBlock, index: int, seed: int, precision: str) -> Any:
    """Apply convolution, normalisation, ReLU and pooling.

    The largest of four values, cut off at 0, is the largest of the four cut off at 0: behind
    a max pool ReLU has a quarter of the work. The mean has no such property.
    """
    name = f"convolution_{index}"
    normalised = block.normalisation == "batch"
    relu_last = block.pooling == "max"
    values = layers.Conv2D(
        block.filters,
        block.kernel_size,
        padding=block.padding,
        activation=None if normalised or relu_last else "relu",
        use_bias=not normalised,
        kernel_initializer=_weights(seed, name),
        dtype=precision,
        name=name,
    )(values)
    if normalised:
        values = layers.BatchNormalization(
            momentum=MOST_MOMENTUM, dtype=precision, name=f"normalisation_{index}"
        )(values)
        if not relu_last:
            values = layers.ReLU(dtype=precision, name=f"activation_{index}")(values)
    if block.pooling == "average":
        return layers.AveragePooling2D(POOL_SIZE, dtype=precision, name=f"pooling_{index}")(values)
    if block.pooling == "max":
        values = layers.MaxPooling2D(POOL_SIZE, dtype=precision, name=f"pooling_{index}")(values)
        values = layers.ReLU(dtype=precision, name=f"activation_{index}")(values)
    return values


def _weights(seed: int, layer: str) -> Any:
    return keras.initializers.GlorotUniform(seed=derived_seed(seed, "weights", layer))
