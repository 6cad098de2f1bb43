import os
import socket
import subprocess
import sys

import pytest

from pipeline.core.errors import StorageError
from pipeline.launching.holder import SupervisorLock, SweepBusy
from pipeline.launching.local import LocalSupervisor

HOLD = """
import sys
from pathlib import Path
from pipeline.core.errors import StorageError
from pipeline.launching.holder import SupervisorLock
lock = SupervisorLock(Path(sys.argv[1]))
assert lock.acquire(wait=False)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Return a function that starts a process which holds the lock of a folder."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_who_holds_it_is_named_and_its_death_frees_it(tmp_path, holder):
    other = holder(tmp_path)
    lock = SupervisorLock(tmp_path)
    assert not lock.acquire(wait=False)
    assert lock.holder().startswith(f"process {other.pid} on {socket.gethostname()} since 20")
    other.kill()
    other.communicate()
    assert lock.acquire(wait=False)
    assert f"process {os.getpid()} " in lock.holder()
    lock.release()
    lock.release()
    assert not (tmp_path / "supervisor.json").exists()


@pytest.mark.parametrize("note", ["", "[]", '{"host": "a"}'])
def test_a_damaged_note_names_nobody(tmp_path, note):
    (tmp_path / "supervisor.json").write_text(note)
    assert SupervisorLock(tmp_path).holder() == "another process"


def test_a_scheduled_run_does_not_wait(plan, holder):
    other = holder(plan.config.sweep_dir)
    supervisor = LocalSupervisor(plan=plan, say=print, show=lambda: None, patient=False)
    with pytest.raises(SweepBusy) as caught:
        supervisor.run()
    assert f"is being run by process {other.pid} on " in str(caught.value)
    assert caught.value.status == 75


def test_a_lock_that_cannot_be_had_is_a_sentence(tmp_path):
    (tmp_path / "supervisor.lock").mkdir()
    with pytest.raises(StorageError, match=r"supervisor\.lock cannot be taken: Is a directory$"):
        SupervisorLock(tmp_path).acquire(wait=True)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"/file/below cannot be made: Not a directory$"):
        SupervisorLock(tmp_path / "file" / "below")
