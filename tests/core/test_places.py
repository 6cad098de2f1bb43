import errno
import os
import tempfile
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.places import (
    in_a_sentence,
    looking_at,
    temporary_file,
    temporary_folder,
    temporary_place,
)

TOO_LONG = Path("n" * 300)


def no_space(name=None):
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


@pytest.fixture
def full(monkeypatch):
    """Nothing can be written to any folder for temporary files."""

    def refuse():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/a', '/b']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)


def test_what_the_system_refuses_is_a_sentence():
    said = pytest.raises(StorageError, match=r"^it cannot be taken: Permission denied$")
    with said, in_a_sentence("it cannot be taken"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with pytest.raises(TimeoutError), in_a_sentence("it cannot be taken"):
        raise TimeoutError


def test_what_may_not_be_looked_at_is_a_sentence():
    said = pytest.raises(ConfigurationError, match=r"^n+ cannot be read: File name too long$")
    with said, looking_at(TOO_LONG, ConfigurationError):
        TOO_LONG.stat()


@pytest.mark.parametrize("using", [temporary_place, temporary_folder, temporary_file])
def test_without_a_folder_for_temporary_files_there_is_a_sentence(full, using):
    with pytest.raises(StorageError) as caught:
        using().__enter__()
    assert str(caught.value) == (
        "there is no folder for temporary files: /a, /b are full or cannot be written to; free "
        "some space or set TMPDIR"
    )


@pytest.mark.parametrize("using", [temporary_folder, temporary_file])
def test_temporary_files_that_fill_the_disk_are_a_sentence(using, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (None, str(tmp_path / "some" / "file")):
        said = pytest.raises(StorageError, match=r"cannot be written: No space left on device; ")
        with said, using():
            raise no_space(name)
    # Whoever writes elsewhere says so himself.
    with pytest.raises(OSError), using():
        raise no_space("/elsewhere/file")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_is_gone_afterwards():
    with temporary_folder() as folder, temporary_file(".npz") as file:
        (folder / "file").touch()
        assert file.name.endswith(".npz")
    assert not folder.exists() and not Path(file.name).exists()
