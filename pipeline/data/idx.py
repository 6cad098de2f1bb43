"""IDX files, the format of MNIST: a short big-endian header, then bytes; gzip'd or not.

The header is two zero bytes, a byte for the type of the values (8: unsigned bytes), a byte
for the number of dimensions, and four bytes for each dimension's length. Format: "The IDX
file format" on the MNIST page by LeCun, Cortes and Burges.
"""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.core.places import looking_at
from pipeline.data.checking import checked_split
from pipeline.data.dataset import Split

Part = Literal["train", "t10k"]
Content = Literal["images", "labels"]
FILE_NAMES: dict[tuple[Part, Content], str] = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("t10k", "images"): "t10k-images-idx3-ubyte",
    ("t10k", "labels"): "t10k-labels-idx1-ubyte",
}
_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"
_WITH_GZIP_HEADER = 31  # zlib's window bits for a gzip member, checksum and length checked
_PIECE_BYTES = 1 << 24
_DIMENSIONS: dict[Content, tuple[int, ...]] = {"images": (3, 4), "labels": (1,)}


@dataclass(frozen=True, kw_only=True)
class IdxSource:
    """The four standard files in one folder, each plain or with ``.gz``."""

    folder: Path
    classes: tuple[str, ...] | None = None

    def missing(self) -> list[str]:
        """Return the standard names of the files that are not there."""
        return [name for name in FILE_NAMES.values() if self._find(name) is None]

    def check_complete(self) -> None:
        """Raise ``DataError`` that names the files that are not there, if any."""
        if missing := self.missing():
            raise DataError(
                f"{self.folder} lacks {', '.join(missing)} (plain, or with .gz): four IDX files "
                "make a data set"
            )

    def learning(self) -> Split:
        """Return the training images."""
        return self._read("train")

    def test(self) -> Split:
        """Return the test images."""
        return self._read("t10k")

    def _find(self, name: str) -> Path | None:
        candidates = (self.folder / name, self.folder / f"{name}.gz")
        with looking_at(self.folder, DataError):
            return next((path for path in candidates if path.is_file()), None)

    def _read(self, part: Part) -> Split:
        self.check_complete()
        arrays, paths = {}, {}
        for content in _DIMENSIONS:
            path = self._find(FILE_NAMES[part, content])
            assert path is not None  # complete, as just checked
            paths[content] = path
            arrays[content] = read_idx(path, content)
        return checked_split(
            arrays["images"],
            arrays["labels"],
            images_name=str(paths["images"]),
            labels_name=str(paths["labels"]),
        )


def read_idx(path: Path, content: Content) -> NDArray[np.uint8]:
    """Return a file's values in the shape its header gives, read-only.

    Raises
    ------
    DataError
        The file is no IDX file of unsigned bytes, is damaged, or holds the other content.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    values = parse_idx(raw, str(path))
    if values.ndim not in _DIMENSIONS[content]:
        other: Content = "labels" if content == "images" else "images"
        if values.ndim in _DIMENSIONS[other]:
            raise DataError(
                f"{path} must hold {content} but holds {other} ({values.ndim} "
                f"{'dimension' if values.ndim == 1 else 'dimensions'}): the image and label files "
                "seem to be swapped"
            )
        raise DataError(
            f"{path} must hold {content}, {_DIMENSIONS[content][0]} dimensions, not {values.ndim}"
        )
    return values


def parse_idx(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Return the values of an IDX file's bytes, gzip'd or not, in the header's shape.

    Parameters
    ----------
    name
        What an error calls the bytes.

    Raises
    ------
    DataError
        The bytes are not exactly one IDX array of unsigned bytes.
    """
    data = _decompressed(raw, name) if raw.startswith(_GZIP_MAGIC) else raw
    if len(data) < 4:
        raise DataError(f"{name} is not an IDX file: it has {len(data)} bytes, less than a header")
    if data[:2] != b"\0\0":
        raise DataError(
            f"{name} is not an IDX file: it starts with {data[:4].hex(' ')} instead of 00 00"
        )
    code, rank = data[2], data[3]
    if code != _UNSIGNED_BYTE:
        raise DataError(
            f"{name} must hold unsigned bytes (IDX type 8), not values of IDX type {code}"
        )
    start = 4 + 4 * rank
    if rank == 0 or len(data) < start:
        raise DataError(f"{name} has a damaged IDX header: {rank} dimensions, {len(data)} bytes")
    shape = tuple(int(side) for side in np.frombuffer(data, ">u4", count=rank, offset=4))
    if len(data) - start != math.prod(shape):
        state = "truncated" if len(data) - start < math.prod(shape) else "too long"
        raise DataError(
            f"{name} is {state}: its header announces {math.prod(shape):,} values "
            f"({'×'.join(map(str, shape))}), but {len(data) - start:,} follow"
        )
    if rank > 4:  # beyond numpy's limit for a mutated header; no image file has more
        raise DataError(f"{name} must hold images or labels, not an array of {rank} dimensions")
    if 0 in shape:  # the other sides may be larger than any array's
        raise DataError(f"{name} is empty: its header announces {'×'.join(map(str, shape))} values")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _decompressed(raw: bytes, name: str) -> bytes:
    """Return the content of one or several gzip members, each checked to its last byte.

    A few bytes may unpack to any number, so it ends soon after what the header announces.
    """
    content = bytearray()
    while raw:
        member = zlib.decompressobj(_WITH_GZIP_HEADER)
        while not member.eof:
            try:
                piece = member.decompress(raw, _PIECE_BYTES)
            except zlib.error as error:
                sentence = f"{name} is damaged: it cannot be decompressed ({error})"
                raise DataError(sentence) from error
            content += piece
            raw = member.unconsumed_tail
            if not piece and not raw and not member.eof:
                raise DataError(f"{name} is truncated: its compressed content ends too early")
            spare = len(content) - _PIECE_BYTES  # by then the header is there, as a whole
            if spare > 0 and spare > _announced_bytes(content):
                raise DataError(f"{name} is too long: more follows than its header announces")
        raw = member.unused_data.lstrip(b"\0")  # gzip allows zeros as padding
    return bytes(content)


def _announced_bytes(content: bytearray) -> int:
    """Return how many bytes a file has that starts like this, header included."""
    rank = content[3]
    shape = np.frombuffer(bytes(content[4 : 4 + 4 * rank]), ">u4")
    return 4 + 4 * rank + math.prod(int(side) for side in shape)
