from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.reporting.archives import read_archive, write_archive

VALUES = np.arange(3, dtype=np.int64)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.npz"
    assert read_archive(path, lambda arrays: arrays["values"]) is None
    write_archive(path, {"values": VALUES})
    assert read_archive(path, lambda arrays: arrays["values"].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kept.npz"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"kept\.npz cannot be read: .+; remove it"):
        read_archive(path, dict)


def test_what_an_archive_lacks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    write_archive(path, {"values": VALUES})
    with pytest.raises(StorageError, match="other"):
        read_archive(path, lambda arrays: arrays["other"])
