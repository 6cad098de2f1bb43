"""A real process is asked what it trains with, and the answer lands where status reads it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.launching import calibrating
from pipeline.launching.devices import lock_name
from pipeline.launching.rate_processes import CalibrationError, processes
from pipeline.measuring.automatic import Calibration, by_rule, keep_calibration, read_calibration
from pipeline.measuring.machine import this_machine
from pipeline.measuring.quiet import QuietLock


def test_what_goes_wrong_in_a_process_is_said():
    way = {"network": "nonsense", "precision": "float32", "jit_compile": False,
           "steps_per_execution": 1}  # fmt: skip
    with processes([1, 1]) as (wrong, killed):
        wrong.send({"build": way})
        with pytest.raises(CalibrationError, match="nonsense"):
            wrong.receive()
        killed._process.kill()
        with pytest.raises(CalibrationError, match="ended by signal 9"):
            killed.receive()
    assert [process._process.is_alive() for process in (wrong, killed)] == [False, False]


def test_this_machine_is_calibrated_and_status_says_how(command, monkeypatch):
    # One process and short looks: what is checked is the way, not the rates.
    monkeypatch.setattr(calibrating, "SECONDS", 0.02)
    monkeypatch.setattr(calibrating, "TURNS", 1)
    monkeypatch.setattr(calibrating, "STEPS", (20,))
    machine = replace(this_machine(), cores=1, flags=frozenset(), gpus=())
    calibration = calibrating.calibrate(machine, processes)
    assert calibration.answer.workers == calibration.answer.threads == 1
    assert {tried.jit_compile for tried in calibration.tried} == {False, True}
    assert all(tried.images_per_second > 0 for tried in calibration.tried)
    (command.mlruns / "sweeps" / "empty" / "events").mkdir(parents=True)
    by_rule_yet = command.here("status", "sweep_name=empty").stdout
    assert f"On this machine, {by_rule().sentence()} (by rule;" in by_rule_yet
    keep_calibration(command.mlruns, calibration)
    assert read_calibration(command.mlruns) == calibration
    shown = json.loads(command.here("status", "sweep_name=empty", "--json").stdout)
    assert Calibration.from_json(shown["calibration"]) == calibration
    assert calibration.sentence() in command.here("status", "sweep_name=empty").stdout


#: Runs Python with what follows. A shell that starts the tests in the background has SIGINT ignored
#: in all below it.
WITH_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_ended_while_it_measures_leaves_nothing(fresh_account, request, number):
    command, mark = fresh_account.command, uuid.uuid4().hex
    # Locks of its own: no other test waits until this machine is measured. A short name, as it is
    # part of a socket's.
    locks = Path(tempfile.mkdtemp(prefix="s"))
    request.addfinalizer(lambda: shutil.rmtree(locks, ignore_errors=True))
    python, *words = command.words("sweep", "data=digits")
    words.remove("calibrate=false")
    running = subprocess.Popen(
        [python, "-c", WITH_SIGINT, *words], cwd=command.mlruns.parent, text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "MARK": mark, "TMPDIR": str(locks)},
    )  # fmt: skip
    assert running.stdout is not None
    while "Measuring what this machine" not in (line := running.stdout.readline()):
        assert line, "the sweep ended before it measured"
    try:
        # The sweep, the one that workers are forked from, multiprocessing's own, and one that
        # trains: another one that is forked before it lives for a moment.
        wait_until(lambda: len(lasting(mark)) > 3, "nobody is asked for rates")
        printed, _ = command.stop(running, number)
    finally:
        running.kill()
    assert "Traceback" not in printed
    assert running.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    wait_until(lambda: not marked(mark), "a process is left")
    assert not list((command.mlruns / "sweeps").glob("digits*"))
    # Nothing half measured is kept, and the device is free.
    assert not (command.mlruns / "calibration.json").exists()
    (folder,) = locks.glob("sweetspot-*")
    with closing(QuietLock(lock_name(), folder)) as quiet, quiet.measuring():
        pass


def marked(mark):
    """Return the processes that were begun with this in their environment and still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"MARK={mark}".encode() in entry.read_bytes():
                found.append(entry.parent.name)
    return found


def lasting(mark):
    before = marked(mark)
    time.sleep(1)
    return set(before) & set(marked(mark))


def wait_until(so, what):
    end = time.monotonic() + 300
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.02)
