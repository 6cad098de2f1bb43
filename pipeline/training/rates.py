"""How many images a second networks train with here; a process that is asked, line by line.

    python -m pipeline.training.rates THREADS

Each line of the standard input is a request as JSON, each line of the output its answer.
``{"build": WAY}`` answers when the network is compiled and warm; ``{"measure": WAY, "seconds":
S}`` trains it so long and answers with ``{"images_per_second": RATE}``. A ``WAY`` is
``{"network", "precision", "jit_compile", "steps_per_execution"}``. Images are noise: a step takes
as long as with real ones.
"""

import json
import sys
import time
from typing import Any, TextIO

import numpy as np

from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe
from pipeline.data.dataset import Split
from pipeline.training.backend import Device, set_up
from pipeline.training.network import CompiledNetwork, DeviceData

IMAGE_SHAPE, CLASSES = (28, 28, 1), 10
RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="one_cycle")
#: A call of the compiled function takes at most all of them.
STEPS = 256


class RateMeter:
    """Networks of one process, each compiled once."""

    def __init__(self, threads: int) -> None:
        self._device: Device = set_up(threads=threads, deterministic=False)
        generator = np.random.default_rng(0)
        images = STEPS * RECIPE.batch_size
        split = Split(
            images=generator.integers(0, 256, (images, *IMAGE_SHAPE), dtype=np.uint8),
            labels=generator.integers(0, CLASSES, images),
        )
        self._data = DeviceData.place(split, CLASSES)
        self._networks: dict[tuple[str, str, bool], CompiledNetwork] = {}

    def build(self, way: dict[str, Any]) -> CompiledNetwork:
        """Return the network, compiled and warm."""
        key = (way["network"], way["precision"], way["jit_compile"])
        if key not in self._networks:
            jit = bool(way["jit_compile"])
            network = CompiledNetwork(
                Architecture.parse(way["network"]),
                RECIPE,
                0,
                data=self._data,
                epochs=1,
                precision=way["precision"],
                jit_compile=jit,
                looping=self._device.loops(jit),
            )
            network.train(network.order(0), 0, 2)
            self._networks[key] = network
        return self._networks[key]

    def images_per_second(self, way: dict[str, Any], seconds: float) -> float:
        """Train for about so long and return the rate, that of whole calls."""
        network, steps = self.build(way), min(int(way["steps_per_execution"]), STEPS)
        order, done = network.order(0), 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            network.train(order, 0, steps)
            done += steps
        return done * RECIPE.batch_size / elapsed


def answer(meter: RateMeter, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a line asks."""
    if "build" in request:
        meter.build(request["build"])
        return {"built": True}
    return {"images_per_second": meter.images_per_second(request["measure"], request["seconds"])}


def serve(threads: int, requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end."""
    meter = RateMeter(threads)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        print(json.dumps(answer(meter, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.stdin, sys.stdout)
