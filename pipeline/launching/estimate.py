"""What a sweep would do, said before it does anything."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import counted_costs, macs
from pipeline.core.trial import derived_seed
from pipeline.launching.devices import shared_out, workers_with
from pipeline.launching.planning import SweepPlan
from pipeline.launching.training_rate import (
    OPERATIONS_A_MAC,
    TrainingRate,
    calibrated_rate,
    rate_by_matrix_product,
)
from pipeline.measuring.machine import this_machine
from pipeline.reporting.plan import Estimate
from pipeline.search.dice import Dice
from pipeline.search.rungs import can_compare, rung_epochs

#: Building, tracing and measuring a network.
_SECONDS_A_TRIAL = 1.5
#: Starting the workers and reading test at the end.
_SECONDS_A_SWEEP = 30.0
_DRAWS = 200
#: Of the trials that have peers, by the default rungs on the recorded curves of ``benchmarks``:
#: those that the first rung stops and those that none does. The others are taken to stop halfway.
_STOPPED_AT_FIRST, _NEVER_STOPPED = 0.62, 0.23


def estimate(plan: SweepPlan, measured: Callable[[], TrainingRate] | None = None) -> Estimate:
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
    trials, workers = plan.config.search.trials, _workers(plan.config, plan.description)
    full, stopped = _trained_in_full(plan)
    known = [_reference_macs(name, plan) for name in REFERENCES] if plan.config.references else []
    first = plan.first[: trials - len(known)]  # what there is room for
    known = [*known, *(macs(item.architecture, shape, classes) for item in first)]
    begun = share * max(0.0, full + stopped - len(known))
    operations = drawn * begun + sum(known)
    trained = begun + len(known)
    images = _epochs(plan) * (description.train + description.validation / 3)
    calibrated = calibrated_rate(plan.config, workers)
    rate = measured() if measured else calibrated or rate_by_matrix_product()
    finalists = plan.config.finalists
    most = min(finalists.limit, trials)
    again = most * finalists.seeds

    def training_seconds(networks: float, operations: float) -> float:
        step = operations * OPERATIONS_A_MAC / rate.operations_a_second
        return images * (networks * rate.seconds_an_image + step)

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
        first=tuple(proposal.architecture for proposal in first),
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
        known = counted_costs(architecture, shape, classes)
        if not limits.broken(known):
            within.append(known["macs"])
    return (float(np.mean(within)) if within else 0.0), len(within) / len(drawn)


def _epochs(plan: SweepPlan) -> float:
    """Return the epochs of a trial, on average where the space varies them."""
    varied = plan.config.space.epochs
    return plan.config.training.epochs if varied is None else float(np.mean(varied.values()))


def _trained_in_full(plan: SweepPlan) -> tuple[float, float]:
    """Return the trials that train to the end, and what the others amount to in such trials."""
    search, epochs = plan.config.search, plan.config.training.epochs
    rungs = rung_epochs(search.rungs, epochs)
    if not rungs or not can_compare(plan.config.objective.costs):
        return float(search.trials), 0.0
    references = len(REFERENCES) if plan.config.references else 0
    full = min(search.trials, references + search.rungs.peers)
    later = 1.0 - _STOPPED_AT_FIRST - _NEVER_STOPPED
    share = (
        _NEVER_STOPPED + (_STOPPED_AT_FIRST * rungs[0] + later * (rungs[0] + epochs) / 2) / epochs
    )
    return float(full), (search.trials - full) * share


def _reference_macs(name: str, plan: SweepPlan) -> int:
    description = plan.description
    try:
        return macs(REFERENCES[name], description.image_shape, len(description.classes))
    except ConfigurationError:  # does not fit very small images
        return 0


def _workers(config: Config, data: DataDescription) -> int:
    workers, threads = config.launch.workers, config.launch.threads
    if workers != "auto":
        return workers
    known, _ = shared_out(config, data)
    return known if threads == "auto" else min(known, workers_with(threads, known, this_machine()))
