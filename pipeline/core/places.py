"""Files and folders that the system does not let us have: one sentence instead of a traceback."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.core.errors import StorageError, SweetspotError

#: A write failed because of where it went to, whatever was written.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def in_a_sentence(what: str, kind: type[SweetspotError] = StorageError) -> Iterator[None]:
    """Raise ``kind`` for an error of the system inside the block.

    A ``TimeoutError`` goes through: it is that of a lock which somebody else holds.

    Parameters
    ----------
    what
        What cannot be done, such as ``FILE cannot be removed``; the system's reason follows.
    """
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        raise kind(f"{what}: {error.strerror or error}") from error


@contextmanager
def looking_at(path: Path, kind: type[SweetspotError] = StorageError) -> Iterator[None]:
    """Raise ``kind`` where a file is in a folder that nobody may enter, or its name is too long.

    Python before 3.14 raises that where it is asked whether something is there, too.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise kind(f"{error.filename or path} cannot be read: {reason}") from error


def temporary_place() -> Path:
    """Return the folder that temporary files are made in.

    Raises
    ------
    StorageError
        There is none that can be written to.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        tried = str(error.strerror).partition(" found in ")[2].strip("[]").replace("'", "")
        raise StorageError(
            f"there is no folder for temporary files: {tried or 'all that there are'} are full or "
            "cannot be written to; free some space or set TMPDIR"
        ) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a temporary folder, which is removed afterwards.

    Raises
    ------
    StorageError
        It cannot be made, or what it holds fills the disk.
    """
    place = temporary_place()
    with _enough_room(place), tempfile.TemporaryDirectory(prefix="sweetspot-", dir=place) as folder:
        yield Path(folder)


@contextmanager
def temporary_file(suffix: str = "") -> Iterator[IO[bytes]]:
    """Yield a temporary file; see ``temporary_folder``."""
    place = temporary_place()
    with _enough_room(place), tempfile.NamedTemporaryFile(suffix=suffix, dir=place) as file:
        yield file


@contextmanager
def _enough_room(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        inside = error.filename is None or place in Path(str(error.filename)).parents
        if error.errno not in FULL or not inside:
            raise
        raise StorageError(
            f"the folder for temporary files, {place}, cannot be written: {error.strerror}; free "
            "some space or set TMPDIR"
        ) from error
