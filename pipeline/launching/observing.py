"""What is done about a trial while it trains: events, limits, rungs, and leaving when told to."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.config import Config
from pipeline.core.journey import Stage
from pipeline.core.outcome import Interrupted, LimitBroken, StoppedAtRung, TimeUp
from pipeline.core.pace import TRAINING_TIMES, at_pace, measured_pace, training_at_pace
from pipeline.core.trial import EpochResult
from pipeline.core.wording import number
from pipeline.launching.pace import SweepPace
from pipeline.measuring.clocks import Clocks
from pipeline.search.ledger import Claim
from pipeline.search.rungs import rung_epochs
from pipeline.tracking.event_log import EventLog, read
from pipeline.tracking.events import EpochEnded, Measured, record
from pipeline.tracking.story import trial_record

ReasonToStop = Callable[[Claim, int, dict[int, float], dict[str, float]], str | None]


@dataclass
class SoFar:
    """What is known of the trial so far."""

    costs: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    history: list[EpochResult] = field(default_factory=list)


class ClaimObserver:
    """Writes events, keeps limits and rungs, and passes on that the worker must leave.

    Parameters
    ----------
    pace
        Returns the pace of the sweep, at which costs in seconds are told.
    journey
        Returns the shape journey of the network, which fits the images.
    reason_to_leave
        Returns why the worker has to leave now, or None.
    reason_to_stop
        Returns why the trial should stop at a rung that it has reached, or None.
    """

    def __init__(
        self,
        config: Config,
        claim: Claim,
        log: EventLog,
        clocks: Clocks,
        *,
        pace: Callable[[], SweepPace],
        journey: Callable[[], tuple[Stage, ...]],
        reason_to_leave: Callable[[], str | None],
        reason_to_stop: ReasonToStop,
    ) -> None:
        self._config = config
        self._claim = claim
        self._log = log
        self._clocks = clocks
        self._pace = pace
        self._journey = journey
        self._reason_to_leave = reason_to_leave
        self._reason_to_stop = reason_to_stop
        self._attempt = claim.specification.attempt
        # References are what others are compared with, and finalists have won already: both
        # are trained to their end whatever they cost.
        self._is_free = (
            claim.specification.reference is not None or claim.specification.repetition > 0
        )
        self._rungs = (
            ()
            if claim.specification.repetition
            else rung_epochs(
                config.search.rungs,
                claim.specification.recipe.epochs or config.training.epochs,
            )
        )
        self._started = time.monotonic()
        # A trial that goes on after an interruption keeps the epochs that were done before.
        known = trial_record(read(log.path))
        self.so_far = SoFar(history=list(known.history) if known else [])

    def measured(
        self,
        costs: dict[str, float],
        measurements: dict[str, float],
        summary: str,
        *,
        again: bool = False,
    ) -> None:
        """Write down what the network costs, and keep the limits."""
        with self._clocks.on("tracking"):
            costs, measurements = self._keep(costs, measurements, elsewhere=again)
            record(
                self._log,
                Measured(
                    attempt=self._attempt,
                    costs=costs,
                    measurements=measurements,
                    summary=summary,
                    journey=self._journey(),
                    clocks=self._clocks.seconds(),
                ),
            )
            self._claim.knows_costs(costs)
        self.check_limits(costs)

    def trained(self, costs: dict[str, float], measurements: dict[str, float]) -> None:
        """Keep what training has shown, and what was measured after it.

        Others trained beside it, so that the times of training are told in epochs at the pace. A
        limit on them was kept by the clock after each epoch, and holds for what is told, too.
        """
        with self._clocks.on("tracking"):
            self._keep(costs, measurements)
            so_far = self.so_far
            so_far.costs, so_far.measurements = training_at_pace(
                so_far.costs, so_far.measurements, self._epochs_of_times()
            )
        self.check_limits({n: so_far.costs[n] for n in TRAINING_TIMES if n in so_far.costs})

    def epoch_ended(
        self, result: EpochResult, costs: dict[str, float], *, last: bool = False
    ) -> None:
        """Write down how the epoch went, keep the limits, and look at the rung."""
        with self._clocks.on("tracking"):
            earlier = [done for done in self.so_far.history if done.epoch < result.epoch]
            self.so_far.history = [*earlier, result]
            record(self._log, EpochEnded(attempt=self._attempt, result=result))
        # Until the target is reached, its time is at least that of the training so far.
        self.check_limits(costs, {"time_to_accuracy_seconds": costs["train_seconds"]})
        if result.epoch in self._rungs:
            with self._clocks.on("tracking"):
                self._check_rung(result, last=last)

    def between_measurements(self) -> None:
        """Leave where the worker has to; no training lasts too long by being measured."""
        self._leave_if_told()

    def between_executions(self) -> None:
        """Leave where the worker has to, or where training has taken too long."""
        self._leave_if_told()
        most = self._config.training.max_seconds
        if most is not None and time.monotonic() - self._started > most:
            raise TimeUp(f"took longer than training.max_seconds={most:g}")

    def _leave_if_told(self) -> None:
        reason = self._reason_to_leave()
        if reason is not None:
            raise Interrupted(reason)

    def check_limits(
        self, costs: dict[str, float], at_least: dict[str, float] | None = None
    ) -> None:
        """Raise ``LimitBroken`` where one of these costs is above its limit."""
        limits = self._config.objective.limits
        values = (at_least or {}) | costs
        excess = limits.broken(values)
        if excess and not self._is_free:
            self.so_far.costs |= costs
            said = ", ".join(
                f"{name} {number(values[name])} is above its limit {number(limits.given[name])}"
                for name in sorted(excess)
            )
            raise LimitBroken(said, excess)

    def _keep(
        self, costs: dict[str, float], measurements: dict[str, float], *, elsewhere: bool = False
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return costs and measurements at the sweep's pace, and remember them.

        What may have been measured on another device says nothing of this one's pace.
        """
        sweep, measured = self._pace(), measured_pace(measurements)
        pace = sweep.known() if elsewhere else sweep.known_or(measured)
        costs, measurements = at_pace(costs, measurements, pace)
        self.so_far.costs |= costs
        self.so_far.measurements |= measurements
        return costs, measurements

    def _epochs_of_times(self) -> dict[str, int]:
        """Return how many epochs each time of training is of, by its name."""
        objective, history = self._config.objective, self.so_far.history
        epochs = {"train_seconds": len(history)} if history else {}
        for count, result in enumerate(history, start=1):
            target = objective.target_accuracy
            if target is not None and objective.towards_target(result) >= target:
                return epochs | {"time_to_accuracy_seconds": count}
        return epochs

    def _check_rung(self, result: EpochResult, *, last: bool) -> None:
        reached = {done.epoch: done.val_accuracy for done in self.so_far.history}
        self._claim.reached_rung(result.epoch, reached[result.epoch])
        if self._is_free or last:  # what is trained to its end costs nothing more
            return
        reason = self._reason_to_stop(self._claim, result.epoch, reached, self.so_far.costs)
        if reason is not None:
            raise StoppedAtRung(reason)
