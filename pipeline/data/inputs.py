"""Pictures that somebody wants classified, brought into the form that a network takes.

They are read as ``data=folder`` reads them, so that a network sees a picture the same way
wherever it meets it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.core.places import looking_at, temporary_file
from pipeline.data.checking import checked_images
from pipeline.data.folder import NotAPicture, read_pixels
from pipeline.data.npz import ARCHIVE_SUFFIX, picture_arrays
from pipeline.data.pictures import PICTURE_CHANNELS, fitted

#: Stands for a picture or an archive that comes through the standard input.
STDIN = "-"
_ZIP = b"PK\x03\x04"
ImageShape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedImages:
    """Images for a network, uint8 ``(n, height, width, channels)``, and what each is called."""

    images: NDArray[np.uint8]
    names: tuple[str, ...]


def read_inputs(
    words: Iterable[str], shape: ImageShape, *, invert: bool, stdin: BinaryIO
) -> NamedImages:
    """Return all pictures that some words name, in their order.

    Parameters
    ----------
    words
        Files, folders (every picture below them), ``.npz`` archives, or ``-`` for one file
        from the standard input.
    shape
        ``(height, width, channels)`` that the network takes; other sizes are resized, colour
        becomes grey where it takes grey. One of 2 or 4 channels takes archives of those alone.
    invert
        Make light dark and dark light, for a network that learnt the opposite.

    Raises
    ------
    DataError
        Something is missing or no picture, or there is nothing at all.
    """
    # Fitted one by one: a folder of photographs may hold more than memory does.
    found = [
        (name, fitted(pixels, shape))
        for word in words
        for name, pixels in _inputs(word, shape[2], stdin)
    ]
    if not found:
        raise DataError("there is no picture to classify")
    images = np.stack([pixels for _, pixels in found])
    return NamedImages(
        images=255 - images if invert else images, names=tuple(name for name, _ in found)
    )


def _inputs(word: str, channels: int, stdin: BinaryIO) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    if word == STDIN:
        yield from _from_stdin(stdin.read(), channels)
        return
    path = Path(word)
    with looking_at(path, DataError):
        is_there = path.exists()
        is_folder = path.is_dir()
        files = _files_below(path) if is_folder else []
    if is_folder:
        if not files:
            raise DataError(f"the folder {path} holds no pictures")
        for file in files:
            yield from _from_file(file, str(file), channels)
        return
    if not is_there:
        raise DataError(f"there is no picture {path}; give files, folders, .npz or - for stdin")
    yield from _from_file(path, word, channels)


def _files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and those below it, linked ones too; hidden ones are left out.

    Raises
    ------
    OSError
        One of the folders cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    seen = set()  # links may lead in a circle
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def _from_file(path: Path, name: str, channels: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    if path.suffix == ARCHIVE_SUFFIX:
        yield from _from_archive(path, name, channels)
        return
    try:
        yield name, read_pixels(path, None)
    except NotAPicture as error:
        raise DataError(f"{name} is not a picture that can be read: {error}") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def _from_stdin(content: bytes, channels: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    if not content:
        raise DataError("nothing came through the standard input")
    suffix = ARCHIVE_SUFFIX if content.startswith(_ZIP) else ""
    with temporary_file(suffix) as file:
        file.write(content)
        file.flush()
        yield from _from_file(Path(file.name), "stdin", channels)


def _from_archive(path: Path, name: str, channels: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    fitting = {*PICTURE_CHANNELS, channels}
    for array_name, images in picture_arrays(path, name):
        where = f"{array_name} in {name}"
        if images.ndim == 4 and images.shape[-1] not in fitting:
            of_its_own = "" if channels in PICTURE_CHANNELS else f" or {channels}"
            raise DataError(
                f"{where} must hold pictures of 1 channel or 3{of_its_own}, not of "
                f"{images.shape[-1]}"
            )
        for index, pixels in enumerate(checked_images(images, where)):
            yield f"{name}:{array_name}[{index}]", pixels
