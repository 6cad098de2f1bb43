"""One claimed trial, from the claim to its ending, whatever happens on the way."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.feature_maps import FeatureMaps
from pipeline.core.journey import Stage, macs, parameters, shape_journey
from pipeline.core.outcome import (
    DoesNotFit,
    Ending,
    Interrupted,
    LimitBroken,
    StoppedAtRung,
    TimeUp,
    decide,
)
from pipeline.core.pace import at_pace, measured_pace
from pipeline.core.trial import (
    EpochResult,
    Outcome,
    Recipe,
    TrialRecord,
    TrialSpecification,
)
from pipeline.core.wording import number
from pipeline.data.dataset import DataDescription
from pipeline.launching.heartbeat import Heartbeat
from pipeline.launching.pace import DevicePace
from pipeline.launching.results import Kept, NotKept, SweepResults
from pipeline.measuring.clocks import Clocks
from pipeline.search.ledger import TAKEN_AWAY, Claim
from pipeline.search.rungs import Reached, rung_epochs
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, read, trial_log_path
from pipeline.tracking.events import EpochEnded, Measured, Started, record
from pipeline.tracking.story import trial_record
from pipeline.tracking.system import SystemSampler


class Observer(Protocol):
    """What a trainer tells while it trains; each call may end the trial by raising."""

    def measured(
        self, costs: dict[str, float], measurements: dict[str, float], summary: str
    ) -> None:
        """Hear what the untrained network costs, as far as that decides about it."""

    def epoch_ended(self, result: EpochResult, costs: dict[str, float]) -> None:
        """Hear how an epoch and its validation went, and the costs that training has shown."""

    def between_executions(self) -> None:
        """Hear that some steps are done and nothing runs on the device right now."""

    def between_measurements(self) -> None:
        """Hear that the trial is trained and that another of its measurements would come."""


class Trained(Protocol):
    """What a trainer returns."""

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy of the weights that were kept."""

    @property
    def costs(self) -> dict[str, float]:
        """Costs that training itself has shown, and those measured after it."""

    @property
    def measurements(self) -> dict[str, float]:
        """What was measured after training, by name."""

    @property
    def validation_right(self) -> NDArray[np.bool_]:
        """Whether these weights classify each validation image rightly, shape ``(images,)``."""


class Trainer(Protocol):
    """Whoever trains: the session of ``pipeline.training``, or a simulated one."""

    def run(
        self,
        specification: TrialSpecification,
        observer: Observer,
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> Trained:
        """Measure, train and validate one network; what decides nothing is measured last."""

    def save(self, trained: Any, path: Path) -> None:
        """Write the trained model to ``path``."""

    def probabilities(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the model at ``path`` says of ``(n, height, width, channels)``.

        Shape ``(n, classes)``.
        """

    def feature_maps(self, path: Path, images: NDArray[np.uint8]) -> FeatureMaps:
        """Return what the convolutions of the model at ``path`` make of images; it has some."""

    def step_ratio(self, architecture: Architecture, recipe: Recipe) -> float:
        """Return how many times the reference's a training step takes."""


@dataclass
class _Story:
    """What is known of the trial so far; the observer fills it in."""

    costs: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    history: list[EpochResult] = field(default_factory=list)


class _TrialObserver:
    """Writes events, keeps limits and rungs, and passes on that the worker must leave."""

    def __init__(
        self, run: "TrialRun", claim: Claim, log: EventLog, clocks: Clocks, heart: Heartbeat
    ) -> None:
        self._run = run
        self._claim = claim
        self._log = log
        self._clocks = clocks
        self._heart = heart
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
                run.config.search.rungs,
                claim.specification.recipe.epochs or run.config.training.epochs,
            )
        )
        self._started = time.monotonic()
        # A trial that goes on after an interruption keeps the epochs that were done before.
        known = trial_record(read(log.path))
        self.story = _Story(history=list(known.history) if known else [])

    def measured(
        self, costs: dict[str, float], measurements: dict[str, float], summary: str
    ) -> None:
        with self._clocks.on("tracking"):
            costs, measurements = self._keep(costs, measurements)
            journey = self._run.journey(self._claim.specification)
            record(
                self._log,
                Measured(
                    attempt=self._attempt,
                    costs=costs,
                    measurements=measurements,
                    summary=summary,
                    journey=journey,
                    clocks=self._clocks.seconds(),
                ),
            )
            self._claim.knows_costs(costs)
        self.check_limits(costs)

    def trained(self, costs: dict[str, float], measurements: dict[str, float]) -> None:
        """Keep what training has shown, and what was measured after it."""
        with self._clocks.on("tracking"):
            self._keep(costs, measurements)
        self._run.check_costs(self.story.costs)

    def epoch_ended(self, result: EpochResult, costs: dict[str, float]) -> None:
        with self._clocks.on("tracking"):
            earlier = [done for done in self.story.history if done.epoch < result.epoch]
            self.story.history = [*earlier, result]
            record(self._log, EpochEnded(attempt=self._attempt, result=result))
        # Until the target is reached, its time is at least that of the training so far.
        self.check_limits(costs, {"time_to_accuracy_seconds": costs["train_seconds"]})
        if result.epoch in self._rungs:
            with self._clocks.on("tracking"):
                self._check_rung(result)

    def between_measurements(self) -> None:
        self._leave_if_told()

    def between_executions(self) -> None:
        self._leave_if_told()
        most = self._run.config.training.max_seconds
        if most is not None and time.monotonic() - self._started > most:
            raise TimeUp(f"took longer than training.max_seconds={most:g}")

    def _leave_if_told(self) -> None:
        reason = TAKEN_AWAY if self._heart.taken_away else self._run.must_leave()
        if reason is not None:
            raise Interrupted(reason)

    def check_limits(
        self, costs: dict[str, float], at_least: dict[str, float] | None = None
    ) -> None:
        """Raise ``LimitBroken`` where one of these costs is above its limit."""
        limits = self._run.config.objective.limits
        values = (at_least or {}) | costs
        excess = limits.broken(values)
        if excess and not self._is_free:
            self.story.costs |= costs
            said = ", ".join(
                f"{name} {number(values[name])} is above its limit {number(limits.given[name])}"
                for name in sorted(excess)
            )
            raise LimitBroken(said, excess)

    def _keep(
        self, costs: dict[str, float], measurements: dict[str, float]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return costs and measurements at the device's pace, and remember them."""
        pace = self._run.pace.known_or(measured_pace(measurements))
        costs, measurements = at_pace(costs, measurements, pace)
        self.story.costs |= costs
        self.story.measurements |= measurements
        return costs, measurements

    def _check_rung(self, result: EpochResult) -> None:
        reached = {
            done.epoch: Reached(accuracy=done.val_accuracy, loss=done.val_loss)
            for done in self.story.history
        }
        self._claim.reached_rung(result.epoch, reached[result.epoch])
        if self._is_free:
            return
        reason = self._run.study.reason_to_stop(
            self._claim, result.epoch, reached, self.story.costs
        )
        if reason is not None:
            raise StoppedAtRung(reason)


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """Runs claimed trials of one sweep in this process, those of its final round too.

    Parameters
    ----------
    worker
        This worker's name.
    device
        What it trains on, for the event log.
    threads
        Compute threads that it trains with.
    must_leave
        Returns why the worker has to leave now, or None.
    """

    config: Config
    description: DataDescription
    study: SweepStudy
    results: SweepResults
    trainer: Trainer
    worker: str
    device: dict[str, str]
    must_leave: Callable[[], str | None]
    threads: int = 1

    @cached_property
    def pace(self) -> DevicePace:
        """The device's pace, at which costs in seconds are told."""
        return DevicePace.of(self.config, self.description, self.device, self.threads)

    def journey(self, specification: TrialSpecification) -> tuple[Stage, ...]:
        """Return the shape journey of a trial's network."""
        description = self.description
        return shape_journey(
            specification.architecture, description.image_shape, len(description.classes)
        )

    def run(self, claim: Claim) -> TrialRecord:
        """Run a claimed trial to its end and store how it ended.

        Raises
        ------
        StorageError
            Something cannot be written. Where the study can, the trial is queued again by then;
            else it is still marked as running, and whoever comes next does so.
        """
        specification = claim.specification
        started = time.time()
        clocks = Clocks()
        run = specification.run
        checkpoint = self.config.sweep_dir / "checkpoints" / f"{run.stem}.npz"
        trained: Trained | None = None
        raised: BaseException | None = None
        broken: StorageError | None = None
        log_path = trial_log_path(self.config.sweep_dir, *run)
        with Heartbeat(claim) as heart, EventLog(log_path) as log:
            with clocks.on("tracking"):
                record(
                    log,
                    Started(
                        attempt=specification.attempt,
                        specification=specification,
                        worker=self.worker,
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        device=dict(self.device),
                    ),
                )
            observer = _TrialObserver(self, claim, log, clocks, heart)
            try:
                self._check_fit(specification)
                # What is counted is known without a network, and nobody else has to be quiet.
                observer.check_limits(self._counted(specification.architecture))
                with self._sampled_system(log, specification.attempt):
                    trained = self.trainer.run(specification, observer, clocks, checkpoint)
                observer.trained(trained.costs, trained.measurements)
            except StorageError as error:  # a full disk, say, is not the trial's fault
                broken = error
            except BaseException as error:  # whatever it is, ``decide`` says what it means
                raised = error
            story = observer.story

            def end(
                trained: Trained | None, raised: BaseException | None
            ) -> tuple[bool, TrialRecord]:
                ending = self._decide(raised, specification, story)
                result = TrialRecord(
                    specification=specification,
                    outcome=ending.outcome,
                    val_accuracy=_accuracy(trained, story),
                    costs=story.costs,
                    measurements=story.measurements,
                    clocks=clocks.seconds(),
                    history=tuple(story.history),
                    reason=ending.reason,
                    started=started,
                    ended=time.time(),
                )
                kept = None
                if trained is not None:
                    kept = Kept(
                        validation_right=trained.validation_right,
                        save=partial(self.trainer.save, trained),
                    )
                ended = self.results.end_trial(
                    self.study, claim, ending, result, log=log, kept=kept
                )
                return ended, result

            if broken is None:
                try:
                    ended, result = end(trained, raised)
                except NotKept as error:
                    broken = error
            if broken is not None:
                # Queued again, uncounted; it goes on from its last checkpoint.
                end(None, Interrupted(str(broken)))
                raise broken
        if ended and result.outcome is not Outcome.INTERRUPTED:
            checkpoint.unlink(missing_ok=True)
        return result

    def _sampled_system(self, log: EventLog, attempt: int) -> AbstractContextManager[object]:
        if not self.config.tracking.system_metrics:
            return nullcontext()
        return SystemSampler(log, attempt)

    def _check_fit(self, specification: TrialSpecification) -> None:
        try:
            self.journey(specification)
        except ConfigurationError as error:
            raise DoesNotFit(str(error)) from error

    def _counted(self, architecture: Architecture) -> dict[str, float]:
        description = self.description
        network = (architecture, description.image_shape, len(description.classes))
        return {"parameters": float(parameters(*network)), "macs": float(macs(*network))}

    def check_costs(self, costs: dict[str, float]) -> None:
        """Raise ``RuntimeError`` where a cost of the objective is not among these."""
        target = "time_to_accuracy_seconds"
        missing = [n for n in self.config.objective.costs if n not in costs and n != target]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} could not be measured on this device")

    def _decide(
        self, raised: BaseException | None, specification: TrialSpecification, story: _Story
    ) -> Ending:
        objective, reference = self.config.objective, specification.reference
        timed = "time_to_accuracy_seconds" in objective.costs or (
            objective.limits.time_to_accuracy_seconds is not None and reference is None
        )
        reached = [objective.towards_target(result) for result in story.history]
        return decide(
            raised,
            reached_accuracy=max(reached, default=None),
            target_accuracy=objective.target_accuracy if timed else None,
        )


def _accuracy(trained: Trained | None, story: _Story) -> float | None:
    if trained is not None:
        return trained.val_accuracy
    return story.history[-1].val_accuracy if story.history else None
