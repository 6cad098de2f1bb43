"""How many images a network classifies in one call, by what its largest layer gives."""

import math
from typing import Any

from pipeline.training.backend import device_kind

#: Bytes of a layer's outputs for all images of a call. A processor is fastest while they stay in
#: its caches: by up to a third, and with any budget from 6 to 12 MiB by nearly as much. On a GPU
#: they have to fit: a worker is counted at 2 GiB, with Keras' backend and the images in them; and a
#: layer's inputs are there beside its outputs.
BUDGET_BYTES = {"cpu": 8 * 1024**2, "gpu": 256 * 1024**2}
#: In mixed precision it is half as much on some devices.
_VALUE_BYTES = 4


def images_a_call(model: Any, most: int) -> int:
    """Return how many images a model is to classify in a call, at least 1.

    Parameters
    ----------
    model
        A functional Keras model; each of its layers is called once.
    most
        However small they are.
    """
    values: int = max(math.prod(layer.output.shape[1:]) for layer in model.layers)
    return min(most, max(1, BUDGET_BYTES[device_kind()] // (_VALUE_BYTES * values)))
