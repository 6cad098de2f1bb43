"""The rate of a matrix product on all cores, in a process of its own, as JSON.

    python -m benchmarks.peak float32|bfloat16|float16

The best of several sizes and repeats: what training at that precision could reach at most.
"""

import json
import subprocess
import sys
import time
from typing import Any

from pipeline.measuring.machine import this_machine

SIZES, PRODUCTS, REPEATS = (1024, 2048), 4, 5
#: What a Keras dtype policy multiplies.
DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def operations_a_second(dtype: str) -> float:
    """Return the floating-point operations a second of products of this type, measured apart."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak", dtype], check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["operations_a_second"])


def main(dtype: str) -> None:
    """Measure and print."""
    from pipeline.training.backend import set_up

    set_up(threads=this_machine().cores, deterministic=False)
    print(json.dumps({"operations_a_second": max(_rate(dtype, size) for size in SIZES)}))


def _rate(dtype: str, size: int) -> float:
    import tensorflow as tf

    left = tf.cast(tf.random.normal((size, size)), dtype)
    # So small that the products of products stay finite.
    right = tf.cast(tf.random.normal((size, size), stddev=size**-0.5), dtype)

    def multiply() -> Any:
        product = left
        for _ in range(PRODUCTS):
            product = tf.matmul(product, right)
        return tf.reduce_sum(tf.cast(product, "float32"))

    compiled = tf.function(multiply, autograph=False)
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        compiled().numpy()
        seconds.append(time.perf_counter() - start)
    return float(2.0 * size**3 * PRODUCTS / min(seconds))


if __name__ == "__main__":
    main(sys.argv[1])
