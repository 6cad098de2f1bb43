"""How fast this machine trains, known before it has trained anything of a sweep."""

import time
from dataclasses import dataclass

import numpy as np

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import macs
from pipeline.measuring.automatic import (
    CALIBRATION_CLASSES,
    CALIBRATION_SHAPE,
    Tried,
    read_calibration,
)
from pipeline.measuring.machine import this_machine

#: A training step costs about three times the forward pass, and a multiply-accumulate is two
#: operations (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1).
OPERATIONS_A_MAC = 6.0
#: Share of the float32 matrix-product rate that training small convolutions reaches, and the time
#: an image costs whatever the network: read off the trials of benchmarks/overhead, where they
#: give most training times to within a third.
_EFFICIENCY = 0.85
_SECONDS_AN_IMAGE = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRate:
    """How fast this machine trains, all its workers together.

    Parameters
    ----------
    operations_a_second
        Floating-point operations of training.
    seconds_an_image
        What an image costs whatever the network.
    """

    operations_a_second: float
    seconds_an_image: float = _SECONDS_AN_IMAGE


def calibrated_rate(config: Config, workers: int) -> TrainingRate | None:
    """Return the rate that this machine's calibration has found; None where there is none.

    Of two networks with different operations the images a second are known, which gives both
    what an operation takes and what an image does. The larger one was tried by several layouts
    of workers and threads, of which the one that is nearest counts; the smaller one by a single
    process, and as many do side by side as the calibration has found to be best.

    Parameters
    ----------
    config
        With the precision that is trained in.
    workers
        Processes that train.
    """
    calibration = read_calibration(config.mlruns) if config.calibrate else None
    if calibration is None:
        return None
    best = calibration.answer
    if config.launch.threads != "auto":
        threads = config.launch.threads
    elif config.launch.workers == "auto":
        threads = best.threads
    else:
        threads = max(1, this_machine().cores // workers)
    tried: dict[str, list[Tried]] = {name: [] for name in REFERENCES}
    for way in calibration.tried:
        for name, architecture in REFERENCES.items():
            if (way.network, way.precision) == (architecture.notation, config.training.precision):
                tried[name].append(way)
    if not (tried["cnn"] and tried["dnn"]):
        return None

    def distance(way: Tried) -> tuple[bool, int, float]:
        apart = abs(way.workers * way.threads - workers * threads)
        return way.workers != workers, apart, -way.images_per_second

    nearest = min(tried["cnn"], key=distance)
    at_work = min(workers * threads, best.workers * best.threads)
    share = at_work / (nearest.workers * nearest.threads)
    scale = 1.0 if nearest.workers == workers else share
    alone = max(way.images_per_second / way.workers for way in tried["dnn"])
    seconds = {
        "cnn": 1.0 / (scale * nearest.images_per_second),
        "dnn": 1.0 / (alone * min(workers, best.workers)),
    }
    work = {
        name: OPERATIONS_A_MAC * macs(REFERENCES[name], CALIBRATION_SHAPE, CALIBRATION_CLASSES)
        for name in seconds
    }
    an_operation = (seconds["cnn"] - seconds["dnn"]) / (work["cnn"] - work["dnn"])
    if an_operation <= 0.0:
        return None
    return TrainingRate(
        operations_a_second=1.0 / an_operation,
        seconds_an_image=max(0.0, seconds["dnn"] - work["dnn"] * an_operation),
    )


def rate_by_matrix_product() -> TrainingRate:
    """Return the rate to be expected by this processor's matrix product."""
    return TrainingRate(operations_a_second=_EFFICIENCY * matrix_product_rate())


def matrix_product_rate(size: int = 1024, repeats: int = 5) -> float:
    """Return the floating-point operations a second of a float32 matrix product here."""
    left = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        left @ left
        seconds.append(time.perf_counter() - start)
    return 2.0 * size**3 / min(seconds)
