from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.reporting.archives import read_archive, reading, write_archive
from pipeline.reporting.right_answers import answers_path, read_answers

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


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "kept.npz"
    write_archive(path, {"values": np.arange(200, dtype=np.int64)})
    return path


@pytest.mark.parametrize(
    ("place", "value", "raised"),
    [
        (6, 0x01, "RuntimeError"),  # "encrypted"
        (8, 0x63, "NotImplementedError"),  # a compression that there is not
        (60, 0xFF, "error"),  # zlib's
    ],
)
def test_a_flipped_byte_is_a_sentence(archive: Path, place: int, value: int, raised: str) -> None:
    content = bytearray(archive.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[place] = value
    if place < 30:  # the header is there twice, the second time two bytes later
        content[directory + place + 2] = value
    archive.write_bytes(content)
    with pytest.raises(StorageError, match=r"kept\.npz cannot be read: .+; remove it") as caught:
        read_archive(archive, dict)
    assert type(caught.value.__cause__).__name__ == raised


def test_a_header_that_no_parser_reads_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "kept.npy"
    np.save(path, VALUES)
    path.write_bytes(path.read_bytes().replace(b"(3,)", b"(3,("))
    with pytest.raises(StorageError, match=r"kept\.npy cannot be read"), reading(path):
        np.load(path, allow_pickle=False)
    run = RunKey(3)
    answers_path(tmp_path, run).parent.mkdir()
    path.rename(answers_path(tmp_path, run))
    assert read_answers(tmp_path, [run], 3) == {}
