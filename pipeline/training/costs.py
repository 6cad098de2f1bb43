"""What a network costs, measured before its first epoch.

The untrained network takes a few steps and classifies a few images; afterwards its weights,
optimiser and seeds are what they were, so that training starts from exactly the seeded state.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import MeasuringConfig
from pipeline.core.architecture import Architecture
from pipeline.core.journey import macs, parameters
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.energy import EnergyMeter
from pipeline.measuring.latency import TimedLatency
from pipeline.measuring.memory import host_peak_memory_mib
from pipeline.measuring.quiet import QuietLock
from pipeline.measuring.statistics import Latency
from pipeline.measuring.steps import StepTime, TimedStep
from pipeline.measuring.turns import Turns, take_turns
from pipeline.training.backend import Inference
from pipeline.training.network import CompiledNetwork
from pipeline.training.reference import Reference


@dataclass(frozen=True, kw_only=True)
class MeasuredCosts:
    """Costs by name, further measurements by name, and the step's time."""

    costs: dict[str, float]
    measurements: dict[str, float]
    step_seconds: float


def measure_costs(
    network: CompiledNetwork,
    architecture: Architecture,
    reference: Reference,
    images: NDArray[np.uint8],
    classes: int,
    *,
    measuring: MeasuringConfig,
    most_steps: int,
    quiet: QuietLock,
    meter: EnergyMeter,
    clocks: Clocks,
) -> MeasuredCosts:
    """Measure an untrained network.

    The cost ``latency_ms`` is the latency at the first, smallest batch size. Costs are what the
    clock showed; beside each stands its ratio to the reference's.

    Parameters
    ----------
    reference
        Timed in turn with the network, step by step and at each batch size.
    images
        Images to classify, ``(n, height, width, channels)``; taken again where a batch is
        larger.
    most_steps
        Steps of an execution in training.
    meter
        Counts the energy of the timed steps.
    """
    before = network.state()
    with quiet.measuring(clocks):
        order: Any = network.order(0)
        with clocks.on("first_step"):
            network.train(order, 0, 1)
        with clocks.on("measuring"), reference.unchanged():
            timed_step = _timed_step(network, order, reference, most_steps)
            take_turns(timed_step, _turns(measuring), time.perf_counter)
            step = timed_step.result(measuring.tolerance)
            joules = timed_step.joules(meter)
            latencies = {
                size: _latency(network, reference.infer, batch(images, size), measuring)
                for size in measuring.batch_sizes
            }
    with clocks.on("measuring"):
        network.restore(before)
    height, width, channels = images.shape[1:]
    shape = (height, width, channels)
    return MeasuredCosts(
        costs={
            "parameters": float(parameters(architecture, shape, classes)),
            "macs": float(macs(architecture, shape, classes)),
            "epoch_seconds": network.steps * step.step_seconds,
            "latency_ms": latencies[measuring.batch_sizes[0]].median_ms,
        },
        measurements={
            **_step_measurements(step, network.steps),
            **{f"epoch_{part}_joules": network.steps * each for part, each in joules.items()},
            **latency_measurements(latencies),
            "host_peak_memory_mib": host_peak_memory_mib(),
        },
        step_seconds=step.step_seconds,
    )


def quiet_step(
    network: CompiledNetwork, reference: Reference, measuring: MeasuringConfig, most_steps: int
) -> StepTime:
    """Time the training step; the device is quiet already and the weights change."""
    order: Any = network.order(0)
    network.train(order, 0, 1)
    with reference.unchanged():
        timed = _timed_step(network, order, reference, most_steps)
        take_turns(timed, _turns(measuring), time.perf_counter)
    return timed.result(measuring.tolerance)


def batch(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return ``size`` images in a row in memory, from the first on and over again."""
    return np.take(images, np.arange(size), axis=0, mode="wrap")


def latency_measurements(latencies: Mapping[int, Latency]) -> dict[str, float]:
    """Return what is kept of the latencies, by name.

    Those at the first batch size are called ``latency_…``, as the cost is; those at another
    one, such as 256, ``latency_256_…``, ``latency_256_ms`` being the median.
    """
    found: dict[str, float] = {"latency_batch_size": float(next(iter(latencies)))}
    for index, (size, latency) in enumerate(latencies.items()):
        name = "latency" if index == 0 else f"latency_{size}"
        if index > 0:
            found[f"{name}_ms"] = latency.median_ms
        found |= {
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


def _timed_step(
    network: CompiledNetwork, order: Any, reference: Reference, most_steps: int
) -> TimedStep:
    return TimedStep(
        lambda steps: network.train(order, 0, steps),
        reference.execute,
        most_steps=min(most_steps, network.steps),
        reference_most_steps=min(most_steps, reference.steps),
    )


def _latency(
    network: CompiledNetwork,
    reference: Inference,
    images: NDArray[np.uint8],
    measuring: MeasuringConfig,
) -> Latency:
    timed = TimedLatency(
        lambda: network.infer(images),
        lambda: reference(images),
        batch_size=len(images),
        warmup_seconds=measuring.warmup_seconds,
    )
    take_turns(timed, _turns(measuring), time.perf_counter)
    return timed.result(measuring.tolerance)


def _turns(measuring: MeasuringConfig) -> Turns:
    return Turns(fewest=measuring.turns, seconds=measuring.seconds, tolerance=measuring.tolerance)
