"""How many images a network sees at a time, by what its largest layer gives."""

import math
from typing import Any

from pipeline.training.backend import compute_threads, device_kind
from pipeline.training.training_graph import layers_in_parts

#: Bytes of a layer's outputs for all images of a call. A processor is fastest while its caches hold
#: them (``benchmarks/results/2026-12-01-evaluation-batches.md``); these are each thread's. On a GPU
#: they have to fit: a worker is counted at 2 GiB, with Keras' backend and the images in them; and a
#: layer's inputs are there beside its outputs.
THREAD_BYTES, GPU_BYTES = 8 * 1024**2, 256 * 1024**2
#: In mixed precision it is half as much on some devices.
_VALUE_BYTES = 4
#: As ``THREAD_BYTES``, of a processor that trains: forwards and back. Smaller parts would gain
#: little more, and each is traced by itself, so there are never more than ``MOST_PARTS``.
TRAINING_BYTES = 6 * 1024**2
MOST_PARTS = 8


def images_a_call(model: Any, most: int) -> int:
    """Return how many images a model is to classify in a call, at least 1.

    Parameters
    ----------
    model
        A functional Keras model; each of its layers is called once.
    most
        However small they are.
    """
    budget = GPU_BYTES if device_kind() == "gpu" else THREAD_BYTES * compute_threads()
    return min(most, max(1, budget // (_VALUE_BYTES * _most_values(model.layers))))


def parts_of_batch(model: Any, batch_size: int) -> int:
    """Return in how many equal parts a processor is to take a batch that it trains on.

    In float32 parts that its caches hold train faster, the ``cnn`` reference by 5% (``profile`` in
    ``benchmarks``); in half the bytes they do not.

    Parameters
    ----------
    model
        Of ``model.build_model``.
    """
    layers = layers_in_parts(model)
    if not layers or layers[-1].compute_dtype != "float32":
        return 1
    budget = TRAINING_BYTES * compute_threads()
    fitting = max(1, budget // (_VALUE_BYTES * _most_values(layers)))
    possible = [n for n in range(1, MOST_PARTS + 1) if batch_size % n == 0]
    return next((n for n in possible if batch_size // n <= fitting), possible[-1])


def _most_values(layers: list[Any]) -> int:
    most: int = max(math.prod(layer.output.shape[1:]) for layer in layers)
    return most
