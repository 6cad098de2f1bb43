"""One claimed trial, from the claim to its ending, whatever happens on the way."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError
from pipeline.core.journey import ImageShape, counted_costs, misfit, shape_journey
from pipeline.core.outcome import DoesNotFit, Ending, Interrupted, decide
from pipeline.core.trial import Outcome, TrialRecord, TrialSpecification
from pipeline.launching.heartbeat import Heartbeat
from pipeline.launching.observing import ClaimObserver, SoFar
from pipeline.launching.pace import DevicePace, SweepPace
from pipeline.launching.results import Kept, NotKept, SweepResults
from pipeline.launching.trainer import Trained, Trainer
from pipeline.launching.watchdog import STALLED_SECONDS, Watchdog
from pipeline.measuring.clocks import Clocks
from pipeline.search.ledger import TAKEN_AWAY, Claim
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import Started, record
from pipeline.tracking.system import SystemSampler
from pipeline.training.checkpoint import set_aside


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
    def pace(self) -> SweepPace:
        """The sweep's pace, at which costs in seconds are told."""
        device = DevicePace.of(self.config, self.description, self.device, self.threads)
        return SweepPace(self.config.sweep_dir, device)

    @property
    def _images(self) -> tuple[ImageShape, int]:
        """The shape of an image, and how many classes there are."""
        return self.description.image_shape, len(self.description.classes)

    def run(self, claim: Claim) -> TrialRecord:
        """Run a claimed trial to its end and store how it ended.

        Raises
        ------
        StorageError
            Something cannot be written. Where the study can, the trial is queued again by then;
            else it is still marked as running, and whoever comes next does so.
        """
        specification = claim.specification
        architecture = specification.architecture
        started = time.time()
        run = specification.run
        watchdog = self._watchdog(f"trial {run.stem}")
        clocks = Clocks(switched=watchdog.switched)
        checkpoint = self.config.sweep_dir / "checkpoints" / f"{run.stem}.npz"
        trained: Trained | None = None
        raised: BaseException | None = None
        broken: StorageError | None = None
        observer: ClaimObserver | None = None
        with Heartbeat(claim) as heart, watchdog:
            try:
                with EventLog(trial_log_path(self.config.sweep_dir, *run)) as log:
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
                    observer = ClaimObserver(
                        self.config,
                        claim,
                        log,
                        clocks,
                        pace=lambda: self.pace,
                        journey=lambda: shape_journey(architecture, *self._images),
                        reason_to_leave=(
                            lambda: TAKEN_AWAY if heart.taken_away else self.must_leave()
                        ),
                        reason_to_stop=self.study.reason_to_stop,
                    )
                    self._check_fit(architecture)
                    # What is counted is known without a network, and nobody else has to be quiet.
                    observer.check_limits(counted_costs(architecture, *self._images))
                    with self._sampled_system(log, specification.attempt):
                        trained = self.trainer.run(specification, observer, clocks, checkpoint)
                    observer.trained(trained.costs, trained.measurements)
                    self._check_costs(observer.so_far.costs)
            except StorageError as error:  # a full disk, say, is not the trial's fault
                broken = error
            except BaseException as error:  # whatever it is, ``decide`` says what it means
                raised = error
            so_far = SoFar() if observer is None else observer.so_far

            def end(
                trained: Trained | None, raised: BaseException | None
            ) -> tuple[bool, TrialRecord]:
                ending = self._decide(raised, specification, so_far)
                result = TrialRecord(
                    specification=specification,
                    outcome=ending.outcome,
                    val_accuracy=_accuracy(trained, so_far),
                    costs=so_far.costs,
                    measurements=so_far.measurements,
                    clocks=clocks.seconds(),
                    history=tuple(so_far.history),
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
                ended = self.results.end_trial(self.study, claim, ending, result, kept=kept)
                return ended, result

            if broken is None:
                try:
                    ended, result = end(trained, raised)
                except NotKept as error:
                    broken = error
            if broken is not None:
                # Queued again, uncounted; it goes on from its last checkpoint.
                with suppress(StorageError):  # whose cause is the same, and storage was told first
                    end(None, Interrupted(str(broken)))
                raise broken
        if ended and result.outcome is not Outcome.INTERRUPTED:
            checkpoint.unlink(missing_ok=True)
            set_aside(checkpoint).unlink(missing_ok=True)
        return result

    def _watchdog(self, trial: str) -> Watchdog:
        """Return what ends this process if its trial does not get on.

        Who waits for a server that is away has a patience of its own.
        """
        storage = self.config.storage
        patience = storage.patience_seconds if storage.kind == "postgres" else 0.0
        return Watchdog(trial, seconds=STALLED_SECONDS + patience)

    def _sampled_system(self, log: EventLog, attempt: int) -> AbstractContextManager[object]:
        if not self.config.tracking.system_metrics:
            return nullcontext()
        return SystemSampler(log, attempt)

    def _check_fit(self, architecture: Architecture) -> None:
        reason = misfit(architecture, *self._images)
        if reason is not None:
            raise DoesNotFit(reason)

    def _check_costs(self, costs: dict[str, float]) -> None:
        """Raise ``RuntimeError`` where a cost of the objective is not among these."""
        target = "time_to_accuracy_seconds"
        missing = [n for n in self.config.objective.costs if n not in costs and n != target]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} could not be measured on this device")

    def _decide(
        self, raised: BaseException | None, specification: TrialSpecification, so_far: SoFar
    ) -> Ending:
        objective, reference = self.config.objective, specification.reference
        timed = "time_to_accuracy_seconds" in objective.costs or (
            objective.limits.time_to_accuracy_seconds is not None and reference is None
        )
        reached = [objective.towards_target(result) for result in so_far.history]
        return decide(
            raised,
            reached_accuracy=max(reached, default=None),
            target_accuracy=objective.target_accuracy if timed else None,
        )


def _accuracy(trained: Trained | None, so_far: SoFar) -> float | None:
    if trained is not None:
        return trained.val_accuracy
    return so_far.history[-1].val_accuracy if so_far.history else None
