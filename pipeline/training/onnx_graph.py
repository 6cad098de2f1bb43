"""A network as an ONNX graph, in float32, written layer by layer.

The converters that exist go through TensorFlow's own graph and follow its versions with delay;
the networks here consist of nine kinds of layers, each of which is one ONNX operator. Keras
keeps images as (height, width, channels), ONNX as (channels, height, width): they are turned
once at the beginning, and the weights of the first dense layer are put into the other order
instead of turning the values back.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.core.journey import POOL_SIZE

#: Understood by every runtime of the last years; nothing here needs a newer one.
OPSET = 17
IR_VERSION = 8
INPUT = "image"
OUTPUT = "probabilities"

Weights = NDArray[np.float32]


def onnx_graph(network: Any) -> onnx.ModelProto:
    """Return the ONNX model of a network of ``pipeline.training.model.build_model``.

    Batch normalisation is folded into the convolution before it. ReLU comes before a max pool
    instead of behind it, which gives the same: runtimes compute it with the convolution, and
    eight bits then have no negative values to provide for.

    Parameters
    ----------
    network
        The Keras model; the precision it was trained in does not matter, its weights are
        float32.

    Returns
    -------
    onnx.ModelProto
        uint8 images ``(n, height, width, channels)`` to float32 probabilities ``(n, classes)``,
        as the Keras model.

    Raises
    ------
    ValueError
        A layer that these networks do not have.
    """
    graph = _Graph()
    layers = list(network.layers)
    for position, layer in enumerate(layers):
        following = layers[position + 1] if position + 1 < len(layers) else None
        before = layers[position - 1] if position else None
        match type(layer).__name__:
            case "InputLayer" | "Dropout" | "BatchNormalization":
                pass  # the last is in the convolution
            case "Rescaling":
                graph.scale(float(layer.scale))
            case "Conv2D":
                graph.convolve(layer, following)
            case "MaxPooling2D":
                graph.pool("MaxPool", relu=_is(following, "ReLU"))
            case "ReLU" if _is(before, "MaxPooling2D"):
                pass  # it is before the pool
            case "AveragePooling2D":
                graph.pool("AveragePool")
            case "ReLU":
                graph.add("Relu")
            case "Flatten":
                graph.flatten(layer.input.shape[1:])
            case "Dense":
                graph.dense(layer)
            case "Softmax":
                graph.add("Softmax", axis=-1)
            case other:
                raise ValueError(f"{layer.name} is a {other}, which this project has no use for")
    return graph.finish(network.input_shape[1:], network.output_shape[1])


class _Graph:
    """Collects nodes, each of which takes what the one before gives."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._last = INPUT
        self._channels_first = False
        #: (height, width, channels) of what was flattened; None where the order is Keras'.
        self._flattened: tuple[int, int, int] | None = None

    def add(self, operator: str, *weights: tuple[str, Weights], **attributes: Any) -> None:
        name = f"{operator.lower()}_{len(self._nodes)}"
        inputs = [self._last]
        for suffix, values in weights:
            inputs.append(f"{name}.{suffix}")
            self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), inputs[-1]))
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        self._last = name

    def scale(self, factor: float) -> None:
        self.add("Cast", to=TensorProto.FLOAT)
        self.add("Mul", ("factor", np.array(factor, dtype=np.float32)))

    def convolve(self, layer: Any, following: Any) -> None:
        if not self._channels_first:
            self.add("Transpose", perm=[0, 3, 1, 2])
            self._channels_first = True
        kernel = _values(layer.kernel)
        bias = _values(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32)
        if _is(following, "BatchNormalization"):
            kernel, bias = _folded(kernel, bias, following)
        # (height, width, channels, filters) in Keras, (filters, channels, height, width) here.
        weights = ("kernel", kernel.transpose(3, 2, 0, 1)), ("bias", bias)
        padding = "SAME_UPPER" if layer.padding == "same" else "VALID"
        self.add("Conv", *weights, kernel_shape=list(layer.kernel_size), auto_pad=padding)
        if layer.activation.__name__ == "relu":
            self.add("Relu")

    def pool(self, operator: str, *, relu: bool = False) -> None:
        if relu:
            self.add("Relu")
        self.add(operator, kernel_shape=[POOL_SIZE] * 2, strides=[POOL_SIZE] * 2)

    def flatten(self, shape: tuple[int, int, int]) -> None:
        self.add("Flatten")
        self._flattened = shape if self._channels_first else None

    def dense(self, layer: Any) -> None:
        kernel = _values(layer.kernel)
        if self._flattened is not None:
            height, width, channels = self._flattened
            by_place = kernel.reshape(height, width, channels, -1)
            kernel = by_place.transpose(2, 0, 1, 3).reshape(kernel.shape)
            self._flattened = None
        self.add("Gemm", ("kernel", kernel), ("bias", _values(layer.bias)))
        if layer.activation.__name__ == "relu":
            self.add("Relu")

    def finish(self, image_shape: tuple[int, int, int], classes: int) -> onnx.ModelProto:
        self._nodes[-1].output[0] = OUTPUT
        image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", *image_shape])
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", classes])
        graph = helper.make_graph(self._nodes, "network", [image], [output], self._weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sweetspot",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def _is(layer: Any, kind: str) -> bool:
    return type(layer).__name__ == kind


def _values(variable: Any) -> Weights:
    return np.asarray(variable).astype(np.float32)


def _folded(kernel: Weights, bias: Weights, layer: Any) -> tuple[Weights, Weights]:
    """Return the convolution that also normalises: ``γ (x - mean) / √(variance + ε) + β``."""
    scale = _values(layer.gamma) / np.sqrt(_values(layer.moving_variance) + layer.epsilon)
    shifted = (bias - _values(layer.moving_mean)) * scale + _values(layer.beta)
    return kernel * scale, shifted.astype(np.float32)
