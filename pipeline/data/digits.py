"""The handwritten digits that scikit-learn ships: real images without any download."""

import gzip
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.data.checking import checked_split
from pipeline.data.dataset import Split

SIDE = 28  #: pixels, the size of MNIST's images
_SOURCE_SIDE = 8
_SOURCE_MAX = 16


@dataclass(frozen=True, kw_only=True)
class DigitsSource:
    """1,797 digits of 8×8 pixels and 17 grey levels, enlarged to 28×28 and 256."""

    classes: tuple[str, ...] = tuple("0123456789")

    def learning(self) -> Split:
        """Return all digits, in scikit-learn's order."""
        table = _table()
        small = (table[:, :-1] * 255.0 / _SOURCE_MAX).round().astype(np.uint8)
        images = np.stack([_enlarged(row) for row in small])
        return checked_split(
            images, table[:, -1], images_name="scikit-learn's digits", labels_name="their labels"
        )

    def test(self) -> Split | None:
        """Return None: all digits are one set."""
        return None


def _table() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return one row a digit: 64 grey levels from 0 to 16, then the label."""
    # Read as a file: to import scikit-learn for it would cost each worker seconds.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("data=digits needs scikit-learn, which is not installed")
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(file, "rt", encoding="ascii") as lines:
            rows = [[int(float(value)) for value in line.split(",")] for line in lines]
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"scikit-learn's digits cannot be read from {file}: {error}") from error
    return np.array(rows, np.int64)


def _enlarged(
    row: np.ndarray[tuple[int], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    image = Image.fromarray(row.reshape(_SOURCE_SIDE, _SOURCE_SIDE))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
