"""The rate of a matrix product on all cores, in a process of its own, as JSON.

    python -m benchmarks.peak float32|bfloat16|float16

The best of several sizes and repeats: what training at that precision could reach at most.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from pipeline.core.architecture import Architecture
from pipeline.core.journey import ImageShape, shape_journey
from pipeline.measuring.backends import backend_name
from pipeline.measuring.machine import this_machine

CPU_SIZES, GPU_SIZES = (1024, 2048), (4096, 8192)
PRODUCTS, REPEATS = 4, 5
#: What a Keras dtype policy multiplies.
DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def operations_a_second(dtype: str) -> float:
    """Return the floating-point operations a second of products of this type, measured apart."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak", dtype], check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["operations_a_second"])


def training_operations(architecture: Architecture, image_shape: ImageShape, classes: int) -> float:
    """Return the floating-point operations of training with an image once.

    Each multiply-accumulate is two, and is done three times: forward, and for the gradients by
    the weights and by what comes in. The image needs no gradient.
    """
    works = [stage.macs for stage in shape_journey(architecture, image_shape, classes)]
    first = next(work for work in works if work)
    return 6.0 * sum(works) - 2.0 * first


def main(dtype: str) -> None:
    """Measure and print."""
    from pipeline.training.backend import set_up

    device = set_up(threads=this_machine().cores, deterministic=False)
    sizes = GPU_SIZES if device.kind == "gpu" else CPU_SIZES
    print(json.dumps({"operations_a_second": max(rate(dtype, size) for size in sizes)}))


def rate(dtype: str, size: int) -> float:
    """Return the operations a second of products of this size, with this process's threads."""
    from pipeline.training.backend import keras

    ops = keras.ops
    left = ops.cast(keras.random.normal((size, size)), dtype)
    # So small that the products of products stay finite.
    right = ops.cast(keras.random.normal((size, size), stddev=size**-0.5), dtype)

    def multiply(left: Any, right: Any) -> Any:
        product = left
        for _ in range(PRODUCTS):
            product = ops.matmul(product, right)
        return ops.sum(ops.cast(product, "float32"))

    compiled = _compile(multiply)
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        float(compiled(left, right))
        seconds.append(time.perf_counter() - start)
    return float(2.0 * size**3 * PRODUCTS / min(seconds))


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    if backend_name() == "jax":
        import jax

        compiled: Callable[..., Any] = jax.jit(function)
    else:
        import tensorflow as tf

        compiled = tf.function(function, autograph=False)
    return compiled


if __name__ == "__main__":
    main(sys.argv[1])
