from dataclasses import replace

import pytest

from pipeline.launching.sessions import Sessions, this_run
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, TestRead, record

STARTED = SessionStarted(workers=2, host="h", versions={}, git_commit=None)


def reading(trial, accuracy):
    return TestRead(trial=trial, accuracy=accuracy, correct=9, images=10, reason="why")


def log(folder, *contents):
    times = iter(time for time, _ in contents)
    with EventLog(sweep_log_path(folder), clock=lambda: next(times)) as events:
        for _, content in contents:
            record(events, content)


def test_a_sweep_that_never_ran(tmp_path):
    sessions = Sessions.read(tmp_path)
    assert (sessions.wall_seconds(), sessions.open_since, sessions.test_readings) == (0.0, None, {})


def test_wall_time_adds_up_over_runs_killed_ones_included(tmp_path):
    log(
        tmp_path,
        (100.0, STARTED),
        (110.0, SessionEnded(wall_seconds=10.0, exit_status=0)),
        (200.0, STARTED),
        (205.0, reading(1, 0.9)),  # and then it was killed
        (300.0, STARTED),
        (302.0, SessionEnded(wall_seconds=2.0, exit_status=0)),
    )
    assert Sessions.read(tmp_path).wall_seconds() == pytest.approx(17.0)


def test_threads_are_those_of_the_first_run_where_it_says_so(tmp_path):
    two, one = replace(STARTED, threads=2), replace(STARTED, threads=1)
    log(tmp_path / "new", (1.0, two), (2.0, one))
    assert Sessions.read(tmp_path / "new").threads == 2
    log(tmp_path / "old", (1.0, STARTED), (2.0, one))
    assert Sessions.read(tmp_path / "old").threads is None


def test_the_first_reading_of_a_trial_counts(tmp_path):
    log(tmp_path, (1.0, reading(3, 0.9)), (2.0, reading(3, 0.8)), (3.0, reading(4, 0.7)))
    readings = Sessions.read(tmp_path).test_readings
    assert {number: read.accuracy for number, read in readings.items()} == {3: 0.9, 4: 0.7}


def test_a_run_that_ended_is_known_by_its_end(tmp_path):
    log(tmp_path, (100.0, STARTED), (110.0, SessionEnded(wall_seconds=10.0, exit_status=0)))
    ended = Sessions.read(tmp_path)
    assert (ended.last_ended, ended.exit_status) == (110.0, 0)
    log(tmp_path, (200.0, STARTED))
    again = Sessions.read(tmp_path)
    assert (again.last_ended, again.exit_status) == (110.0, None)


def test_the_minutes_of_a_schedulers_run_are_those_of_all_its_sessions(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 450.0)
    told = SessionEnded(wall_seconds=10.0, exit_status=140)
    array, other = replace(STARTED, run="7"), replace(STARTED, run="8")
    log(
        tmp_path,
        (100.0, STARTED),  # by an earlier version, or by hand
        (110.0, told),
        (120.0, array),
        (130.0, told),
        (200.0, other),
        (205.0, reading(1, 0.9)),  # and then it was killed
        (300.0, array),
        (310.0, told),
        (400.0, array),
    )
    sessions = Sessions.read(tmp_path)
    assert sessions.run == "7"
    assert [sessions.seconds_of(run) for run in ("7", "8", "9")] == [70.0, 5.0, 0.0]
    assert sessions.wall_seconds() == 85.0
    log(tmp_path, (440.0, STARTED))  # by hand: it has its own
    assert Sessions.read(tmp_path).seconds_of(None) == 10.0


def test_what_belongs_to_one_run_of_a_scheduler(monkeypatch):
    for variable in ("SLURM_ARRAY_JOB_ID", "SWEETSPOT_RUN"):
        monkeypatch.delenv(variable, raising=False)
    assert this_run() is None
    monkeypatch.setenv("SWEETSPOT_RUN", "")  # a Kubernetes before 1.27 has no such label
    assert this_run() is None
    monkeypatch.setenv("SWEETSPOT_RUN", "nightly-29")
    assert this_run() == "nightly-29"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    assert this_run() == "7"
