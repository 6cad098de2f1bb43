"""Epoch after epoch: train, evaluate, tell the observer, write the checkpoint."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pipeline.config import TrainingConfig
from pipeline.core.observer import TrialObserver
from pipeline.core.outcome import LossNotFinite
from pipeline.core.trial import EpochResult
from pipeline.data.dataset import Split
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock
from pipeline.training.checkpoint import KeptWeights
from pipeline.training.network import CompiledNetwork, Evaluation

#: Longest execution: whoever wants to measure, or to interrupt, waits no longer than this.
EXECUTION_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress:
    """A trial after some epochs; ``kept`` is None before the first."""

    history: tuple[EpochResult, ...] = ()
    kept: KeptWeights | None = None

    def is_over(self, training: TrainingConfig) -> bool:
        """Say whether the training has come to its end."""
        if not self.history or self.kept is None:
            return False
        last = self.history[-1]
        if _reaches_the_end(training, last.epoch, last.train_accuracy):
            return True
        patience = training.patience
        return patience is not None and last.epoch - self.kept.epoch >= patience


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochLoop:
    """What the epochs of one trial share.

    Parameters
    ----------
    step_seconds
        Measured time of a step, for the number of steps in an execution.
    most_steps
        In an execution, however short they are.
    settles
        Whether the learning rate is next to nothing at the end.
    shown_costs
        Returns the costs that so many epochs of training have shown.
    save
        Writes the progress to the checkpoint, if there is one.
    """

    network: CompiledNetwork
    validation: Split
    training: TrainingConfig
    observer: TrialObserver
    clocks: Clocks
    quiet: QuietLock
    step_seconds: float
    most_steps: int
    settles: bool
    shown_costs: Callable[[tuple[EpochResult, ...]], dict[str, float]]
    save: Callable[[Progress], None]

    def run(self, progress: Progress) -> Progress:
        """Train to the end, from where ``progress`` is.

        Raises
        ------
        LossNotFinite
            A loss became infinite or NaN.
        """
        while not progress.is_over(self.training):
            progress = self._epoch(progress)
            with self.clocks.on("tracking"):
                costs = self.shown_costs(progress.history)
                self.observer.epoch_ended(
                    progress.history[-1], costs, last=progress.is_over(self.training)
                )
                self.save(progress)
        return progress

    def _epoch(self, progress: Progress) -> Progress:
        epoch = len(progress.history) + 1
        network = self.network
        before = self.clocks.seconds()["training"]
        with self.quiet.training(self.clocks):
            with self.clocks.on("training"):
                network.begin_epoch(epoch)
                order = network.order(epoch)
            loss, accuracy = self._steps(epoch, order)
            with self.clocks.on("training"):
                network.end_epoch(epoch)
            averaged = self._validates_average(epoch)
            # In training go on other weights than may be kept: an average, or an earlier epoch's.
            ends = _reaches_the_end(self.training, epoch, accuracy)
            apart = self.training.patience is not None or (averaged and ends)
            with self.clocks.on("evaluation"), network.averaged() if averaged else nullcontext():
                found = network.evaluate(self.validation, self.training.evaluation_batch_size)
                weights = network.weights() if apart else None
        _check_finite(found.loss, "validation", epoch)
        seconds = self.clocks.seconds()["training"] - before
        result = EpochResult(
            epoch=epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            val_loss=found.loss,
            val_accuracy=found.accuracy,
            epoch_seconds=seconds,
            images_per_second=network.images / seconds,
        )
        with self.clocks.on("evaluation"):
            kept = self._kept(progress.kept, result, found, weights)
        return Progress(history=(*progress.history, result), kept=kept)

    def _steps(self, epoch: int, order: Any) -> tuple[float, float]:
        steps = self.network.steps
        at_once = self.steps_per_execution()
        loss = accuracy = 0.0
        for first in range(0, steps, at_once):
            last = min(first + at_once, steps)
            with self.clocks.on("training"):
                mean_loss, mean_accuracy = self.network.train(order, first, last)
            _check_finite(mean_loss, "training", epoch)
            loss += mean_loss * (last - first) / steps
            accuracy += mean_accuracy * (last - first) / steps
            self.quiet.give_way(self.clocks)
            with self.clocks.on("tracking"):
                self.observer.between_executions()
        return loss, accuracy

    def steps_per_execution(self) -> int:
        """Return the steps of an execution: as many as are set, but not for too long."""
        if self.training.deterministic:
            # How a mean is summed up must not depend on how fast the machine is just now.
            return self.most_steps
        return max(1, min(self.most_steps, math.floor(EXECUTION_SECONDS / self.step_seconds)))

    def _validates_average(self, epoch: int) -> bool:
        """Say whether an average of the weights is what this epoch has come to.

        Where a schedule ends the rate has settled them, and an average would lag behind.
        """
        averaging = self.training.averaging
        settled = epoch >= self.training.epochs and self.settles
        return averaging == "ema" or (averaging == "interim" and not settled)

    def _kept(
        self,
        before: KeptWeights | None,
        result: EpochResult,
        found: Evaluation,
        weights: list[NDArray[Any]] | None,
    ) -> KeptWeights:
        with_patience = self.training.patience is not None
        if with_patience and before is not None and before.val_loss <= result.val_loss:
            return before
        return KeptWeights(
            epoch=result.epoch,
            val_loss=result.val_loss,
            val_accuracy=result.val_accuracy,
            labels=found.labels,
            weights=weights,
        )


def _reaches_the_end(training: TrainingConfig, epoch: int, train_accuracy: float) -> bool:
    goal = training.stop_at_accuracy
    return epoch >= training.epochs or (goal is not None and train_accuracy >= goal)


def _check_finite(loss: float, which: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise LossNotFinite(f"the {which} loss became {loss} in epoch {epoch}")
