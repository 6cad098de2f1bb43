"""Images on their way through a saved network, layer by layer."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.feature_maps import FeatureMaps, Floats, LayerFilters, LayerMaps
from pipeline.training.backend import keras
from pipeline.training.saving import load_model

layers = keras.layers

Kind = Literal["convolution", "pooling"]


def input_shape(model_path: Path) -> tuple[int, int, int]:
    """Return the ``(height, width, channels)`` that a saved network takes; see ``load_model``."""
    return _input_shape(load_model(model_path), model_path)


def feature_maps(model_path: Path, images: NDArray[np.uint8]) -> FeatureMaps:
    """Return what each convolution and pooling of a saved network makes of images.

    Maps are those after batch normalisation and ReLU. Where a network pools before ReLU,
    ReLU is applied to both: with max pooling that gives the same numbers in either order.

    Parameters
    ----------
    images
        uint8, shape ``(n, height, width, channels)``.

    Raises
    ------
    StorageError
        The file is missing or is not a network that ``save_model`` has written.
    ConfigurationError
        The network has no convolution, or takes images of another shape.
    """
    model = load_model(model_path)
    shape = _input_shape(model, model_path)
    if images.shape[1:] != shape:
        raise ConfigurationError(
            f"the network in {model_path.name} takes images of {_text(shape)}, not "
            f"{_text(images.shape[1:])}"
        )
    stages = _stages(model)
    if not stages:
        raise ConfigurationError(
            f"the network in {model_path.name} has no convolution, and so no feature maps"
        )
    outputs = [layer.output for _, _, layer in stages]
    *values, probabilities = keras.Model(model.input, [*outputs, model.output])(
        images, training=False
    )
    return FeatureMaps(
        images=images,
        layers=tuple(
            LayerMaps(kind=kind, name=name, maps=_array(keras.ops.relu(value)))
            for (kind, name, _), value in zip(stages, values, strict=True)
        ),
        filters=tuple(
            LayerFilters(name=layer.name, weights=_array(layer.kernel))
            for layer in model.layers
            if isinstance(layer, layers.Conv2D)
        ),
        probabilities=_array(probabilities),
    )


def _stages(model: Any) -> list[tuple[Kind, str, Any]]:
    """Return kind and name of each convolution and pooling, with the layer that ends it."""
    stages: list[tuple[Kind, str, Any]] = []
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            stages.append(("convolution", layer.name, layer))
        elif isinstance(layer, layers.BatchNormalization) and stages:
            kind, name, _ = stages[-1]
            stages[-1] = (kind, name, layer)
        elif isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D):
            stages.append(("pooling", layer.name, layer))
    return stages


def _input_shape(model: Any, path: Path) -> tuple[int, int, int]:
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise StorageError(f"the network in {path} does not take images of one size")
    height, width, channels = shape[1:]
    return height, width, channels


def _array(values: Any) -> Floats:
    return np.array(keras.ops.convert_to_numpy(keras.ops.cast(values, "float32")))


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
