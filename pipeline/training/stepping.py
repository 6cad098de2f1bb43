"""Several training steps in one call of one compiled function.

Keras' ``fit`` feeds batches from an input pipeline of its own; here the images are on the
device already, as bytes, and a call is told which of them to take. So nothing but indices
travels, nothing is copied or traced anew between epochs, and every batch has the same shape.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.trial import derived_seed
from pipeline.training.augmentation import augmented
from pipeline.training.backend import keras

ops = keras.ops


class SteppedModel(keras.Model):  # type: ignore[misc]
    """A functional model from images to logits whose training call runs several steps.

    ``train_on_batch`` takes ``(images, labels, order, first, last)``: all images uint8
    ``(n, height, width, channels)`` and labels int32 ``(n,)`` on the device, the epoch's order
    int32 ``(steps, batch, 1)``, and the rows of it to train on, ``first`` to before ``last``. An
    order of ``(steps, batch, 1 + augmentation.DRAWS)`` says behind each image what to do to it.
    It returns the mean ``loss`` and ``accuracy`` of these steps.

    Parameters
    ----------
    image, logits
        Input and output of the functional model.
    looping
        Whether a call may run several steps; else it runs the row ``first``, whatever
        ``last`` is.
    """

    def __init__(self, image: Any, logits: Any, *, looping: bool) -> None:
        super().__init__(image, logits)
        self.looping = looping
        self._accuracy = keras.metrics.Mean(name="accuracy")

    def train_step(self, *arguments: Any) -> Any:
        """Train on some rows of an epoch's order.

        Keras calls this with the data, or on a functional backend with the state and the
        data, and wants the metrics, or the metrics and the new state.
        """
        *state, data = arguments
        (images, labels, order, first, last), _, _ = keras.utils.unpack_x_y_sample_weight(data)
        one_step = super().train_step

        def batch(row: Any) -> tuple[Any, Any]:
            # Not order[row]: XLA compiles a slice anew for each row that it starts from.
            taken = ops.take(order, row, axis=0)
            chosen = taken[:, 0]
            pictures = ops.take(images, chosen, axis=0)
            if order.shape[2] > 1:
                pictures = augmented(pictures, taken[:, 1:])
            return pictures, ops.take(labels, chosen, axis=0)

        if not state:

            def step(row: Any, carried: Any) -> Any:
                one_step(batch(row))
                return carried

            _ = ops.fori_loop(first, last, step, 0) if self.looping else step(first, 0)
            return self.get_metrics_result()

        def stateless_step(row: Any, carried: Any) -> Any:
            return one_step(carried, batch(row))[1]

        before = state[0]
        *others, metrics = (
            ops.fori_loop(first, last, stateless_step, before)
            if self.looping
            else stateless_step(first, before)
        )
        with keras.StatelessScope(state_mapping=zip(self.metrics_variables, metrics, strict=True)):
            logs = self.get_metrics_result()
        return logs, (*others, metrics)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy, from logits, which is exact where softmax saturates."""
        losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
        return ops.mean(losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Count the accuracy; results are read once, behind the last step."""
        hits = ops.equal(ops.argmax(y_pred, axis=-1), ops.cast(y, "int32"))
        self._accuracy.update_state(ops.cast(hits, "float32"))
        return {}


def epoch_order(images: int, batch_size: int, seed: int, epoch: int) -> NDArray[np.int32]:
    """Return which images each step of an epoch takes.

    Every image comes once; the last batch is filled up from the order's beginning.

    Returns
    -------
    numpy.ndarray
        int32, shape ``(ceil(images / batch_size), batch_size)``; decided by seed and epoch.
    """
    order = np.random.default_rng(derived_seed(seed, "order", epoch)).permutation(images)
    steps = steps_per_epoch(images, batch_size)
    return np.resize(order.astype(np.int32), (steps, batch_size))


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return the training steps of an epoch."""
    return -(-images // batch_size)
