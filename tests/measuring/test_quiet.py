"""The locks between real processes; a process says on its pipe what it has done."""

import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pytest

from pipeline.config import PROJECT_ROOT
from pipeline.core.errors import StorageError
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock

PROCESS = """
import fcntl, sys
from contextlib import ExitStack
from pathlib import Path
from pipeline.measuring.quiet import QuietLock

quiet = QuietLock("cpu", Path(sys.argv[1]))
held = ExitStack()
gate = open(Path(sys.argv[1]) / "cpu.gate.lock")

def somebody_waits():
    try:
        fcntl.flock(gate, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(gate, fcntl.LOCK_UN)
    return False

for line in sys.stdin:
    command = line.strip()
    if command in ("training", "measuring"):
        held.enter_context(getattr(quiet, command)())
    elif command == "leave":
        held.close()
    elif command == "execute until somebody measured":
        while not quiet.give_way():
            pass
    elif command == "execute until somebody waits":
        while not somebody_waits():
            pass
    elif command == "execute":
        print(quiet.give_way(), flush=True)
        continue
    print(command, flush=True)
"""


class Worker:
    """A process with the locks."""

    def __init__(self, directory):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(directory)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def do(self, command):
        self.tell(command)
        return self.answer()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def worker(tmp_path):
    workers = []

    def start():
        workers.append(Worker(tmp_path))
        return workers[-1]

    yield start
    for one in workers:
        one.end()


@pytest.fixture
def quiet(tmp_path):
    lock = QuietLock("cpu", tmp_path)
    yield lock
    lock.close()


def is_free(directory, how):
    with (directory / "cpu.device.lock").open() as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_trainers_train_together(worker):
    first, second = worker(), worker()
    assert first.do("training") == "training"
    assert second.do("training") == "training"


def test_a_trainer_goes_on_when_nobody_waits(worker):
    first, second = worker(), worker()
    first.do("training")
    second.do("training")
    assert first.do("execute") == "False"


def test_a_measurer_is_alone(worker, tmp_path):
    measurer = worker()
    measurer.do("measuring")
    assert not is_free(tmp_path, fcntl.LOCK_SH)
    measurer.do("leave")
    assert is_free(tmp_path, fcntl.LOCK_EX)


def test_a_measurer_comes_in_between_two_executions(worker, tmp_path):
    trainers, measurer = [worker(), worker()], worker()
    for trainer in trainers:
        trainer.do("training")
    measurer.tell("measuring")
    for trainer in trainers:
        trainer.tell("execute until somebody measured")
    assert measurer.answer() == "measuring"
    assert not is_free(tmp_path, fcntl.LOCK_SH)
    measurer.do("leave")
    for trainer in trainers:
        assert trainer.answer() == "execute until somebody measured"
    assert is_free(tmp_path, fcntl.LOCK_SH)
    assert not is_free(tmp_path, fcntl.LOCK_EX)


def test_another_device_has_other_locks(worker, tmp_path):
    worker().do("measuring")
    other = QuietLock("gpu 0/1", tmp_path)
    with other.measuring():
        assert not is_free(tmp_path, fcntl.LOCK_SH)
    other.close()


@pytest.mark.parametrize("what", ["training", "measuring"])
def test_a_killed_holder_frees_the_device(worker, quiet, what):
    holder = worker()
    holder.do(what)
    holder.kill()
    with quiet.measuring():
        pass


def test_a_measurer_killed_at_the_gate_lets_the_others_through(worker, quiet):
    trainer, measurer = worker(), worker()
    trainer.do("training")
    measurer.tell("measuring")
    trainer.do("execute until somebody waits")
    measurer.kill()
    assert trainer.do("execute") == "False"
    with quiet.training():
        pass


LOOP = """
import os, sys
from pathlib import Path
from pipeline.measuring.quiet import QuietLock

quiet = QuietLock("cpu", Path(sys.argv[1]))
log = os.open(Path(sys.argv[1]) / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
if sys.argv[2] == "trainer":
    for _ in range(10):
        with quiet.training():
            for _ in range(100):
                os.write(log, b"step\\n")
                quiet.give_way()
else:
    for _ in range(50):
        with quiet.measuring():
            os.write(log, b"measuring\\n")
            os.write(log, b"measured\\n")
"""


def test_nobody_starves_and_nobody_disturbs(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", LOOP, str(tmp_path), role], cwd=PROJECT_ROOT)
        for role in ("trainer", "measurer", "trainer", "measurer")
    ]
    assert [process.wait() for process in processes] == [0] * 4
    lines = (tmp_path / "log").read_text().split()
    assert lines.count("step") == 2 * 1000
    starts = [index for index, line in enumerate(lines) if line == "measuring"]
    assert len(starts) == 2 * 50
    assert all(lines[index + 1] == "measured" for index in starts)


def test_waiting_is_on_the_waiting_clock(quiet):
    ticks = iter(range(1000))
    clocks = Clocks(lambda: float(next(ticks)))
    with quiet.training(clocks):
        entered = clocks.seconds()
        quiet.give_way(clocks)
    with quiet.measuring(clocks):
        pass
    assert entered["waiting"] == 1.0
    assert clocks.seconds()["waiting"] == 2.0
    assert sum(clocks.seconds().values()) == 2.0


def test_a_failure_inside_frees_the_device(quiet, tmp_path):
    for held in (quiet.training, quiet.measuring):
        with pytest.raises(KeyError), held():
            raise KeyError
        assert is_free(tmp_path, fcntl.LOCK_EX)


def test_a_process_holds_the_device_once(quiet):
    with quiet.training(), pytest.raises(RuntimeError, match="already"), quiet.measuring():
        pass


def test_only_trainers_give_way(quiet):
    with pytest.raises(RuntimeError, match="training"):
        quiet.give_way()


@contextmanager
def closed_afterwards(lock):
    yield lock
    lock.close()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    boot = tmp_path / "boot_id"
    boot.write_text("6867e9be-e53e\n")
    monkeypatch.setattr("pipeline.measuring.quiet._BOOT_ID", boot)
    return tmp_path / f"sweetspot-{os.getuid()}-6867e9be-e53e"


def test_lock_files_are_the_users_own(temporary):
    with closed_afterwards(QuietLock("cpu")):
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o700
        assert {path.name for path in temporary.iterdir()} == {"cpu.gate.lock", "cpu.device.lock"}


def test_hosts_that_share_the_temporary_directory_do_not_pause_each_other(temporary, monkeypatch):
    with closed_afterwards(QuietLock("cpu")) as here, here.measuring():
        # Another name alone is a container of the same host.
        monkeypatch.setattr("pipeline.measuring.quiet.gethostname", lambda: "node/2")
        with closed_afterwards(QuietLock("cpu")) as container, pytest.raises(BlockingIOError):
            fcntl.flock(container._device, fcntl.LOCK_EX | fcntl.LOCK_NB)
        monkeypatch.setattr("pipeline.measuring.quiet._BOOT_ID", temporary / "none")
        with closed_afterwards(QuietLock("cpu")) as there:
            fcntl.flock(there._device, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it would wait
    assert temporary.with_name(f"sweetspot-{os.getuid()}-node_2").is_dir()


def test_a_folder_that_others_could_enter_is_closed(temporary):
    temporary.mkdir(mode=0o755)
    with closed_afterwards(QuietLock("cpu")):
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o700


def test_a_link_instead_of_the_folder_is_refused(temporary, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    temporary.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="must belong to this user"):
        QuietLock("cpu")


def test_a_file_instead_of_the_folder_is_refused(tmp_path):
    (tmp_path / "locks").write_text("")
    with pytest.raises(StorageError, match="cpu cannot be opened"):
        QuietLock("cpu", tmp_path / "locks")


def test_without_a_folder_for_temporary_files_there_is_a_sentence(monkeypatch):
    def refuse():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    with pytest.raises(StorageError, match="there is no folder for temporary files: "):
        QuietLock("cpu")
