"""NumPy archives: ``x_train, y_train[, x_test, y_test]`` as Keras keeps MNIST, or ``x, y``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.data.checking import checked_split
from pipeline.data.dataset import Split

ARCHIVE_SUFFIX = ".npz"
_LAYOUTS = ({"x_train", "y_train", "x_test", "y_test"}, {"x_train", "y_train"}, {"x", "y"})


@dataclass(frozen=True, kw_only=True)
class NpzSource:
    """One ``.npz`` file; only the arrays that are asked for are read."""

    file: Path
    classes: tuple[str, ...] | None = None

    def learning(self) -> Split:
        """Return the training images, or all of them where the archive has no test set."""
        names = self._names()
        return self._read("x_train", "y_train") if "x_train" in names else self._read("x", "y")

    def test(self) -> Split | None:
        """Return ``x_test`` and ``y_test``; None where the archive has neither."""
        return self._read("x_test", "y_test") if "x_test" in self._names() else None

    def _names(self) -> set[str]:
        names = set(_arrays(self.file, ()))
        known = names & {name for layout in _LAYOUTS for name in layout}
        if known not in _LAYOUTS:
            raise DataError(
                f"{self.file} must hold the arrays x_train, y_train, x_test and y_test, or the "
                f"first two, or x and y, not {', '.join(sorted(names)) or 'nothing'}"
            )
        return known

    def _read(self, images: str, labels: str) -> Split:
        arrays = _arrays(self.file, (images, labels))
        return checked_split(
            arrays[images],
            arrays[labels],
            images_name=f"{images} in {self.file}",
            labels_name=f"{labels} in {self.file}",
        )


def picture_arrays(file: Path, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of an archive that may hold pictures, by name: all but labels.

    Labels are a row, a column, or a row for each picture of another array. Parameters: the archive,
    and what to call it in an error.

    Raises
    ------
    DataError
        It is no archive, is damaged, or holds no pictures.
    """
    arrays = _arrays(file, None, name)
    many = {len(array) for array in arrays.values() if array.ndim > 2}
    pictures = {
        key: array
        for key, array in arrays.items()
        if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1 and len(array) not in many)
    }
    if not pictures:
        raise DataError(f"{name} holds no pictures")
    yield from pictures.items()


def _archive(opened: BinaryIO) -> NpzFile:
    archive = np.load(opened, allow_pickle=False)
    if not isinstance(archive, NpzFile):
        raise ValueError("it holds a single array")
    return archive


def _array(archive: NpzFile, name: str) -> NDArray[Any]:
    array = archive[name]
    if not isinstance(array, np.ndarray):  # bytes, of a member that is something else
        raise ValueError(f"{name} is no array")
    return array


def _arrays(
    file: Path, wanted: tuple[str, ...] | None, title: str | None = None
) -> dict[str, NDArray[Any]]:
    """Return the archive's arrays by name, those not in ``wanted`` empty and unread.

    None wants all; ``title`` is what the archive is called in an error.
    """
    title = title or str(file)
    try:
        # Opened here, as np.load leaves a file that is no zip open.
        with file.open("rb") as opened, _archive(opened) as archive:
            return {
                name: _array(archive, name) if wanted is None or name in wanted else np.empty(0)
                for name in archive.files
            }
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{title} cannot be read: {reason}") from error
    # Zip, zlib and numpy's header parser each raise their own kinds for damaged bytes.
    except Exception as error:
        raise DataError(
            f"{title} is not a NumPy archive (.npz) of plain arrays, or it is damaged: {error}"
        ) from error
