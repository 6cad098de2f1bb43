"""Files appear whole or not at all, and what is wrong with one is said in one sentence."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.trial import TrialRecord
from pipeline.reporting.files import (
    CONFIG_NAME,
    read_summary,
    sweeps,
    sweeps_dir,
    write_atomically,
)
from pipeline.reporting.listing import list_sweeps, size_of


def only_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_and_the_folder_is_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b.txt", "grün\n")
    write_atomically(tmp_path / "a" / "c.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "grün\n"
    assert (tmp_path / "a" / "c.bin").read_bytes() == b"\x00\xff"
    assert only_files(tmp_path / "a") == ["b.txt", "c.bin"]


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "b.txt", "text")
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o644


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises(StorageError, match=re.escape(f"cannot write {tmp_path / 'taken'}: ")):
        write_atomically(tmp_path / "taken", "text")
    assert only_files(tmp_path) == ["taken"]
    with pytest.raises(StorageError, match="cannot write"):
        write_atomically(tmp_path / "taken" / "x" / "y", "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.txt"
    write_atomically(path, "old")
    full = os.open("/dev/full", os.O_WRONLY)

    def sync_to_a_full_disk(descriptor: int) -> None:
        os.write(full, b"x")

    monkeypatch.setattr(os, "fsync", sync_to_a_full_disk)
    try:
        with pytest.raises(StorageError, match="No space left on device"):
            write_atomically(path, "new")
    finally:
        os.close(full)
    assert path.read_text() == "old"
    assert only_files(tmp_path) == ["b.txt"]


def test_a_summary_comes_back_as_it_was_written(
    tmp_path: Path, records: list[TrialRecord], summarise: Callable[..., dict[str, Any]]
) -> None:
    summary = summarise(records)
    write_atomically(tmp_path / "summary.json", json.dumps(summary))
    assert read_summary(tmp_path) == summary


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"schema_version": 1, "sw', "is damaged: not JSON from line 1, column 23 on"),
        (b"", "is damaged: not JSON from line 1"),
        (b"\xff\xfe\x00", "cannot read .* not UTF-8"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged: it lacks"),
        (b'{"schema_version": 1, "sweep": "x"}', "is damaged: it lacks costs"),
        (b'{"schema_version": 2}', "has schema_version 2, but this version of sweetspot reads 1"),
    ],
)
def test_a_damaged_summary_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(StorageError, match=says) as caught:
        read_summary(tmp_path)
    assert str(tmp_path / "summary.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sweep_that_has_no_summary_yet(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"has no summary\.json yet: none of its trials ended"):
        read_summary(tmp_path)


def test_a_sweep_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no sweep c: .* holds none"):
        read_summary(sweeps_dir(tmp_path) / "c")
    for name in "ab":
        write_atomically(sweeps_dir(tmp_path) / name / CONFIG_NAME, "")
    with pytest.raises(StorageError, match=r"there is no sweep c .*; there is (a or b|b or a)"):
        read_summary(sweeps_dir(tmp_path) / "c")
    for number in range(20):
        write_atomically(sweeps_dir(tmp_path) / f"n{number}" / CONFIG_NAME, "")
    with pytest.raises(StorageError, match=r"\(14 older ones not listed\)"):
        read_summary(sweeps_dir(tmp_path) / "c")


def test_sweeps_come_newest_first_by_their_newest_file(tmp_path: Path) -> None:
    assert sweeps(tmp_path) == []
    folder = sweeps_dir(tmp_path)
    for name, modified in (("old", 1_000.0), ("new", 3_000.0), ("middle", 2_000.0)):
        log = folder / name / "events" / "0000.jsonl"
        write_atomically(log, "")
        for path in (log, log.parent, folder / name):
            os.utime(path, (500.0, 500.0))
        os.utime(log, (modified, modified))
    (folder / ".hidden").mkdir()
    write_atomically(folder / "refused" / "supervisor.lock", "")  # before anything was begun
    (folder / "file").touch()
    assert sweeps(tmp_path) == [("new", 3_000.0), ("middle", 2_000.0), ("old", 1_000.0)]


def test_somebody_elses_sweep_does_not_hide_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.stat
    for name in ("mine", "theirs"):
        write_atomically(sweeps_dir(tmp_path) / name / "events" / "0000.jsonl", "")

    def stat(path: Path, **keywords: bool) -> os.stat_result:
        if sweeps_dir(tmp_path) / "theirs" in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, **keywords)

    monkeypatch.setattr(Path, "stat", stat)
    assert [name for name, _ in sweeps(tmp_path)] == ["mine"]
    assert [entry.name for entry in list_sweeps(tmp_path)] == ["mine"]
    assert size_of(sweeps_dir(tmp_path) / "theirs" / "file") == 0
