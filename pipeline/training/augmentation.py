"""Training images that vary from epoch to epoch, on the device.

What happens to an image is drawn on the host with the epoch's order, from seed and epoch alone,
so that a resumed trial sees the same images. On the device a batch is one gather and one
product: where each pixel comes from, and whether it is blank.

A shift moves by up to ``SHIFT`` of the side each way, what comes in is black. A flip mirrors left
and right, every other time. A cutout blanks a square of ``CUTOUT`` of the side whose centre is
anywhere in the image (DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural
Networks with Cutout").
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.trial import Augmentation, derived_seed
from pipeline.training.backend import keras

ops = keras.ops

SHIFT = 1 / 14
CUTOUT = 1 / 4
#: Numbers that are drawn for an image: rows and columns to shift, whether to flip, the centre of
#: the cutout.
DRAWS = 5


def parts_of(augmentation: Augmentation) -> frozenset[str]:
    """Return what it consists of: ``shift``, ``flip``, ``cutout``; nothing for ``none``."""
    return frozenset(augmentation.split("_")) - {"none"}


def draws(
    augmentation: Augmentation, images: int, sides: tuple[int, int], seed: int, epoch: int
) -> NDArray[np.int32]:
    """Return what happens to each image of an epoch.

    Parameters
    ----------
    images
        How many, in the order in which they are trained on.
    sides
        Height and width in pixels.

    Returns
    -------
    numpy.ndarray
        int32, shape ``(images, DRAWS)``; what is not part of the augmentation is drawn, too, so
        that two augmentations shift the same image the same way, and then taken out.
    """
    random = np.random.default_rng(derived_seed(seed, "augmentation", epoch))
    parts = parts_of(augmentation)
    found = np.zeros((images, DRAWS), dtype=np.int32)
    for axis, side in enumerate(sides):
        most = max(1, round(SHIFT * side))
        shifts = random.integers(-most, most, images, endpoint=True)
        centres = random.integers(0, side, images)
        found[:, axis] = shifts if "shift" in parts else 0
        # Far outside: a square there blanks nothing.
        found[:, 3 + axis] = centres if "cutout" in parts else -2 * side
    flips = random.integers(0, 2, images)
    found[:, 2] = flips if "flip" in parts else 0
    return found


def augmented(images: Any, drawn: Any) -> Any:
    """Return a batch as drawn.

    Parameters
    ----------
    images
        uint8 ``(n, height, width, channels)`` on the device.
    drawn
        int32 ``(n, DRAWS)``.
    """
    count, height, width, channels = images.shape
    rows, row_known, row_cut = _axis(height, drawn[:, 0], drawn[:, 3])
    columns, column_known, column_cut = _axis(width, drawn[:, 1], drawn[:, 4])
    columns = ops.where(ops.equal(drawn[:, 2:3], 1), width - 1 - columns, columns)
    first = ops.reshape(ops.arange(count, dtype="int32") * (height * width), (count, 1, 1))
    places = first + ops.expand_dims(rows * width, 2) + ops.expand_dims(columns, 1)
    taken = ops.take(ops.reshape(images, (count * height * width, channels)), places, axis=0)
    known = ops.logical_and(ops.expand_dims(row_known, 2), ops.expand_dims(column_known, 1))
    cut = ops.logical_and(ops.expand_dims(row_cut, 2), ops.expand_dims(column_cut, 1))
    shown = ops.logical_and(known, ops.logical_not(cut))
    return taken * ops.expand_dims(ops.cast(shown, "uint8"), 3)


def _axis(side: int, shift: Any, centre: Any) -> tuple[Any, Any, Any]:
    """Return where each pixel of an axis comes from, whether from inside, and if it is cut out.

    All of shape ``(n, side)``.
    """
    pixels = ops.expand_dims(ops.arange(side, dtype="int32"), 0)
    source = pixels - ops.expand_dims(shift, 1)
    known = ops.logical_and(source >= 0, source < side)
    size = max(1, round(CUTOUT * side))
    first = ops.expand_dims(centre - size // 2, 1)
    cut = ops.logical_and(pixels >= first, pixels < first + size)
    return ops.clip(source, 0, side - 1), known, cut
