"""Splits of a data set, and what a trial may see of them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.description import DataDescription


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images and their labels, in the order of the source.

    A folder is read class by class, so whoever trains shuffles.

    Parameters
    ----------
    images
        uint8, shape (n, height, width, channels).
    labels
        int64, shape (n,): the index of each image's class.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images must be uint8 of 4 dimensions, not {self.images.dtype} of "
                f"{self.images.ndim}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels must be int64 of shape {self.images.shape[:1]}, not "
                f"{self.labels.dtype} of shape {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, indices: NDArray[np.int64]) -> "Split":
        """Return a copy of the images and labels at the indices, in their order."""
        return Split(images=self.images[indices], labels=self.labels[indices])


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """What a trial may see: the test split is only counted in the description."""

    description: DataDescription
    train: Split
    validation: Split


def fingerprint(splits: Iterable[Split], classes: tuple[str, ...]) -> str:
    """Return 64 hexadecimal digits that stand for the pixels, labels, names and splits.

    Neither the name of the source nor a path is part of it: the same images give the same
    fingerprint wherever and in whatever format they are kept.
    """
    digest = hashlib.sha256()
    for split in splits:
        digest.update(json.dumps(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(split.labels.astype("<i8").tobytes())
    digest.update(json.dumps(classes).encode())
    return digest.hexdigest()
