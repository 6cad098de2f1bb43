"""Small data sets on disk, apart from whatever this machine's environment offers."""

import errno
import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.data.idx import FILE_NAMES

WriteIdx = Callable[..., None]


@pytest.fixture(autouse=True)
def _no_data_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEETSPOT_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nobody may enter; permissions do not apply to root, who may run tests."""
    folder = tmp_path / "locked"
    folder.mkdir()
    look = Path.stat

    def stat(path: Path, **keywords: bool) -> os.stat_result:
        if folder in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, **keywords)

    monkeypatch.setattr(Path, "stat", stat)
    return folder


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + values.tobytes()


@pytest.fixture(name="idx_bytes")
def _idx_bytes() -> Callable[[NDArray[np.uint8]], bytes]:
    return idx_bytes


@pytest.fixture
def images() -> Callable[..., tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return a maker of random images with ``n`` labels that go round the classes."""

    def make(n: int, *, classes: int = 3, shape: tuple[int, ...] = (9, 8), seed: int = 0):
        pixels = np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)
        return pixels, (np.arange(n) % classes).astype(np.uint8)

    return make


@pytest.fixture
def write_idx(images) -> WriteIdx:
    """Return a writer of the four standard files, 30 training and 12 test images."""

    def write(folder: Path, *, compressed: bool = False, **replaced: NDArray[np.uint8]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (x, y), (tx, ty) = images(30), images(12, seed=1)
        arrays = {"train_images": x, "train_labels": y, "t10k_images": tx, "t10k_labels": ty}
        for (part, content), name in FILE_NAMES.items():
            raw = idx_bytes((arrays | replaced)[f"{part}_{content}"])
            if compressed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
            else:
                (folder / name).write_bytes(raw)

    return write
