"""The training of trials in one process: the backend is set up and the data placed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import MeasuringConfig, ObjectiveConfig, TrainingConfig
from pipeline.core.architecture import Architecture
from pipeline.core.errors import SweetspotError
from pipeline.core.observer import TrialObserver
from pipeline.core.outcome import OutOfMemory
from pipeline.core.trial import ADAM_BETA_2, EpochResult, Recipe, TrialSpecification
from pipeline.data.dataset import TrainingData
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.energy import open_meter
from pipeline.measuring.machine import this_machine
from pipeline.measuring.memory import device_peak_memory_mib
from pipeline.measuring.quiet import QuietLock
from pipeline.training.backend import (
    forget_networks,
    ran_out_of_memory,
    set_up_for_training,
)
from pipeline.training.checkpoint import (
    Checkpoint,
    leave_aside,
    read_checkpoint,
    write_checkpoint,
)
from pipeline.training.costs import CostMeter, MeasuredCosts
from pipeline.training.fit import EpochLoop, Progress
from pipeline.training.network import CompiledNetwork, DeviceData
from pipeline.training.reference import Reference, reference_architecture
from pipeline.training.saving import predicted_probabilities, save_model

__all__ = [
    "TrainedTrial",
    "TrainingSession",
    "predicted_probabilities",
    "save_model",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedTrial:
    """A trial that was trained to its end.

    Parameters
    ----------
    model
        The Keras model with the weights that were kept: those of the last epoch, or with
        ``training.patience`` those of the epoch with the lowest validation loss. They are the
        average that ``training.averaging`` validated, where that was one.
    val_accuracy
        Of these weights, in [0, 1].
    costs
        ``train_seconds``; ``time_to_accuracy_seconds`` where the target was reached;
        ``device_memory_mib`` where the device counts it; ``epoch_seconds`` and ``latency_ms``
        where they decide nothing.
    measurements
        What was measured after training.
    validation_labels
        Predicted labels of the validation images, int64 ``(n,)``.
    validation_right
        Whether each of these is right, bool ``(n,)``.
    epochs
        All epochs, those before an interruption included.
    """

    model: Any
    val_accuracy: float
    costs: dict[str, float]
    measurements: dict[str, float]
    validation_labels: NDArray[np.int64]
    validation_right: NDArray[np.bool_]
    epochs: tuple[EpochResult, ...]


class DeviceTooSmall(SweetspotError):
    """Nothing can be trained, as others have the memory, for a moment or for good."""

    status = 1  # so that another worker may try


class TrainingSession:
    """Trains trials one after the other in this process; one a worker.

    Parameters
    ----------
    training
        Without any ``auto``; see ``measuring.automatic.settled_training``.
    precision
        A Keras dtype policy.
    threads
        Compute threads of the CPU.
    quiet
        The locks of the device.
    gpu_memory
        The share of a GPU's memory that this process may take; None for all.

    Raises
    ------
    RuntimeError
        The backend already runs in this process with other threads.
    DeviceTooSmall
        The device has not even memory for the images and a step of the reference.
    """

    def __init__(
        self,
        data: TrainingData,
        training: TrainingConfig,
        measuring: MeasuringConfig,
        objective: ObjectiveConfig,
        *,
        precision: str,
        threads: int,
        quiet: QuietLock,
        gpu_memory: float | None = None,
    ) -> None:
        self._device = set_up_for_training(
            threads=threads, deterministic=training.deterministic, gpu_memory=gpu_memory
        )
        self._data = data
        # Somebody has said by now what auto stands for.
        assert training.steps_per_execution != "auto" and training.jit_compile != "auto"
        self._training = training
        self._most_steps = training.steps_per_execution
        self._objective = objective
        self._precision = precision
        self._quiet = quiet
        gpu = self._device.kind == "gpu"
        self._jit_compile = training.jit_compile == "on"
        self._classes = len(data.description.classes)
        try:
            with self._memory_errors():
                self._on_device = DeviceData.place(data.train, self._classes)
                architecture = reference_architecture(self._on_device.image_shape, self._classes)
                reference = Reference(self._network(architecture, training.recipe, seed=0))
        except OutOfMemory as error:
            raise DeviceTooSmall(
                f"{error} with the {len(data.train):,} training images and a step of the reference "
                "that all networks are timed beside; make the images smaller (data.image_size), or "
                "have fewer workers share the device (launch.workers)"
            ) from error
        self._meter = CostMeter(
            reference=reference,
            images=data.validation.images,
            classes=self._classes,
            measuring=measuring,
            deciding=objective.deciding,
            most_steps=self._most_steps,
            quiet=quiet,
            energy=open_meter(gpu_uuid=this_machine().gpus[0].uuid if gpu else None),
        )

    @property
    def precision(self) -> str:
        """The Keras dtype policy of every network."""
        return self._precision

    def run(
        self,
        specification: TrialSpecification,
        observer: TrialObserver,
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> TrainedTrial:
        """Measure, train and validate one network, and measure what else describes it.

        Parameters
        ----------
        observer
            Told of the costs that decide, of each epoch, and asked between executions and while
            the network is measured; what it raises ends the trial.
        clocks
            All of this call's time goes to one of them.
        checkpoint
            Written after every epoch. If it exists, training goes on after its last epoch;
            the observer hears of the costs again, but not of earlier epochs. Whoever gives
            it removes it.

        Raises
        ------
        TrialEnd
            The loss is not finite, the memory is not enough, or what the observer raised.
        StorageError
            The checkpoint cannot be read or written.
        """
        with self._memory_errors():
            with clocks.on("tracking"):
                found = self._read(checkpoint, specification)
            network = self._built(specification, clocks)
            if found is not None and not self._restored(network, found, checkpoint, clocks):
                found = None
            memory = None if found is None else found.memory_mib
            training = self._training_of(specification.recipe)
            with clocks.on("build_and_trace"):
                summary = network.summary()
            if found is None:
                costs = self._meter.before_training(
                    network, specification.architecture, clocks, observer.between_measurements
                )
                progress = Progress()
            else:
                costs = MeasuredCosts(
                    costs=found.costs,
                    measurements=found.measurements,
                    step_seconds=found.step_seconds,
                )
                progress = Progress(history=found.history, kept=found.kept)
                if not progress.is_over(training):
                    self._first_step(network, clocks)
                with clocks.on("build_and_trace"):
                    network.restore(found.state)
            # What the network before this one took, or the reference beside it, is not its own.
            self._device.reset_memory()
            with clocks.on("tracking"):
                observer.measured(
                    dict(costs.costs), dict(costs.measurements), summary, again=found is not None
                )
            loop = EpochLoop(
                network=network,
                validation=self._data.validation,
                training=training,
                observer=observer,
                clocks=clocks,
                quiet=self._quiet,
                step_seconds=costs.step_seconds,
                most_steps=self._most_steps,
                settles=specification.recipe.schedule != "constant",
                shown_costs=lambda history: self._shown_costs(history, memory),
                save=lambda reached: self._write(
                    checkpoint, specification, network, costs, reached, memory_before=memory
                ),
            )
            progress = loop.run(progress)
            # Before the reference takes memory beside this network again.
            shown = self._shown_costs(progress.history, memory)
            return self._trained(network, progress, shown, clocks, observer)

    def measure(
        self, specification: TrialSpecification, clocks: Clocks
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Measure all of an untrained network and do not train it; return costs, measurements."""
        with self._memory_errors():
            network = self._built(specification, clocks)
            before = self._meter.before_training(network, specification.architecture, clocks)
            after = self._meter.after_training(network, clocks)
        return before.costs | after.costs, before.measurements | after.measurements

    def step_ratio(self, architecture: Architecture, recipe: Recipe) -> float:
        """Return how many times the reference's a training step takes, measured quietly.

        For comparing networks at equal batch size, whatever size each was trained with: the
        reference takes its default batches.
        """
        with self._memory_errors():
            with self._quiet.training():
                forget_networks()
                network = self._network(architecture, recipe, seed=0)
            return self._meter.step(network).ratio

    def _built(self, specification: TrialSpecification, clocks: Clocks) -> CompiledNetwork:
        with self._quiet.training(clocks), clocks.on("build_and_trace"):
            forget_networks()
            return self._network(
                specification.architecture, specification.recipe, specification.seed
            )

    def _first_step(self, network: CompiledNetwork, clocks: Clocks) -> None:
        """Take the step that still compiles, of a network that nobody measures before it trains."""
        with self._quiet.training(clocks), clocks.on("first_step"):
            network.train(network.order(0), 0, 1)

    def _network(self, architecture: Architecture, recipe: Recipe, seed: int) -> CompiledNetwork:
        return CompiledNetwork(
            architecture,
            recipe,
            seed,
            data=self._on_device,
            epochs=self._training_of(recipe).epochs,
            precision=self._precision,
            jit_compile=self._jit_compile,
            looping=self._device.loops(self._jit_compile),
            adam_beta_2=self._training.adam_beta_2,
            averaged_epochs=self._training.averages_over,
        )

    def _training_of(self, recipe: Recipe) -> TrainingConfig:
        """Return how a trial is trained that may say its own number of epochs."""
        if recipe.epochs is None:
            return self._training
        return self._training.model_copy(update={"epochs": recipe.epochs})

    def _shown_costs(
        self, history: tuple[EpochResult, ...], memory_before: float | None
    ) -> dict[str, float]:
        """Return the costs that training has shown so far; memory is that of all of it.

        Parameters
        ----------
        memory_before
            What it was before an interruption, in MiB.
        """
        costs = {"train_seconds": sum(result.epoch_seconds for result in history)}
        reached = _seconds_to(history, self._objective)
        if reached is not None:
            costs["time_to_accuracy_seconds"] = reached
        memory = device_peak_memory_mib(self._device.memory_counter)
        if memory is not None:
            costs["device_memory_mib"] = max(memory, memory_before or 0.0)
        return costs

    def _trained(
        self,
        network: CompiledNetwork,
        progress: Progress,
        shown: dict[str, float],
        clocks: Clocks,
        observer: TrialObserver,
    ) -> TrainedTrial:
        kept = progress.kept
        assert kept is not None  # at least one epoch was trained
        if kept.weights is not None:
            network.restore_weights(kept.weights)
        described = self._meter.after_training(network, clocks, observer.between_measurements)
        return TrainedTrial(
            model=network.model,
            val_accuracy=kept.val_accuracy,
            costs=shown | described.costs,
            measurements=described.measurements,
            validation_labels=kept.labels,
            validation_right=kept.labels == self._data.validation.labels,
            epochs=progress.history,
        )

    def _identity(self, specification: TrialSpecification) -> dict[str, Any]:
        recipe = specification.recipe
        identity: dict[str, Any] = {
            "architecture": specification.architecture.notation,
            "batch_size": recipe.batch_size,
            "optimizer": recipe.optimizer,
            "learning_rate": recipe.learning_rate,
            "schedule": recipe.schedule,
            "augmentation": recipe.augmentation,
            "seed": specification.seed,
            "epochs": self._training_of(recipe).epochs,
            "averaging": self._training.averaging,
            "precision": self._precision,
            "data": self._data.description.fingerprint,
        }
        # Checkpoints of earlier versions name neither.
        if self._training.adam_beta_2 != ADAM_BETA_2:
            identity["adam_beta_2"] = self._training.adam_beta_2
        if self._training.averages_over not in (None, 1.0):
            identity["averaged_epochs"] = self._training.averages_over
        return identity

    def _read(
        self, checkpoint: Path | None, specification: TrialSpecification
    ) -> Checkpoint | None:
        if checkpoint is None:
            return None
        return read_checkpoint(checkpoint, self._identity(specification))

    def _restored(
        self,
        network: CompiledNetwork,
        found: Checkpoint,
        checkpoint: Path | None,
        clocks: Clocks,
    ) -> bool:
        """Set the network's state; where it does not fit, leave the checkpoint aside."""
        try:
            with clocks.on("build_and_trace"):
                network.restore(found.state)
        except ValueError as error:
            assert checkpoint is not None
            leave_aside(checkpoint, str(error))
            return False
        return True

    def _write(
        self,
        checkpoint: Path | None,
        specification: TrialSpecification,
        network: CompiledNetwork,
        costs: MeasuredCosts,
        progress: Progress,
        *,
        memory_before: float | None,
    ) -> None:
        if checkpoint is None or progress.kept is None:
            return
        write_checkpoint(
            checkpoint,
            Checkpoint(
                trial=self._identity(specification),
                costs=costs.costs,
                measurements=costs.measurements,
                step_seconds=costs.step_seconds,
                memory_mib=self._shown_costs(progress.history, memory_before).get(
                    "device_memory_mib"
                ),
                history=progress.history,
                kept=progress.kept,
                state=network.state(),
            ),
        )

    @contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            raise OutOfMemory(f"the {self._device.kind} ran out of memory") from error


def _seconds_to(history: tuple[EpochResult, ...], objective: ObjectiveConfig) -> float | None:
    """Return the training seconds until an epoch's accuracy reached the target."""
    seconds = 0.0
    for result in history:
        seconds += result.epoch_seconds
        target = objective.target_accuracy
        if target is not None and objective.towards_target(result) >= target:
            return seconds
    return None
