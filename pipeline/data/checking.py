"""The rules every source's images, labels and class names keep."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.data.dataset import Split

MIN_SIDE = 8  #: pixels; smaller images leave a convolution nothing to slide over
MAX_CHANNELS = 4
MAX_CLASSES = 65_536


class Source(Protocol):
    """Where images come from."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The source's own class names, by label; None where it has none."""

    def learning(self) -> Split:
        """Return the images for training and validation (and test, if ``test`` has none)."""

    def test(self) -> Split | None:
        """Return the source's own test set; None where it has none."""


def checked_split(
    images: NDArray[Any], labels: NDArray[Any], *, images_name: str, labels_name: str
) -> Split:
    """Return images and labels in the types of a ``Split``.

    Parameters
    ----------
    images
        uint8, or floats from 0 to 1; (n, height, width) or (n, height, width, channels).
    labels
        Integers from 0; (n,) or (n, 1).
    images_name, labels_name
        What an error calls them.

    Raises
    ------
    DataError
        A type, shape, value or the number of images or labels breaks its rule.
    """
    pixels = checked_images(images, images_name)
    numbers = _checked_labels(labels, labels_name)
    if len(pixels) != len(numbers):
        raise DataError(
            f"{images_name} holds {len(pixels):,} images but {labels_name} holds "
            f"{len(numbers):,} labels: every image needs one label"
        )
    return Split(images=pixels, labels=numbers)


def checked_images(images: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Return images as uint8 ``(n, height, width, channels)``; see ``checked_split``."""
    if images.ndim not in (3, 4):
        raise DataError(
            f"{name} must hold images of shape (n, height, width) or (n, height, width, "
            f"channels), not an array of shape {images.shape}"
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    count, height, width, channels = images.shape
    if count == 0:
        raise DataError(f"{name} holds no images")
    if min(height, width) < MIN_SIDE:
        raise DataError(
            f"{name} holds images of {height}×{width} pixels: each side must have at least "
            f"{MIN_SIDE}"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise DataError(
            f"{name} holds images of {channels} channels: the last dimension must be the "
            f"channels, 1 to {MAX_CHANNELS}, but the shape is {images.shape}"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DataError(
            f"{name} must hold uint8 or floating-point pixels, not {images.dtype} (uint8 from 0 "
            "to 255, floating point from 0 to 1)"
        )
    if not np.isfinite(images).all():
        raise DataError(f"{name} holds pixels that are NaN or infinite")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise DataError(
            f"{name} holds floating-point pixels from {low:g} to {high:g}: they must lie in 0 to "
            "1 (or be uint8 from 0 to 255)"
        )
    return np.rint(images.astype(np.float32) * 255).astype(np.uint8)


def _checked_labels(labels: NDArray[Any], name: str) -> NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras keeps CIFAR's
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{name} must hold one whole number an image, shape (n,), not an array of shape "
            f"{labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DataError(f"{name} must hold whole numbers, not {labels.dtype}")
    for extreme in (labels.min(initial=0), labels.max(initial=0)):
        if not 0 <= extreme < MAX_CLASSES:
            raise DataError(
                f"{name} holds the label {extreme}: labels are whole numbers from 0, for at most "
                f"{MAX_CLASSES:,} classes"
            )
    return labels.astype(np.int64)


def class_names(
    labels: NDArray[np.int64], names: tuple[str, ...] | None, *, origin: str
) -> tuple[str, ...]:
    """Return the name of each class, ``names`` or else the numbers from 0.

    Parameters
    ----------
    labels
        Of all images that a network may learn from.
    origin
        What an error calls the names, such as ``data.classes``.

    Raises
    ------
    DataError
        A number has no image, there are fewer than two classes, or the names do not fit.
    """
    sizes = np.bincount(labels)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        raise DataError(
            f"no image has the label {empty[0]}, but others go up to {len(sizes) - 1}: labels are "
            "the whole numbers from 0, without gaps"
        )
    if len(sizes) < 2:
        raise DataError("all images have the label 0: a classifier needs at least two classes")
    if names is not None and len(names) != len(sizes):
        raise DataError(
            f"{origin} has {len(names)} class names, but the labels go from 0 to {len(sizes) - 1}"
        )
    if names is None:
        return tuple(str(number) for number in range(len(sizes)))
    for name in names:
        if not name.strip() or not name.isprintable():
            raise DataError(f"{origin}: {name!r} is not a class name, give printable text")
        if names.count(name) > 1:
            raise DataError(f"{origin}: the class name {name!r} appears more than once")
    return names


def check_test_set(test: Split, learning: Split, classes: tuple[str, ...]) -> None:
    """Check that a source's own test set fits its training set.

    Raises
    ------
    DataError
        The images differ in shape, or a label has no class.
    """
    if test.images.shape[1:] != learning.images.shape[1:]:
        raise DataError(
            f"training images are {_sides(learning)} pixels, but test images are {_sides(test)}"
        )
    highest = int(test.labels.max())
    if highest >= len(classes):
        raise DataError(
            f"the test set holds the label {highest}, but the training labels go from 0 to "
            f"{len(classes) - 1}"
        )


def _sides(split: Split) -> str:
    return "×".join(str(side) for side in split.images.shape[1:])
