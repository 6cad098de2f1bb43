"""The worst mistakes of a network, kept with their pictures when test is read.

So a report needs no data set, and nobody has a reason to read test again.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.archives import read_archive, write_archive

#: How many are kept of a network.
MOST_MISTAKES = 12


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Mistakes:
    """Images that a network classifies wrongly, the worst first.

    Parameters
    ----------
    indices
        int64, shape ``(n,)``: of the images in the test split.
    images
        uint8, shape ``(n, height, width, channels)``.
    labels, answers
        int64, shape ``(n,)``: what is right, and what the network says.
    label_probabilities, answer_probabilities
        float32, shape ``(n,)``: what the network gives to each of the two.
    """

    indices: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    label_probabilities: NDArray[np.float32]
    answer_probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def worst(
        cls,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        probabilities: NDArray[np.float32],
        limit: int = MOST_MISTAKES,
    ) -> Self:
        """Return the mistakes of highest loss: those where least is given to the right class.

        Parameters
        ----------
        images
            Shape ``(images, height, width, channels)``.
        labels
            Shape ``(images,)``.
        probabilities
            Shape ``(images, classes)``.
        limit
            How many at most.
        """
        answers = probabilities.argmax(axis=1)
        everyone = np.arange(len(labels))
        given = probabilities[everyone, labels]
        wrong = np.flatnonzero(answers != labels)
        # Of those that are given nothing at all, the surer answer is the worse mistake.
        surest = probabilities[everyone, answers]
        order = np.lexsort((-surest[wrong], given[wrong]))[:limit]
        chosen = wrong[order].astype(np.int64)
        return cls(
            indices=chosen,
            images=images[chosen],
            labels=labels[chosen],
            answers=answers[chosen].astype(np.int64),
            label_probabilities=given[chosen].astype(np.float32),
            answer_probabilities=surest[chosen].astype(np.float32),
        )

    def write(self, path: Path) -> None:
        """Write them to a file.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        write_archive(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read them; None where there is no such file.

        Raises
        ------
        StorageError
            The file is damaged.
        """
        return read_archive(
            path, lambda arrays: cls(**{field.name: arrays[field.name] for field in fields(cls)})
        )


def mistakes_name(number: int) -> str:
    """Return where a trial's worst mistakes are kept, relative to the sweep's folder."""
    return f"models/{number:04d}.mistakes.npz"
