"""What augmentation adds to a training step, side by side with the same step without it.

    make bench ARGS=augmentation

For a small, a middle and the ``cnn`` network the same compiled step is timed with images as they
are and with every part of the augmentation, in turns, on 28×28 images of noise (what is in them
changes nothing). No data set is needed.
"""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks.results_files import keep
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.trial import Augmentation, Recipe
from pipeline.data.dataset import Split
from pipeline.measuring.machine import default_threads, resolve_precision
from pipeline.training.backend import set_up
from pipeline.training.network import CompiledNetwork, DeviceData

IMAGES = 12_800
CLASSES = 10
STEPS = 20
AUGMENTATIONS: tuple[Augmentation, ...] = ("none", "shift", "shift_flip_cutout")
NETWORKS = ("8k3-d16", "16k5-d64", REFERENCES["cnn"].notation)


def main(short: bool) -> None:
    """Run the benchmark; ``short`` takes fewer turns."""
    set_up(threads=default_threads(), deterministic=False)
    random = np.random.default_rng(0)
    images = Split(
        images=random.integers(0, 256, (IMAGES, 28, 28, 1), dtype=np.uint8),
        labels=random.integers(0, CLASSES, IMAGES),
    )
    data = DeviceData.place(images, CLASSES)
    rows = [_row(notation, data, turns=5 if short else 25) for notation in NETWORKS]
    lines = [
        "Milliseconds of a training step of 128 images, medians of turns, and what is added:",
        "",
        "| network | as they are | shift | shift, flip and cutout |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{row['network']}` | "
            + " | ".join(
                f"{row['step_ms'][name]:.2f}"
                + ("" if name == "none" else f" (+{100 * (row['ratio'][name] - 1):.0f}%)")
                for name in AUGMENTATIONS
            )
            + " |"
            for row in rows
        ),
    ]
    print("\n".join(lines))
    print(keep("augmentation", {"threads": default_threads(), "rows": rows}, lines, short=short))


def _row(notation: str, data: DeviceData, turns: int) -> dict[str, Any]:
    networks = {name: _network(notation, data, name) for name in AUGMENTATIONS}
    orders = {name: network.order(1) for name, network in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in AUGMENTATIONS}
    for turn in range(turns + 2):
        for name, network in networks.items():
            began = time.perf_counter()
            network.train(orders[name], 0, STEPS)
            if turn >= 2:  # the first ones warm up
                seconds[name].append((time.perf_counter() - began) / STEPS)
    # A ratio of neighbours in a turn: what slows the machine down slows all of them down.
    ratios = {
        name: statistics.median(
            own / plain for own, plain in zip(found, seconds["none"], strict=True)
        )
        for name, found in seconds.items()
    }
    steps = {name: 1e3 * statistics.median(found) for name, found in seconds.items()}
    return {"network": notation, "step_ms": steps, "ratio": ratios}


def _network(notation: str, data: DeviceData, augmentation: Augmentation) -> CompiledNetwork:
    return CompiledNetwork(
        Architecture.parse(notation),
        Recipe(
            batch_size=128,
            optimizer="adam",
            learning_rate=0.004,
            schedule="one_cycle",
            augmentation=augmentation,
        ),
        seed=0,
        data=data,
        epochs=1,
        precision=resolve_precision("auto"),
        jit_compile=False,
        looping=True,
    )
