"""What a network costs: what decides about it before its first epoch, the rest after its last.

The search and the limits need a trial's cost before it trains. What they do not look at would only
keep others from training meanwhile, for many a trial that is stopped a minute later; so it is
measured on those that trained to their end.

To be measured, a network takes some steps and classifies some images. Afterwards its weights,
optimiser and seeds are what they were: training starts from exactly the seeded state, and what is
kept is what was trained.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import MeasuringConfig
from pipeline.core.architecture import Architecture
from pipeline.core.journey import counted_costs
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.energy import EnergyMeter
from pipeline.measuring.latency import TimedLatency
from pipeline.measuring.memory import host_peak_memory_mib
from pipeline.measuring.quiet import QuietLock
from pipeline.measuring.statistics import Latency
from pipeline.measuring.steps import StepTime, TimedStep, joules_of_step
from pipeline.measuring.turns import Turns, take_turns
from pipeline.training.backend import ran_out_of_memory
from pipeline.training.network import CompiledNetwork
from pipeline.training.reference import Reference


@dataclass(kw_only=True)
class MeasuredCosts:
    """Costs and further measurements by name, and about what a training step takes."""

    costs: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    step_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CostMeter:
    """Measures the networks of one session, each beside the same reference.

    The cost ``latency_ms`` is the latency at the first, smallest batch size. Costs are what the
    clock showed; beside each stands its ratio to the reference's.

    Parameters
    ----------
    reference
        Timed in turn with the network, step by step and at each batch size.
    images
        Images to classify, ``(n, height, width, channels)``; taken again where a batch is
        larger.
    deciding
        The costs that have to be known before the first epoch, by name.
    most_steps
        Steps of an execution in training.
    energy
        Counts the energy of training steps.
    """

    reference: Reference
    images: NDArray[np.uint8]
    classes: int
    measuring: MeasuringConfig
    deciding: frozenset[str]
    most_steps: int
    quiet: QuietLock
    energy: EnergyMeter

    def before_training(
        self,
        network: CompiledNetwork,
        architecture: Architecture,
        clocks: Clocks,
        between_measurements: Callable[[], None] = lambda: None,
    ) -> MeasuredCosts:
        """Measure what decides about an untrained network.

        Parameters
        ----------
        between_measurements
            Called between measurements, and between the turns of each; may raise.
        """
        height, width, channels = self.images.shape[1:]
        counted = counted_costs(architecture, (height, width, channels), self.classes)
        found = MeasuredCosts(costs=counted)
        sizes = self._sizes_before
        for size in sizes:
            self._compile(network, size, clocks)
        with _unchanged(network, clocks):
            self._first_steps(network, found, clocks)
            if self._step_decides or sizes:
                with self.quiet.measuring(clocks), clocks.on("measuring"):
                    if self._step_decides:
                        self._time_step(network, found, between_measurements)
                    for size in sizes:
                        self._time_latency(network, size, found, between_measurements)
        found.measurements["host_peak_memory_mib"] = host_peak_memory_mib()
        return found

    def after_training(
        self,
        network: CompiledNetwork,
        clocks: Clocks,
        between_measurements: Callable[[], None] = lambda: None,
    ) -> MeasuredCosts:
        """Measure what else describes a trained network.

        What needs more memory than there is is left out: nothing that was trained is thrown away
        for what is only good to know.

        Parameters
        ----------
        between_measurements
            As for ``before_training``.
        """
        found = MeasuredCosts()
        sizes = []
        for size in self.measuring.batch_sizes:
            if size not in self._sizes_before:
                between_measurements()
                if _has_room(partial(self._compile, network, size, clocks)):
                    sizes.append(size)
        if self._step_decides and not sizes and not self.energy.counters:
            return found
        with (
            _unchanged(network, clocks),
            self.quiet.measuring(clocks),
            clocks.on("measuring"),
        ):
            between_measurements()
            if not self._step_decides:
                _has_room(partial(self._time_step, network, found, between_measurements))
            for size in sizes:
                between_measurements()
                _has_room(partial(self._time_latency, network, size, found, between_measurements))
            between_measurements()
            _has_room(partial(self._count_energy, network, found))
        found.measurements["host_peak_memory_mib"] = host_peak_memory_mib()
        return found

    def step(self, network: CompiledNetwork) -> StepTime:
        """Time the training step of a network that nobody needs afterwards."""
        with self.quiet.measuring():
            order: Any = network.order(0)
            network.train(order, 0, 1)
            return self._step(network, order)

    @property
    def _step_decides(self) -> bool:
        return "epoch_seconds" in self.deciding

    @property
    def _sizes_before(self) -> tuple[int, ...]:
        return self.measuring.batch_sizes[:1] if "latency_ms" in self.deciding else ()

    def _compile(self, network: CompiledNetwork, size: int, clocks: Clocks) -> None:
        """Classify a batch: XLA compiles for each size, and nobody has to wait for that."""
        with self.quiet.training(clocks), clocks.on("build_and_trace"):
            network.infer(batch(self.images, size))
            self.reference.infer(batch(self.images, size))

    def _first_steps(self, network: CompiledNetwork, found: MeasuredCosts, clocks: Clocks) -> None:
        """Take the first step, which still compiles; time others where nobody else will."""
        order: Any = network.order(0)
        with self.quiet.training(clocks), clocks.on("first_step"):
            network.train(order, 0, 1)
            if not self._step_decides:
                # Others train meanwhile, so the least is nearest to what a step takes.
                call = min(_seconds(partial(network.train, order, 0, 0)) for _ in range(3))
                step = min(_seconds(partial(network.train, order, 0, 1)) for _ in range(3))
                found.step_seconds = max(step - call, 1e-9)

    def _time_step(
        self, network: CompiledNetwork, found: MeasuredCosts, between: Callable[[], None]
    ) -> None:
        step = self._step(network, network.order(0), between)
        found.step_seconds = step.step_seconds
        found.costs["epoch_seconds"] = network.steps * step.step_seconds
        found.measurements |= _step_measurements(step, network.steps)

    def _step(
        self,
        network: CompiledNetwork,
        order: Any,
        between: Callable[[], None] = lambda: None,
    ) -> StepTime:
        with self.reference.unchanged():
            timed = TimedStep(
                lambda steps: network.train(order, 0, steps),
                self.reference.execute,
                most_steps=min(self.most_steps, network.steps),
                reference_most_steps=min(self.most_steps, self.reference.steps),
            )
            take_turns(timed, self._turns, time.perf_counter, between)
        return timed.result(self.measuring.tolerance)

    def _time_latency(
        self,
        network: CompiledNetwork,
        size: int,
        found: MeasuredCosts,
        between: Callable[[], None],
    ) -> None:
        images = batch(self.images, size)
        timed = TimedLatency(
            lambda: network.infer(images),
            lambda: self.reference.infer(images),
            batch_size=size,
            warmup_seconds=self.measuring.warmup_seconds,
        )
        take_turns(timed, self._turns, time.perf_counter, between)
        latency = timed.result(self.measuring.tolerance)
        if size == self.measuring.batch_sizes[0]:
            found.costs["latency_ms"] = latency.median_ms
            found.measurements |= {"latency_batch_size": float(size)}
            found.measurements |= _latency_measurements("latency", latency)
        else:
            name = f"latency_{size}"
            found.measurements |= {f"{name}_ms": latency.median_ms}
            found.measurements |= _latency_measurements(name, latency)

    def _count_energy(self, network: CompiledNetwork, found: MeasuredCosts) -> None:
        order: Any = network.order(0)
        joules = joules_of_step(
            lambda steps: network.train(order, 0, steps),
            self.energy,
            most_steps=min(self.most_steps, network.steps),
        )
        found.measurements |= {
            f"epoch_{part}_joules": network.steps * each for part, each in joules.items()
        }

    @property
    def _turns(self) -> Turns:
        measuring = self.measuring
        return Turns(
            fewest=measuring.turns, seconds=measuring.seconds, tolerance=measuring.tolerance
        )


def batch(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return ``size`` images in a row in memory, from the first on and over again."""
    return np.take(images, np.arange(size), axis=0, mode="wrap")


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _has_room(measure: Callable[[], object]) -> bool:
    """Measure, and return whether there was enough memory for that."""
    try:
        measure()
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        return False
    return True


@contextmanager
def _unchanged(network: CompiledNetwork, clocks: Clocks) -> Iterator[None]:
    """Give a network its state back after the block; one that fails is not used any more."""
    with clocks.on("measuring"):
        before = network.state()
    yield
    with clocks.on("measuring"):
        network.restore(before)


def _latency_measurements(name: str, latency: Latency) -> dict[str, float]:
    found = {
        f"{name}_low_ms": latency.low_ms,
        f"{name}_high_ms": latency.high_ms,
        f"{name}_p90_ms": latency.p90_ms,
        f"{name}_reference_ms": latency.reference_ms,
        f"{name}_ratio": latency.ratio,
        f"{name}_ratio_low": latency.ratio_low,
        f"{name}_ratio_high": latency.ratio_high,
        f"{name}_images_per_second": latency.images_per_second,
        f"{name}_samples": float(latency.samples),
        f"{name}_noisy": float(latency.noisy),
    }
    if latency.p99_ms is not None:
        found[f"{name}_p99_ms"] = latency.p99_ms
    return found


def _step_measurements(step: StepTime, steps: int) -> dict[str, float]:
    return {
        "step_ms": step.step_seconds * 1000.0,
        "step_low_ms": step.low_seconds * 1000.0,
        "step_high_ms": step.high_seconds * 1000.0,
        "step_reference_ms": step.reference_seconds * 1000.0,
        "step_ratio": step.ratio,
        "step_ratio_low": step.ratio_low,
        "step_ratio_high": step.ratio_high,
        "step_noisy": float(step.noisy),
        "epoch_low_seconds": steps * step.low_seconds,
        "epoch_high_seconds": steps * step.high_seconds,
        "measuring_turns": float(step.executions),
    }
