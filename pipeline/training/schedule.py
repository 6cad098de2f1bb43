"""Learning rates over the steps of a training whose length is known.

How high they get is ``pipeline.core.trial.peak_rate``.
"""

import math
from typing import Any

from pipeline.core.trial import Schedule
from pipeline.training.backend import keras

ops = keras.ops

#: Share of the steps in which the rate climbs linearly to its peak.
WARM_UP: dict[Schedule, float] = {"one_cycle": 0.15, "cosine": 0.05}


class TrainingSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Climb to a peak, then follow a shape.

    Parameters
    ----------
    shape
        ``one_cycle`` falls linearly to almost 0 (Smith and Topin 2018), ``cosine`` in half a
        cosine (Loshchilov and Hutter 2017), ``constant`` stays at the peak and does not climb.
    peak
        Largest rate.
    total_steps
        Steps of the whole training, at least 1; the rate stays where it ends.
    """

    def __init__(self, shape: Schedule, peak: float, total_steps: int) -> None:
        super().__init__()
        self.shape: Schedule = shape
        self.peak = peak
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        """Return the float32 rate of a step, counted from 0."""
        if self.shape == "constant":
            return ops.convert_to_tensor(self.peak, dtype="float32")
        # Steps are counted at their middle, so that neither the first nor the last rate is 0.
        progress = (ops.cast(step, "float32") + 0.5) / self.total_steps
        progress = ops.minimum(progress, 1.0 - 0.5 / self.total_steps)
        warm_up = WARM_UP[self.shape]
        falling = (progress - warm_up) / (1.0 - warm_up)
        if self.shape == "one_cycle":
            left = 1.0 - falling
        else:
            left = 0.5 * (1.0 + ops.cos(math.pi * falling))
        return self.peak * ops.minimum(progress / warm_up, left)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as Keras wants them."""
        return {"shape": self.shape, "peak": self.peak, "total_steps": self.total_steps}
