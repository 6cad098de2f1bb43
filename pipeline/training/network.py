"""A network that is built, compiled and traced: ready to be measured and trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.trial import ADAM_BETA_2, Augmentation, Recipe, derived_seed
from pipeline.data.dataset import Split
from pipeline.measuring.backends import backend_name
from pipeline.training.augmentation import DRAWS, draws
from pipeline.training.backend import Inference, compile_inference, device_kind, keras
from pipeline.training.batching import images_a_call, parts_of_batch
from pipeline.training.model import build_model, forget_start, set_momentum
from pipeline.training.optimizer import build_optimizer
from pipeline.training.stepping import SteppedModel, epoch_order, steps_per_epoch
from pipeline.training.training_graph import training_logits

#: Smallest probability in a cross-entropy: that of float32, where softmax gives 0.
SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceData:
    """Training images on the device, uint8 ``(n, h, w, c)``, and int32 labels ``(n,)``."""

    images: Any
    labels: Any
    count: int
    image_shape: tuple[int, int, int]
    classes: int

    @classmethod
    def place(cls, split: Split, classes: int) -> "DeviceData":
        """Copy a split to the device, once for all trials."""
        height, width, channels = split.images.shape[1:]
        return cls(
            images=keras.ops.convert_to_tensor(split.images, dtype="uint8"),
            labels=keras.ops.convert_to_tensor(split.labels.astype(np.int32), dtype="int32"),
            count=len(split),
            image_shape=(height, width, channels),
            classes=classes,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Mean cross-entropy, accuracy, and the predicted labels, int64 ``(n,)``."""

    loss: float
    accuracy: float
    labels: NDArray[np.int64]


class CompiledNetwork:
    """One architecture with its recipe, compiled for the device.

    Parameters
    ----------
    seed
        Decides weights, order, augmentation and dropout.
    epochs
        Length of the whole training, for the schedule.
    precision
        A Keras dtype policy.
    jit_compile
        Compile with XLA.
    looping
        A call runs several steps; see ``backend.Device.loops``.
    adam_beta_2
        Of Adam, where the recipe has it.
    averaged_epochs
        Over about so many epochs an average of the weights is kept; None for no average.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        seed: int,
        *,
        data: DeviceData,
        epochs: int,
        precision: str,
        jit_compile: bool,
        looping: bool,
        adam_beta_2: float = ADAM_BETA_2,
        averaged_epochs: float | None = None,
    ) -> None:
        self._data = data
        self._seed = seed
        self._batch_size = recipe.batch_size
        self._augmentation: Augmentation = recipe.augmentation
        self.images = data.count
        self.steps = steps_per_epoch(data.count, recipe.batch_size)
        self.model = build_model(architecture, data.image_shape, data.classes, seed, precision)
        set_momentum(self.model, self.steps)
        # XLA fuses operations and lays the work out by itself, and a GPU has nothing to gain.
        one_by_one = looping and device_kind() == "cpu" and backend_name() == "tensorflow"
        parts = parts_of_batch(self.model, recipe.batch_size) if one_by_one else 1
        logits = training_logits(self.model, parts=parts, fused=one_by_one)
        self._stepped = SteppedModel(self.model.input, logits, looping=looping)
        optimizer = build_optimizer(
            recipe,
            epochs * self.steps,
            precision,
            adam_beta_2=adam_beta_2,
            averaged_steps=None if averaged_epochs is None else averaged_epochs * self.steps,
        )
        optimizer.build(self._stepped.trainable_variables)
        self._stepped.compile(optimizer=optimizer, jit_compile=jit_compile)
        self.infer: Inference = compile_inference(
            self.model, data.image_shape, jit_compile=jit_compile
        )
        self._validating = self.infer
        if one_by_one and any(block.normalisation == "batch" for block in architecture.blocks):
            probabilities = self.model.layers[-1](training_logits(self.model, fused=True))
            fused = keras.Model(self.model.input, probabilities)
            self._validating = compile_inference(fused, data.image_shape, jit_compile=False)
        self._trace()

    def _trace(self) -> None:
        """Trace and compile the training step, the state unchanged."""
        if self._stepped.looping:
            self.train(self.order(0), 0, 0)
            return
        before = self.state()
        self.train(self.order(0), 0, 1)
        self.restore(before)

    def order(self, epoch: int) -> Any:
        """Return an epoch's order on the device, with what happens to each image.

        See ``SteppedModel``, ``stepping.epoch_order`` and ``augmentation.draws``.
        """
        order = epoch_order(self._data.count, self._batch_size, self._seed, epoch)[:, :, None]
        if self._augmentation != "none":
            sides = self._data.image_shape[:2]
            drawn = draws(self._augmentation, order.size, sides, self._seed, epoch)
            order = np.concatenate([order, drawn.reshape(*order.shape[:2], DRAWS)], axis=2)
        return keras.ops.convert_to_tensor(order, dtype="int32")

    def begin_epoch(self, epoch: int) -> None:
        """Make dropout a function of seed and epoch, whatever was drawn before."""
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                state = (derived_seed(self._seed, "dropout", epoch), 0)
                layer.seed_generator.state.assign(np.asarray(state, dtype=np.uint32))

    def end_epoch(self, epoch: int) -> None:
        """Let batch normalisation have seen what it was trained on, and nothing else."""
        if epoch == 1:
            forget_start(self.model, self.steps)

    def train(self, order: Any, first: int, last: int) -> tuple[float, float]:
        """Train on rows ``first`` to before ``last`` of an order; return when it is done.

        Returns
        -------
        tuple
            Mean loss and mean accuracy of these steps.
        """
        if self._stepped.looping:
            return self._call(order, first, last)
        means = np.array([self._call(order, row, row + 1) for row in range(first, last)])
        loss, accuracy = means.mean(axis=0) if len(means) else (0.0, 0.0)
        return float(loss), float(accuracy)

    def _call(self, order: Any, first: int, last: int) -> tuple[float, float]:
        rows = np.asarray(first, dtype=np.int32), np.asarray(last, dtype=np.int32)
        logs = self._stepped.train_on_batch(
            (self._data.images, self._data.labels, order, *rows), return_dict=True
        )
        return float(logs["loss"]), float(logs["accuracy"])

    def evaluate(self, split: Split, batch_size: int) -> Evaluation:
        """Evaluate on a split, in equal batches of at most ``batch_size`` images.

        Large images come fewer at a time; see ``images_a_call``.
        """
        batches = -(-len(split) // images_a_call(self.model, batch_size))
        size = -(-len(split) // batches)
        labels = np.empty(len(split), dtype=np.int64)
        loss = 0.0
        for start in range(0, len(split), size):
            chosen = slice(start, min(start + size, len(split)))
            true = split.labels[chosen]
            images = split.images[chosen]
            if len(images) < size:  # another shape would be compiled anew
                images = np.resize(images, (size, *images.shape[1:]))
            probabilities = self._validating(images)[: len(true)]
            labels[chosen] = probabilities.argmax(axis=1)
            of_truth = probabilities[np.arange(len(true)), true].astype(np.float64)
            loss -= float(np.log(np.maximum(of_truth, SMALLEST)).sum())
        return Evaluation(
            loss=loss / len(split),
            accuracy=float(np.mean(labels == split.labels)),
            labels=labels,
        )

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self._stepped.optimizer.variables]

    def state(self) -> list[NDArray[Any]]:
        """Return copies of all weights, optimiser variables and seeds, in a fixed order."""
        return [np.asarray(variable).copy() for variable in self._variables]

    def restore(self, state: list[NDArray[Any]]) -> None:
        """Set what ``state`` has returned.

        Raises
        ------
        ValueError
            It is of another network, or of another version of Keras; nothing is set.
        """
        variables = self._variables
        if len(state) == len(variables) + 1:  # before 29 November 2026 it held the row twice
            row = next(i for i, variable in enumerate(variables) if variable.name == "row")
            state = [*state[:row], *state[row + 1 :]]
        if [value.shape for value in state] != [tuple(one.shape) for one in variables]:
            raise ValueError("its variables are not those of the network")
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)

    def weights(self) -> list[NDArray[Any]]:
        """Return copies of the model's weights alone."""
        return [np.asarray(variable).copy() for variable in self.model.weights]

    def restore_weights(self, weights: list[NDArray[Any]]) -> None:
        """Set what ``weights`` has returned."""
        for variable, value in zip(self.model.weights, weights, strict=True):
            variable.assign(value)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Show the averaged weights inside the block; training goes on after.

        What batch normalisation has seen stays that of the weights in training. Networks with it
        gain no less by the average; see ``benchmarks/results`` (``averaging``).
        """
        before = self.state()
        self._stepped.optimizer.finalize_variable_values(self._stepped.trainable_variables)
        try:
            yield
        finally:
            self.restore(before)

    def summary(self) -> str:
        """Return Keras' table of the layers."""
        lines: list[str] = []
        self.model.summary(print_fn=lines.append, line_length=80)
        return "\n".join(lines)
