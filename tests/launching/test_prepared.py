"""Workers' processes that were started before their sweep was planned."""

import signal
import subprocess
import sys
import time

import pytest

from pipeline.launching.local import last_line
from pipeline.launching.prepared import Assignment, PreparedWorkers


@pytest.fixture
def assignment(tmp_path) -> Assignment:
    return Assignment(
        mlruns=str(tmp_path), sweep="nothing", threads=1, log=str(tmp_path / "worker.log")
    )


def waited(process) -> int:
    while process.poll() is None:
        time.sleep(0.02)
    return process.poll()


def test_who_is_not_needed_is_ended():
    with PreparedWorkers(3) as prepared:
        waiting = list(prepared._waiting)
        assert [process.poll() for process in waiting] == [None] * 3
        prepared.want(1)
        assert [process.poll() for process in waiting] == [None, -signal.SIGKILL, -signal.SIGKILL]
    assert waiting[0].poll() == -signal.SIGKILL


def test_who_waits_is_taken_and_a_dead_one_is_not(assignment):
    prepared = PreparedWorkers(2)
    first, second = prepared._waiting
    first.send_signal(signal.SIGKILL)
    waited(first)
    taken = prepared.take([], assignment)
    further = prepared.take([], assignment)
    try:
        assert taken is second and taken.poll() is None
        assert further not in (first, second) and further.poll() is None
    finally:
        taken.end()
        further.end()


def test_what_it_says_before_it_knows_its_log_is_there(tmp_path, assignment, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    process = PreparedWorkers(0).take([], assignment)
    assert waited(process) == 1
    text = (tmp_path / "worker.log").read_text()
    assert text.startswith("Traceback") and "nonsense" in last_line(tmp_path / "worker.log")


def test_it_reports_to_the_log_that_it_is_told(tmp_path, assignment):
    process = PreparedWorkers(0).take([], assignment)
    assert waited(process) == 2
    said = last_line(tmp_path / "worker.log")
    assert said == f"sweetspot: there is no sweep nothing under {tmp_path / 'sweeps'}"


def test_it_leaves_where_its_supervisor_has_gone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "worker", "--prepared", f"mlruns={tmp_path}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
