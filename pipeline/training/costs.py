"""What a network costs, measured before its first epoch.

The untrained network takes a few steps and classifies a few images; afterwards its weights,
optimiser and seeds are what they were, so that training starts from exactly the seeded state.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import MeasuringConfig
from pipeline.core.architecture import Architecture
from pipeline.core.journey import macs, parameters
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.latency import measure_latency
from pipeline.measuring.memory import host_peak_memory_mib
from pipeline.measuring.quiet import QuietLock
from pipeline.measuring.statistics import Latency
from pipeline.measuring.steps import StepTime, measure_step
from pipeline.training.backend import Inference
from pipeline.training.network import CompiledNetwork

#: A latency's interval may be this wide, as a share of the median; else it is taken again.
TOLERANCE = 0.05
ROUNDS = 3
#: Images a call of the latency that is a cost.
LATENCY_BATCH_SIZE = 1


@dataclass(frozen=True, kw_only=True)
class MeasuredCosts:
    """Costs by name, further measurements by name, and the step's time."""

    costs: dict[str, float]
    measurements: dict[str, float]
    step_seconds: float


def measure_costs(
    network: CompiledNetwork,
    architecture: Architecture,
    reference: Inference,
    images: NDArray[np.uint8],
    classes: int,
    *,
    measuring: MeasuringConfig,
    most_steps: int,
    quiet: QuietLock,
    clocks: Clocks,
) -> MeasuredCosts:
    """Measure an untrained network.

    Parameters
    ----------
    reference
        The compiled ``cnn`` reference, timed in turn with the network.
    images
        Images to classify, ``(n, height, width, channels)``.
    most_steps
        Steps of an execution in training.
    """
    before = network.state()
    with quiet.measuring(clocks):
        step = quiet_step(network, measuring, most_steps, clocks)
        with clocks.on("measuring"):
            image = images[:LATENCY_BATCH_SIZE]
            latency = measure_latency(
                lambda: network.infer(image),
                lambda: reference(image),
                batch_size=LATENCY_BATCH_SIZE,
                samples=measuring.latency_samples,
                warmup_seconds=measuring.warmup_seconds,
                tolerance=TOLERANCE,
                rounds=ROUNDS,
            )
    with clocks.on("measuring"):
        network.restore(before)
    height, width, channels = images.shape[1:]
    shape = (height, width, channels)
    return MeasuredCosts(
        costs={
            "parameters": float(parameters(architecture, shape, classes)),
            "macs": float(macs(architecture, shape, classes)),
            "epoch_seconds": network.steps * step.step_seconds,
            "latency_ms": latency.median_ms,
        },
        measurements=_measurements(step, latency),
        step_seconds=step.step_seconds,
    )


def quiet_step(
    network: CompiledNetwork, measuring: MeasuringConfig, most_steps: int, clocks: Clocks
) -> StepTime:
    """Time a training step; the device is quiet already and the weights change."""
    order: Any = network.order(0)
    with clocks.on("first_step"):
        network.train(order, 0, 1)
    with clocks.on("measuring"):
        return measure_step(
            lambda steps: network.train(order, 0, steps),
            executions=measuring.step_executions,
            most_steps=min(most_steps, network.steps),
        )


def _measurements(step: StepTime, latency: Latency) -> dict[str, float]:
    found = {
        "step_ms": step.step_seconds * 1000.0,
        "latency_low_ms": latency.low_ms,
        "latency_high_ms": latency.high_ms,
        "latency_p90_ms": latency.p90_ms,
        "latency_reference_ms": latency.reference_ms,
        "latency_ratio": latency.ratio,
        "latency_ratio_low": latency.ratio_low,
        "latency_ratio_high": latency.ratio_high,
        "latency_images_per_second": latency.images_per_second,
        "latency_noisy": float(latency.noisy),
        "host_peak_memory_mib": host_peak_memory_mib(),
    }
    if latency.p99_ms is not None:
        found["latency_p99_ms"] = latency.p99_ms
    return found
