"""NumPy archives that a sweep keeps beside its models for its report."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.reporting.files import write_atomically

_Kept = TypeVar("_Kept")


def write_archive(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name to a compressed file.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())


def read_archive(path: Path, build: Callable[[Mapping[str, NDArray[Any]]], _Kept]) -> _Kept | None:
    """Return what ``build`` makes of a file's arrays; None where there is no such file.

    Raises
    ------
    StorageError
        The file is damaged, or lacks something that ``build`` looks for.
    """
    with reading(path):
        if not path.is_file():
            return None
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
    try:
        return build(arrays)
    except (ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise ``StorageError`` for whatever NumPy says of a damaged file.

    Zip, zlib and NumPy's parser of headers each have their own kinds of errors.
    """
    try:
        yield
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be read: {error!r}; remove it")
