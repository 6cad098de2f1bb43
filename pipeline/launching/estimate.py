"""What a sweep would do, said before it does anything."""

import time
from collections.abc import Callable

import numpy as np

from pipeline.core.architecture import REFERENCES
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import macs
from pipeline.core.trial import derived_seed
from pipeline.launching.planning import SweepPlan
from pipeline.measuring.automatic import automatic
from pipeline.reporting.plan import Estimate
from pipeline.search.dice import Dice
from pipeline.search.rungs import sorting_epochs

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


def estimate(plan: SweepPlan, operations_a_second: Callable[[], float] | None = None) -> Estimate:
    """Return what the plan amounts to.

    Parameters
    ----------
    operations_a_second
        Measures the machine's rate of floating-point operations; by default with a matrix
        product.
    """
    space, description = plan.space, plan.description
    shape, classes = description.image_shape, len(description.classes)
    networks, continuous = space.size()
    cheapest, dearest = space.extremes()
    dice = Dice(derived_seed("estimate", plan.config.search.seed))
    drawn = [macs(space.draw(dice)[0], shape, classes) for _ in range(_DRAWS)]
    trials, workers = plan.config.search.trials, plan.config.launch.workers
    full, stopped = _trained_in_full(plan)
    known = [_reference_macs(name, plan) for name in REFERENCES] if plan.config.references else []
    known += [macs(item.architecture, shape, classes) for item in plan.first]
    operations = float(np.mean(drawn)) * max(0.0, full + stopped - len(known)) + sum(known)
    images = _epochs(plan) * (description.train + description.validation / 3)
    rate = _EFFICIENCY * (operations_a_second or matrix_product_rate)()
    finalists = plan.config.finalists
    most = min(finalists.limit, trials)
    again = most * finalists.seeds

    def training_seconds(networks: float, operations: float) -> float:
        return images * (networks * _SECONDS_AN_IMAGE + operations * _OPERATIONS_A_MAC / rate)

    mean = operations / (full + stopped)
    finalist_seconds = training_seconds(again, again * mean) + again * _SECONDS_A_TRIAL
    seconds = training_seconds(full + stopped, operations) + trials * _SECONDS_A_TRIAL
    seconds += finalist_seconds
    return Estimate(
        networks=networks,
        continuous=continuous,
        cheapest=cheapest,
        dearest=dearest,
        cheapest_macs=macs(cheapest, shape, classes),
        dearest_macs=macs(dearest, shape, classes),
        trials=trials,
        workers=automatic(plan.config).workers if workers == "auto" else workers,
        finalists=most,
        seeds=finalists.seeds,
        minutes=(seconds + _SECONDS_A_SWEEP) / 60,
        finalist_minutes=finalist_seconds / 60,
        first=tuple(proposal.architecture for proposal in plan.first),
    )


def _epochs(plan: SweepPlan) -> float:
    """Return the epochs of a trial, on average where the space varies them."""
    varied = plan.config.space.epochs
    return plan.config.training.epochs if varied is None else float(np.mean(varied.values()))


def _trained_in_full(plan: SweepPlan) -> tuple[float, float]:
    """Return the trials that train to the end, and what the others amount to in such trials.

    A rung that sorts stops all but ``keep`` of those that reach it, once it has seen enough of
    them; on recorded curves, what the others stop beside it shortens trials by little more.
    """
    search, epochs = plan.config.search, plan.config.training.epochs
    references = len(REFERENCES) if plan.config.references else 0
    full = min(search.trials, references + search.rungs.peers)
    share, reaching, before = 0.0, 1.0, 0
    for epoch in sorting_epochs(search.rungs, epochs):
        share += reaching * (epoch - before)
        reaching *= search.rungs.keep
        before = epoch
    share += reaching * (epochs - before)
    return float(full), (search.trials - full) * share / epochs


def _reference_macs(name: str, plan: SweepPlan) -> int:
    description = plan.description
    try:
        return macs(REFERENCES[name], description.image_shape, len(description.classes))
    except ConfigurationError:  # does not fit very small images
        return 0


def matrix_product_rate(size: int = 1024, repeats: int = 5) -> float:
    """Return the floating-point operations a second of a float32 matrix product here."""
    left = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        left @ left
        seconds.append(time.perf_counter() - start)
    return 2.0 * size**3 / min(seconds)
