"""The graph that is trained: the model's own layers and weights, in the order that takes least."""

import itertools
import math
from typing import Any

from pipeline.training.backend import fused_normalisation, keras

layers = keras.layers

#: The compute dtypes in which the bias is added behind the pool. In bfloat16 a processor's library
#: (oneDNN) adds it, and sums up its gradient, within the convolution for nearly nothing, which is
#: sooner done than by operations of their own; in float32 it is not (``profile`` in
#: ``benchmarks``).
BIAS_BEHIND_POOL = frozenset({"float32"})


class PooledConvolution(keras.layers.Layer):  # type: ignore[misc]
    """A convolution and the max pool behind it, with the bias added behind the pool.

    The largest of four sums with one bias is the largest of the four plus the bias: rounding keeps
    the order, though a compiler may round the two in another way. Behind the pool the bias and its
    gradient have a quarter of the numbers to go through, which a processor's whole training step
    shows where it does not add them within the convolution (``BIAS_BEHIND_POOL``). For training
    alone: models are saved with Keras' own layers.
    """

    def __init__(self, convolution: Any, pooling: Any) -> None:
        super().__init__(dtype=convolution.dtype_policy, name=f"pooled_{convolution.name}")
        self._convolution = convolution
        self.pooling = pooling

    def build(self, _: Any) -> None:
        """Do nothing: both layers have been built."""

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the pool's."""
        return self.pooling.compute_output_shape(self._convolution.compute_output_shape(shape))

    def call(self, values: Any) -> Any:
        """Return what both layers make of ``(n, height, width, channels)``."""
        convolution = self._convolution
        filtered = convolution.convolution_op(values, convolution.kernel)
        return keras.ops.add(self.pooling(filtered), convolution.bias)


class FusedNormalisation(keras.layers.Layer):  # type: ignore[misc]
    """Batch normalisation as one operation of the backend.

    Keras computes it in several, in training ten, each of which goes through all numbers, in
    float32 whatever the precision, forwards and back. This one counts in float32, too, and gives
    the same but for rounding.
    """

    def __init__(self, normalisation: Any) -> None:
        super().__init__(dtype=normalisation.dtype_policy, name=f"fused_{normalisation.name}")
        self._own = normalisation

    def build(self, _: Any) -> None:
        """Do nothing: the layer has been built."""

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the same."""
        return shape

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Normalise ``(n, height, width, channels)``; in training, move the moving statistics."""
        own = self._own
        normalised, mean, variance = fused_normalisation(values, own, own=bool(training))
        if not training:
            return normalised
        # What comes back is the estimate for more than the batch; the layer keeps the batch's own.
        count = math.prod(values.shape[:-1])
        kept = own.momentum
        own.moving_mean.assign(own.moving_mean * kept + mean * (1.0 - kept))
        own.moving_variance.assign(
            own.moving_variance * kept + variance * ((1.0 - kept) * (count - 1) / count)
        )
        return normalised


def training_logits(model: Any, *, parts: int = 1, fused: bool = False) -> Any:
    """Return the logits of a model of ``model.build_model``, computed in the graph to train.

    It has the model's input and weights, the trainable ones in the model's order.

    Parameters
    ----------
    parts
        The layers of ``layers_in_parts`` are given a batch in so many parts, all of one size; see
        ``batching.parts_of_batch``.
    fused
        Normalise with ``FusedNormalisation``, which pays where operations are not compiled
        together.
    """
    stages = _stages(model.layers[1:-1], fused)
    values, own = model.input, True
    if parts > 1:
        in_parts = set(map(id, layers_in_parts(model)))
        several = keras.ops.split(values, parts)
        while id(_last_layer(stages[0])) in in_parts:
            several = list(map(stages.pop(0), several))
        values, own = keras.ops.concatenate(several), False
    for stage in stages:
        own = own and not isinstance(stage, PooledConvolution | FusedNormalisation)
        values = stage.output if own else stage(values)
    return values


def layers_in_parts(model: Any) -> list[Any]:
    """Return a model's first layers that may see a batch in parts, to the last pool among them.

    Batch normalisation has to see all of it. Behind the last pool nothing is gained: there are few
    numbers an image, and many weights, whose gradients would have to be summed up.
    """
    whole = (layers.BatchNormalization, layers.Flatten)
    first = list(itertools.takewhile(lambda layer: not isinstance(layer, whole), model.layers[1:]))
    while first and isinstance(first[-1], layers.Conv2D | layers.Rescaling):
        first.pop()
    return first


def _stages(inner: list[Any], fused: bool) -> list[Any]:
    """Return what is called one after the other: layers, or what stands for one or two of them."""
    stages: list[Any] = []
    pooled = None
    for layer, after in itertools.pairwise([*inner, None]):
        if layer is pooled:
            continue
        if _is_pooled(layer, after):
            pooled = after
            stages.append(PooledConvolution(layer, after))
        elif fused and isinstance(layer, layers.BatchNormalization):
            stages.append(FusedNormalisation(layer))
        else:
            stages.append(layer)
    return stages


def _last_layer(stage: Any) -> Any:
    return stage.pooling if isinstance(stage, PooledConvolution) else stage


def _is_pooled(layer: Any, after: Any) -> bool:
    return (
        isinstance(layer, layers.Conv2D)
        and layer.compute_dtype in BIAS_BEHIND_POOL
        and layer.use_bias
        and layer.activation is keras.activations.linear
        and isinstance(after, layers.MaxPooling2D)
    )
