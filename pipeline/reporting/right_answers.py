"""Which validation images a training classified rightly, kept so that they can be resampled.

Kept of the front's members and of the finalists' trainings: a few kilobytes each.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.reporting.archives import reading
from pipeline.reporting.files import write_atomically


def answers_path(sweep_dir: Path, run: RunKey) -> Path:
    """Return where the answers of a training are kept."""
    return sweep_dir / "models" / f"{run.stem}.right.npy"


def keep_answers(sweep_dir: Path, run: RunKey, right: NDArray[np.bool_]) -> None:
    """Write whether each validation image was classified rightly, shape ``(images,)``."""
    buffer = io.BytesIO()
    np.save(buffer, right, allow_pickle=False)
    write_atomically(answers_path(sweep_dir, run), buffer.getvalue())


def read_answers(
    sweep_dir: Path, runs: Iterable[RunKey], images: int
) -> dict[RunKey, NDArray[np.bool_]]:
    """Return the answers of those trainings that have them.

    What is missing or damaged is left out: whoever resamples has a rougher way without it.

    Parameters
    ----------
    images
        How many validation images there are.
    """
    found = {}
    for run in runs:
        path = answers_path(sweep_dir, run)
        try:
            with reading(path):
                right = np.load(path, allow_pickle=False)
        except StorageError:
            continue
        if isinstance(right, np.ndarray) and right.dtype == np.bool_ and right.shape == (images,):
            found[run] = right
    return found
