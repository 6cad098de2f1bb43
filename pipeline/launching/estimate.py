"""What a sweep would do, said before it does anything."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import macs, parameters
from pipeline.core.trial import derived_seed
from pipeline.launching.devices import workers_with
from pipeline.launching.planning import SweepPlan
from pipeline.measuring.automatic import (
    CALIBRATION_CLASSES,
    CALIBRATION_SHAPE,
    Tried,
    automatic,
    read_calibration,
)
from pipeline.measuring.machine import this_machine
from pipeline.reporting.plan import Estimate
from pipeline.search.dice import Dice
from pipeline.search.rungs import can_compare, sorting_epochs

#: A training step costs about three times the forward pass, and a multiply-accumulate is two
#: operations (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1).
_OPERATIONS_A_MAC = 6.0
#: Share of the float32 matrix-product rate that training small convolutions reaches, and the time
#: an image costs whatever the network: read off the trials of benchmarks/overhead, where they
#: give most training times to within a third.
_EFFICIENCY = 0.85
_SECONDS_AN_IMAGE = 1e-5
#: Building, tracing and measuring a network.
_SECONDS_A_TRIAL = 1.5
#: Starting the workers and reading test at the end.
_SECONDS_A_SWEEP = 30.0
_DRAWS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
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


def estimate(plan: SweepPlan, measured: Callable[[], Pace] | None = None) -> Estimate:
    """Return what the plan amounts to.

    Parameters
    ----------
    measured
        Says how fast the machine trains; by default as its calibration says, else by a matrix
        product.
    """
    space, description = plan.space, plan.description
    shape, classes = description.image_shape, len(description.classes)
    networks, continuous = space.size()
    cheapest, dearest = space.extremes()
    dice = Dice(derived_seed("estimate", plan.config.search.seed))
    drawn, share = _trainable(plan, [space.draw(dice)[0] for _ in range(_DRAWS)])
    trials, workers = plan.config.search.trials, _workers(plan.config)
    full, stopped = _trained_in_full(plan)
    known = [_reference_macs(name, plan) for name in REFERENCES] if plan.config.references else []
    known += [macs(item.architecture, shape, classes) for item in plan.first]
    begun = share * max(0.0, full + stopped - len(known))
    operations = drawn * begun + sum(known)
    trained = begun + len(known)
    images = _epochs(plan) * (description.train + description.validation / 3)
    calibrated = calibrated_pace(plan.config, workers)
    pace = measured() if measured else calibrated or product_pace()
    finalists = plan.config.finalists
    most = min(finalists.limit, trials)
    again = most * finalists.seeds

    def training_seconds(networks: float, operations: float) -> float:
        step = operations * _OPERATIONS_A_MAC / pace.operations_a_second
        return images * (networks * pace.seconds_an_image + step)

    mean = operations / max(trained, 1.0)
    finalist_seconds = training_seconds(again, again * mean) + again * _SECONDS_A_TRIAL
    seconds = training_seconds(trained, operations) + trials * _SECONDS_A_TRIAL
    limit = plan.config.search.minutes
    seconds = min(seconds, math.inf if limit is None else 60.0 * limit) + finalist_seconds
    return Estimate(
        networks=networks,
        continuous=continuous,
        cheapest=cheapest,
        dearest=dearest,
        cheapest_macs=macs(cheapest, shape, classes),
        dearest_macs=macs(dearest, shape, classes),
        trials=trials,
        workers=workers,
        finalists=most,
        seeds=finalists.seeds,
        minutes=(seconds + _SECONDS_A_SWEEP) / 60,
        finalist_minutes=finalist_seconds / 60,
        first=tuple(proposal.architecture for proposal in plan.first),
        search_minutes=limit,
        without_gpu=measured is None and calibrated is None and bool(this_machine().gpus),
    )


def _trainable(plan: SweepPlan, drawn: Sequence[Architecture]) -> tuple[float, float]:
    """Return the mean multiply-accumulates of what is trained, and its share of what is drawn.

    What is known to be above a limit ends before its first epoch.
    """
    shape, classes = plan.description.image_shape, len(plan.description.classes)
    limits, within = plan.config.objective.limits, []
    for architecture in drawn:
        known = {
            "macs": float(macs(architecture, shape, classes)),
            "parameters": float(parameters(architecture, shape, classes)),
        }
        if not limits.broken(known):
            within.append(known["macs"])
    return (float(np.mean(within)) if within else 0.0), len(within) / len(drawn)


def _epochs(plan: SweepPlan) -> float:
    """Return the epochs of a trial, on average where the space varies them."""
    varied = plan.config.space.epochs
    return plan.config.training.epochs if varied is None else float(np.mean(varied.values()))


def _trained_in_full(plan: SweepPlan) -> tuple[float, float]:
    """Return the trials that train to the end, and what the others amount to in such trials.

    A rung that sorts stops all but ``keep`` of those that reach it, once it has seen enough of
    them. On recorded curves, what is predicted at the first one stops as many again, and later
    little more.
    """
    search, epochs = plan.config.search, plan.config.training.epochs
    if not can_compare(plan.config.objective.costs):
        return float(search.trials), 0.0
    references = len(REFERENCES) if plan.config.references else 0
    full = min(search.trials, references + search.rungs.peers)
    share, reaching, before = 0.0, 1.0, 0
    for epoch in sorting_epochs(search.rungs, epochs):
        share += reaching * (epoch - before)
        reaching *= search.rungs.keep if before else search.rungs.keep**2
        before = epoch
    share += reaching * (epochs - before)
    return float(full), (search.trials - full) * share / epochs


def _reference_macs(name: str, plan: SweepPlan) -> int:
    description = plan.description
    try:
        return macs(REFERENCES[name], description.image_shape, len(description.classes))
    except ConfigurationError:  # does not fit very small images
        return 0


def _workers(config: Config) -> int:
    workers, threads = config.launch.workers, config.launch.threads
    if workers != "auto":
        return workers
    known = automatic(config).workers
    return known if threads == "auto" else workers_with(threads, known, this_machine())


def calibrated_pace(config: Config, workers: int) -> Pace | None:
    """Return the pace that this machine's calibration has found; None where there is none.

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
        name: _OPERATIONS_A_MAC * macs(REFERENCES[name], CALIBRATION_SHAPE, CALIBRATION_CLASSES)
        for name in seconds
    }
    an_operation = (seconds["cnn"] - seconds["dnn"]) / (work["cnn"] - work["dnn"])
    if an_operation <= 0.0:
        return None
    return Pace(
        operations_a_second=1.0 / an_operation,
        seconds_an_image=max(0.0, seconds["dnn"] - work["dnn"] * an_operation),
    )


def product_pace() -> Pace:
    """Return the pace to be expected by this processor's matrix product."""
    return Pace(operations_a_second=_EFFICIENCY * matrix_product_rate())


def matrix_product_rate(size: int = 1024, repeats: int = 5) -> float:
    """Return the floating-point operations a second of a float32 matrix product here."""
    left = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        left @ left
        seconds.append(time.perf_counter() - start)
    return 2.0 * size**3 / min(seconds)
