"""Workers' processes, forked from one that has imported what they need."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config import PROJECT_ROOT, Config
from pipeline.core.errors import StorageError
from pipeline.launching import forking
from pipeline.launching.forking import Assignment, WorkerProcess, prepare
from pipeline.launching.running_worker import last_line
from pipeline.measuring.automatic import by_rule, settled_training

#: A supervisor whose worker, told by its log, waits until somebody reads that.
SUPERVISOR = """
import sys
import tempfile
from pathlib import Path
from pipeline.launching import forking

forking.PRELOADED = "pipeline.launching.worker"  # nobody needs Keras here

def work(config):
    from pipeline.launching.worker import Leaving
    with Leaving() as leaving:
        print("working with", config.launch.threads, config.launch.gpu_memory, flush=True)
        while not leaving.is_told():
            pass
        print(leaving.reason(), flush=True)
    return 75

if __name__ == "__main__":
    assignment = forking.Assignment(
        mlruns=Path(sys.argv[1]), sweep=sys.argv[2], threads=3, gpu_memory=0.45,
        jit_compile="on", steps_per_execution=60, log=Path(sys.argv[3]),
    )
    process = forking.WorkerProcess(assignment, work=work)
    print(process.pid, flush=True)
    while process.poll() is None:
        pass
    print(process.poll(), flush=True)
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "worker.log"


@pytest.fixture
def assignment(tmp_path, log) -> Assignment:
    return Assignment(
        mlruns=tmp_path, sweep="nothing", threads=1, gpu_memory=None, jit_compile="off",
        steps_per_execution=20, log=log,
    )  # fmt: skip


@pytest.fixture
def supervised(plan, replan, tmp_path, log):
    """Return a supervisor of one worker that is at work, and the worker's process number."""
    config = replan(plan).config
    script = tmp_path / "supervisor.py"
    script.write_text(SUPERVISOR)
    words = [sys.executable, str(script), str(config.mlruns), config.sweep_name, str(log)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as supervisor:
        pid = int(supervisor.stdout.readline())
        while not log.exists() or "working with 3 0.45" not in log.read_text():
            time.sleep(0.02)
        yield supervisor, pid
        supervisor.kill()


def waited(process) -> int:
    while process.poll() is None:
        time.sleep(0.02)
    return process.poll()


def test_it_reports_to_its_log_and_ends_with_the_workers_status(assignment, tmp_path, log):
    process = WorkerProcess(assignment)
    assert waited(process) == 2
    said = f"sweetspot: there is no sweep nothing under {tmp_path / 'sweeps'}"
    assert log.read_text().strip() == last_line(log) == said


def test_a_folder_pipeline_where_one_happens_to_be_is_another_one(tmp_path, log):
    (tmp_path / "here" / "pipeline").mkdir(parents=True)
    other = "raise RuntimeError('another package')"
    (tmp_path / "here" / "pipeline" / "__init__.py").write_text(other)
    script = tmp_path / "supervisor.py"
    script.write_text(SUPERVISOR)
    words = [sys.executable, str(script), str(tmp_path), "nothing", str(log)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        words, cwd=tmp_path / "here", env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "2", done.stderr
    assert "there is no sweep nothing" in last_line(log)


def test_it_starts_at_once_when_everything_is_imported(assignment):
    assert prepare().wait(250)
    assert prepare() is prepare()
    server: Any = forkserver._forkserver
    modules = Path(f"/proc/{server._forkserver_pid}/maps").read_text()
    assert "/tensorflow/" in modules  # so that no worker has to import it
    process = WorkerProcess(assignment)
    text = f"/proc/{process.pid}/environ"
    assert waited(process) == 2 and not os.path.exists(text)


def test_a_worker_with_a_gpu_of_its_own_sees_no_other(log):
    text = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pipeline.launching.forking import settle_in\n"
        "from pipeline.measuring.machine import this_machine\n"
        "this_machine()\n"
        "settle_in(Path(sys.argv[1]), sys.argv[2] or None)\n"
        "print(os.environ.get('CUDA_VISIBLE_DEVICES'), this_machine.cache_info().currsize)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    for gpu, said in (("GPU-2", "GPU-2 0"), ("", "None 1")):
        log.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-c", text, log, gpu], env=environment, check=True)
        assert log.read_text() == f"{said}\n"


def test_who_does_not_end_is_killed(assignment, log):
    os.mkfifo(log)  # opening it takes until somebody reads
    process = WorkerProcess(assignment)
    assert process.poll() is None
    process.end(0.05)
    assert process.poll() == -signal.SIGKILL
    process.send_signal(signal.SIGKILL)  # to nobody


def test_it_can_be_told_to_leave(supervised, log):
    supervisor, pid = supervised
    os.kill(pid, signal.SIGTERM)
    assert supervisor.stdout.readline() == "75\n"
    assert last_line(log) == "the worker was told to leave (SIGTERM)"


def test_it_leaves_where_its_supervisor_has_gone(supervised, log):
    supervisor, pid = supervised
    supervisor.kill()
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.02)
    assert last_line(log) == "the supervisor is gone"


def test_it_leaves_where_the_fork_server_has_gone(supervised, log):
    """So that a supervisor, who no longer hears of it, may start another one."""
    supervisor, pid = supervised
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert supervisor.stdout.readline() == "255\n"
    while psutil.pid_exists(pid):
        time.sleep(0.02)
    assert last_line(log) == "the supervisor is gone"


def test_an_import_that_nobody_waits_for_is_ended(tmp_path):
    (tmp_path / "slow.py").write_text("import time; time.sleep(600)")
    text = (
        "import psutil\n"
        "from pipeline.launching import forking\n"
        "forking.PRELOADED = 'slow'\n"
        "forking.prepare()\n"
        "print(*[child.pid for child in psutil.Process().children()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, check=True, timeout=250,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    numbers = [int(number) for number in done.stdout.split()]
    assert numbers
    until = time.monotonic() + 120.0
    while any(os.path.exists(f"/proc/{number}") for number in numbers):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_worker_trains_as_its_assignment_says(plan, replan, assignment, monkeypatch):
    """It sees one GPU of several, and so no calibration of the machine with all of them."""
    plan = replan(plan)
    heard: list[Config] = []

    def work(config):
        heard.append(config)
        return 0

    monkeypatch.setattr("pipeline.launching.forking.settle_in", lambda log, gpu: None)
    given = replace(
        assignment, mlruns=plan.config.mlruns, sweep=plan.config.sweep_name, jit_compile="on",
        steps_per_execution=240,
    )  # fmt: skip
    with pytest.raises(SystemExit):
        forking._work(given, "GPU-1", work)
    (config,) = heard
    training = plan.config.training
    assert (training.jit_compile, training.steps_per_execution) == ("auto", "auto")
    settled = settled_training(config.training, by_rule())
    assert (settled.jit_compile, settled.steps_per_execution) == ("on", 240)
    assert config.launch.threads == assignment.threads


def test_without_a_folder_for_temporary_files_there_is_a_sentence(monkeypatch):
    def refuse():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    with pytest.raises(StorageError, match="there is no folder for temporary files: "):
        prepare.__wrapped__()
