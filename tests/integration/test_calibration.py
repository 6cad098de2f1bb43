"""A real process is asked what it trains with, and the answer lands where status reads it."""

import json
from dataclasses import replace

import pytest

from pipeline.launching import calibrating
from pipeline.launching.calibrating import CalibrationError
from pipeline.measuring.automatic import Calibration, by_rule, keep_calibration, read_calibration
from pipeline.measuring.machine import this_machine


def test_what_goes_wrong_in_a_process_is_said():
    way = {"network": "nonsense", "precision": "float32", "jit_compile": False,
           "steps_per_execution": 1}  # fmt: skip
    with calibrating.processes([1, 1]) as (wrong, killed):
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
    calibration = calibrating.calibrate(machine, calibrating.processes)
    assert calibration.answer.workers == calibration.answer.threads == 1
    assert {tried.jit_compile for tried in calibration.tried} == {False, True}
    assert all(tried.images_per_second > 0 for tried in calibration.tried)
    (command.mlruns / "sweeps" / "empty").mkdir(parents=True)
    by_rule_yet = command.run("status", "sweep_name=empty").stdout
    assert f"On this machine, {by_rule().sentence()} (by rule;" in by_rule_yet
    keep_calibration(command.mlruns, calibration)
    assert read_calibration(command.mlruns) == calibration
    shown = json.loads(command.run("status", "sweep_name=empty", "--json").stdout)
    assert Calibration.from_json(shown["calibration"]) == calibration
    assert calibration.sentence() in command.run("status", "sweep_name=empty").stdout
