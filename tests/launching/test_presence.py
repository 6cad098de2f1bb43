import errno
import os
import subprocess
import sys

import pytest

from pipeline.core.errors import StorageError
from pipeline.launching import presence
from pipeline.launching.presence import (
    SUPERVISOR_LOCK,
    Presence,
    alone,
    forget_gone,
    is_alive,
    is_here,
    is_supervised,
    supervisor_lock,
    was_told,
)

HOLD = """
import sys
from pathlib import Path
from pipeline.launching.presence import Presence
with Presence(Path(sys.argv[1])) as presence:
    print(presence.name, flush=True)
    sys.stdin.read()
"""


def test_a_worker_is_alive_until_its_process_ends_however_it_ends(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert is_alive(tmp_path, name)
    process.kill()
    process.communicate()
    assert not is_alive(tmp_path, name)


def test_nobody_and_strangers_are_dead(tmp_path):
    assert not is_alive(tmp_path, "")
    assert not is_alive(tmp_path, "host-1")


def test_asking_does_not_disturb(tmp_path):
    with Presence(tmp_path) as own:
        assert is_alive(tmp_path, own.name)
        assert is_alive(tmp_path, own.name)
    assert not is_alive(tmp_path, own.name)


def test_whether_somebody_runs_the_sweep(tmp_path):
    assert not is_supervised(tmp_path)
    with supervisor_lock(tmp_path):
        assert is_supervised(tmp_path)
    assert not is_supervised(tmp_path)


def test_of_a_sweep_that_may_only_be_read_too(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    lock = supervisor_lock(tmp_path)
    with lock:
        monkeypatch.setattr(presence, "FileLock", refuse)
        assert is_supervised(tmp_path)
    assert not is_supervised(tmp_path)


def test_a_name_is_never_given_twice(tmp_path):
    with Presence(tmp_path) as first:
        pass
    with Presence(tmp_path) as second:  # the same process number again
        assert second.name == f"{first.name}.2"
        assert not is_alive(tmp_path, first.name)
        assert is_here(first.name) and is_here(second.name)
    assert not is_here(f"elsewhere-{first.name}")


def test_who_is_gone_is_forgotten_and_who_lives_or_is_spoken_of_is_not(tmp_path):
    for name in ("elsewhere-1", "elsewhere-2", "elsewhere-2.2"):
        (tmp_path / "workers").mkdir(exist_ok=True)
        (tmp_path / "workers" / f"{name}.lock").touch()
    with Presence(tmp_path) as own:
        forget_gone(tmp_path, "workers", {"elsewhere-2"})
        left = {path.stem for path in (tmp_path / "workers").iterdir()}
        assert left == {own.name, "elsewhere-2"}
        assert is_alive(tmp_path, own.name)
    forget_gone(tmp_path, "peers")  # where there was none


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_of_a_sweep_that_cannot_be_written_to(tmp_path, monkeypatch, reason):
    def refuse(*_, **__):
        raise OSError(reason, os.strerror(reason))

    with supervisor_lock(tmp_path):
        monkeypatch.setattr(presence, "FileLock", refuse)
        assert is_supervised(tmp_path)
    assert not is_supervised(tmp_path)


def test_a_folder_that_is_held_is_made_and_let_go(tmp_path):
    folder = tmp_path / "new"
    with alone(folder, SUPERVISOR_LOCK):
        assert is_supervised(folder)
    assert not is_supervised(folder)
    (folder / SUPERVISOR_LOCK).unlink()
    (folder / SUPERVISOR_LOCK).mkdir()
    refused = pytest.raises(StorageError, match=r"supervisor\.lock cannot be taken: Is a directory")
    with refused, alone(folder, SUPERVISOR_LOCK):
        pass


def test_who_is_forgotten_was_told_nothing(tmp_path):
    with Presence(tmp_path) as gone:
        gone.note_told()
        assert was_told(tmp_path, gone.name)
    forget_gone(tmp_path, "workers")
    assert list((tmp_path / "workers").iterdir()) == []
    assert not was_told(tmp_path, gone.name)
