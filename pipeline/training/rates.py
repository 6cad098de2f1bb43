"""How many images a second networks train with here, for a process that is asked.

``{"build": WAY}`` answers when the network is compiled and warm; ``{"measure": WAY, "seconds":
S}`` trains it so long and answers with ``{"images_per_second": RATE}``. A ``WAY`` is
``{"network", "precision", "jit_compile", "steps_per_execution"}``. Images are noise: a step takes
as long as with real ones.
"""

import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe
from pipeline.data.dataset import Split
from pipeline.measuring.automatic import CALIBRATION_CLASSES, CALIBRATION_SHAPE
from pipeline.training.backend import Device, set_up_for_training
from pipeline.training.fit import EXECUTION_SECONDS
from pipeline.training.network import CompiledNetwork, DeviceData

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="one_cycle")
#: A call of the compiled function takes at most all of them.
STEPS = 256
#: A call that lasts so many seconds is all steps, as good as.
_CALL_FORGOTTEN = 0.05


class RateMeter:
    """Networks of one process, each compiled once."""

    def __init__(self, threads: int, gpu_memory: float | None) -> None:
        self._device: Device = set_up_for_training(
            threads=threads, deterministic=False, gpu_memory=gpu_memory
        )
        generator = np.random.default_rng(0)
        images = STEPS * RECIPE.batch_size
        split = Split(
            images=generator.integers(0, 256, (images, *CALIBRATION_SHAPE), dtype=np.uint8),
            labels=generator.integers(0, CALIBRATION_CLASSES, images),
        )
        self._data = DeviceData.place(split, CALIBRATION_CLASSES)
        self._networks: dict[tuple[str, str, bool], CompiledNetwork] = {}
        self._most_steps: dict[CompiledNetwork, int] = {}

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
            self._most_steps[network] = _most_steps(network)
        return self._networks[key]

    def images_per_second(self, way: dict[str, Any], seconds: float) -> float:
        """Train for about so long and return the rate, that of whole calls."""
        network = self.build(way)
        steps = min(int(way["steps_per_execution"]), self._most_steps[network])
        order, done = network.order(0), 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            network.train(order, 0, steps)
            done += steps
        return done * RECIPE.batch_size / elapsed


def _most_steps(network: CompiledNetwork) -> int:
    """Return how many steps a call of training would have at most: it is not to take long."""
    order, steps = network.order(0), 2
    while True:
        start = time.perf_counter()
        network.train(order, 0, steps)
        seconds = time.perf_counter() - start
        if seconds >= _CALL_FORGOTTEN or steps == STEPS:
            return max(1, min(STEPS, int(EXECUTION_SECONDS * steps / seconds)))
        steps = min(STEPS, 8 * steps)


def answer(meter: RateMeter, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked."""
    if "build" in request:
        meter.build(request["build"])
        return {"built": True}
    return {"images_per_second": meter.images_per_second(request["measure"], request["seconds"])}


def serve(threads: int, gpu_memory: float | None, asking: "Connection[Any, Any]") -> None:
    """Say when it is ready, and answer until whoever asks has gone."""
    meter = RateMeter(threads, gpu_memory)
    asking.send({"ready": True})
    while True:
        try:
            request = asking.recv()
        except EOFError:
            return
        asking.send(answer(meter, request))
