import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.trial import Outcome
from pipeline.tracking.event_log import Event, read, sweep_log_path, trial_log_path
from pipeline.tracking.events import SessionEnded
from pipeline.tracking.points import sweep_points, trial_points
from pipeline.tracking.projection import RunView, run_name, sweep_view, trial_view
from pipeline.tracking.sweep_facts import SweepFacts

Sweep = Any


@pytest.fixture
def sweep(fake_sweep: Callable[..., Sweep]) -> Sweep:
    return fake_sweep()


def events_of(sweep: Sweep, number: int) -> list[Event]:
    return read(trial_log_path(sweep.dir, number))


def view_of(sweep: Sweep, number: int) -> RunView:
    facts = SweepFacts.of(read(sweep_log_path(sweep.dir)))
    view = trial_view("question", "ab", events_of(sweep, number), facts)
    assert view is not None
    return view


def test_names_sort_by_number_and_say_what_was_trained(sweep: Sweep) -> None:
    assert run_name(sweep.specification(7)) == "007 64k3-d128"
    assert run_name(sweep.specification(1, reference="cnn")) == "001 cnn"
    assert run_name(sweep.specification(1234)) == "1234 64k3-d128"


def test_a_finalists_training_is_told_from_its_trial(sweep: Sweep) -> None:
    spec = replace(sweep.specification(3), seed=99, repetition=2)
    sweep.read_test(3, 0.9)
    sweep.start(spec, epochs=3)
    sweep.finish(spec)
    facts = SweepFacts.of(read(sweep_log_path(sweep.dir)))
    view = trial_view("question", "ab", read(trial_log_path(sweep.dir, *spec.run)), facts)
    assert view is not None
    assert view.name == "003 64k3-d128 seed 3"
    assert (view.tags["kind"], view.tags["trial"], view.tags["repetition"]) == (
        "finalist",
        "3",
        "2",
    )
    assert view.params["seed"] == "99"
    assert view.sweep_points == ()  # test was read for the trial itself
    assert events_of(sweep, 3) == []


def test_what_was_projected_once_stays_when_the_log_grows(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=3)
    sweep.finish(spec, Outcome.INTERRUPTED)
    sweep.start(replace(spec, attempt=1), epochs=2, first=2)
    sweep.finish(replace(spec, attempt=1))
    events = events_of(sweep, 3)
    points = list(trial_points(events))
    for count in range(len(events)):
        shorter = list(trial_points(events[:count]))
        assert shorter == points[: len(shorter)]
        assert all(point.end <= events[count].end for point in shorter)


def test_what_is_logged_once_a_trial_is_logged_once(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=2)
    sweep.finish(spec, epochs=2)
    names = [point.name for point in trial_points(events_of(sweep, 3))]
    assert names.count("cost/epoch_seconds") == names.count("kept_val_accuracy") == 1
    assert names.count("epoch_seconds") == names.count("system/cpu_utilization_percentage") == 2


def test_another_attempt_that_measures_otherwise_is_another_step(sweep: Sweep) -> None:
    sweep.start(sweep.specification(3))
    sweep.start(replace(sweep.specification(3, "32k3-d128"), attempt=1))
    points = [p for p in trial_points(events_of(sweep, 3)) if p.name == "cost/parameters"]
    assert [point.step for point in points] == [0, 1]
    assert len([p for p in trial_points(events_of(sweep, 3)) if p.name == "cost/latency_ms"]) == 1


def test_a_trial_belongs_to_the_commit_of_its_session(sweep: Sweep) -> None:
    sweep.begin()
    sweep.start(sweep.specification(0))
    sweep.end()
    sweep.begin()
    sweep.start(sweep.specification(1))
    events = [
        event
        if event.kind != "session_started"
        else replace(event, values=event.values | {"git_commit": f"commit {index}"})
        for index, event in enumerate(read(sweep_log_path(sweep.dir)))
    ]
    facts = SweepFacts.of(events)
    commits = []
    for number in (0, 1):
        view = trial_view("question", "ab", events_of(sweep, number), facts)
        assert view is not None
        commits.append(view.tags["git_commit"])
    assert commits == ["commit 0", "commit 2"]
    assert SweepFacts().commit_at(1.0) is None


def test_only_the_session_that_left_a_trial_closes_it(sweep: Sweep) -> None:
    sweep.begin()
    sweep.start(sweep.specification(0), epochs=1)
    assert (view_of(sweep, 0).status, view_of(sweep, 0).ended) == ("RUNNING", None)
    sweep.end(exit_status=130)
    closed = view_of(sweep, 0)
    assert (closed.status, closed.tags["status"]) == ("KILLED", "interrupted")
    sweep.begin()
    assert view_of(sweep, 0) == closed, "it waits for its turn"
    sweep.start(replace(sweep.specification(0), attempt=1))
    again = view_of(sweep, 0)
    assert (again.status, again.ended, again.tags["retries"]) == ("RUNNING", None, "1")


@pytest.mark.parametrize(
    ("exit_status", "status", "label"),
    [
        (0, "FINISHED", "complete"),
        (1, "FAILED", "failed"),
        (130, "KILLED", "interrupted"),
        (143, "KILLED", "interrupted"),
        (128 + signal.SIGUSR2, "KILLED", "interrupted"),
    ],
)
def test_the_sweeps_own_run_ends_as_its_command(
    sweep: Sweep, exit_status: int, status: str, label: str
) -> None:
    sweep.begin()
    sweep.end(exit_status)
    events = read(sweep_log_path(sweep.dir))
    view = sweep_view("question", "ab", events, SweepFacts.of(events), None)
    assert view is not None
    assert (view.status, view.tags["status"]) == (status, label)
    assert (view.started, view.ended) == (events[0].time, events[1].time)


def test_a_sweep_without_a_beginning_starts_with_its_first_trial() -> None:
    assert sweep_view("question", "ab", [], SweepFacts(), None) is None
    view = sweep_view("question", "ab", [], SweepFacts(), 12.0)
    assert view is not None and (view.started, view.status) == (12.0, "RUNNING")


def test_readings_of_the_test_split_are_counted(sweep: Sweep) -> None:
    sweep.read_test(1, 0.5)
    sweep.read_test(2, 0.75)
    points = list(sweep_points(read(sweep_log_path(sweep.dir))))
    assert [(point.name, point.value) for point in points] == [
        ("test_readings", 1.0),
        ("test_readings", 2.0),
    ]


def test_the_time_spent_is_that_of_all_sessions_killed_ones_included(sweep: Sweep) -> None:
    sweep.begin()
    sweep.sweep(SessionEnded(wall_seconds=18_000.0, exit_status=0))
    sweep.begin()
    sweep.read_test(1, 0.5)  # a second later it was killed
    sweep.begin()
    sweep.sweep(SessionEnded(wall_seconds=2.0, exit_status=0))
    points = sweep_points(read(sweep_log_path(sweep.dir)))
    spent = [point.value for point in points if point.name == "wall_seconds"]
    assert spent == [18_000.0, 18_003.0]


def test_a_device_without_a_name_is_still_told(sweep: Sweep) -> None:
    sweep.start(sweep.specification(0))
    (started, *rest) = events_of(sweep, 0)
    shown = []
    for device in ({"name": "", "device": "cpu"}, {"cores": "2"}):
        event = replace(started, values=started.values | {"device": device})
        view = trial_view("question", "ab", [event, *rest], SweepFacts())
        assert view is not None
        shown.append(view.tags["device"])
    assert shown == ["cpu", '{"cores": "2"}']
