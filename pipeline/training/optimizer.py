"""Keras' optimisers, applied to all weights at once."""

import itertools
import math
from typing import Any

from pipeline.core.trial import ADAM_BETA_2, Recipe, peak_rate
from pipeline.training.backend import keras
from pipeline.training.schedule import TrainingSchedule

ops = keras.ops


class FlatOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Update all variables as if they were one.

    Adam, SGD and RMSprop treat each number by itself, so one long row of all weights gets the
    same update as the weights in their shapes, with an eighth of the operations: less to
    trace before a trial, and less to run in every step of a small network.

    Parameters
    ----------
    inner
        An optimiser that treats each number by itself, not built yet.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__(learning_rate=0.0, name="flat")
        self.inner = inner

    def build(self, variables: list[Any]) -> None:
        """Create the row, a copy of the variables, and the inner optimiser's state for it."""
        sizes = [math.prod(variable.shape) for variable in variables]
        self._row_ends = list(itertools.accumulate(sizes))[:-1]
        self._row = keras.Variable(_in_a_row(variables), name="row")
        self.inner.build([self._row])
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        """The state: the row, and the inner optimiser's with its count of steps.

        Whoever sets the model's variables sets this too, as the row replaces them.
        """
        # Under JAX, Keras lists the row among its own variables as well.
        own = [variable for variable in super().variables if variable is not self._row]
        return [*own, self._row, *self.inner.variables]

    @property
    def iterations(self) -> Any:
        """Steps that were taken."""
        return self.inner.iterations

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Take one step; every variable needs a gradient."""
        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        self.inner.apply([_in_a_row(grads)], [self._row])
        self._show_row(variables)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Set the variables, and the row, to the average that the inner optimiser keeps."""
        self.inner.finalize_variable_values([self._row])
        self._show_row(var_list)

    def _show_row(self, variables: Any) -> None:
        parts = ops.split(self._row.value, self._row_ends)
        for variable, part in zip(variables, parts, strict=True):
            variable.assign(ops.reshape(part, variable.shape))


def _in_a_row(arrays: Any) -> Any:
    return ops.concatenate([ops.reshape(array, (-1,)) for array in arrays])


def build_optimizer(
    recipe: Recipe,
    total_steps: int,
    precision: str,
    *,
    adam_beta_2: float = ADAM_BETA_2,
    averaged_steps: float | None = None,
) -> Any:
    """Return the Keras optimiser of a recipe, its schedule over ``total_steps``.

    Parameters
    ----------
    adam_beta_2
        The share of the mean square of its gradients that Adam keeps from step to step.
    averaged_steps
        Over about so many steps the optimiser keeps an average of the weights, an exponential
        one; None for none.
    """
    rate = TrainingSchedule(recipe.schedule, peak_rate(recipe), total_steps)
    average: dict[str, Any] = {}
    if averaged_steps is not None:
        average = {"use_ema": True, "ema_momentum": 1.0 - 1.0 / max(averaged_steps, 1)}
    inner: Any
    if recipe.optimizer == "sgd":
        inner = keras.optimizers.SGD(rate, momentum=0.9, **average)
    elif recipe.optimizer == "rmsprop":
        inner = keras.optimizers.RMSprop(rate, **average)
    else:
        inner = keras.optimizers.Adam(rate, beta_2=adam_beta_2, **average)
    # SGD has so few operations that copying in and out of the row costs more than it saves.
    optimizer = inner if recipe.optimizer == "sgd" else FlatOptimizer(inner)
    # float16 gradients underflow unless the loss is scaled up; bfloat16 has float32's range.
    if precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
