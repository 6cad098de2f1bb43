"""Progress is read from the folder that supervisor and workers write."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import StorageError
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.progress import ProgressReader, read_records
from pipeline.reporting.screen import done_text
from pipeline.reporting.sweep_progress import SweepProgress
from pipeline.reporting.time_left import Running, estimate_seconds_left

Maker = Callable[..., TrialRecord]


def progress_now(folder: Any, **known: Any) -> SweepProgress:
    return ProgressReader(folder.path, clock=folder.clock, **known).read()


def test_a_sweep_from_its_first_second_to_its_end(folder: Any, trial: Maker) -> None:
    reader = ProgressReader(folder.path, clock=folder.clock)
    empty = reader.read()
    assert (empty.sweep, empty.budget, empty.active, empty.done) == ("demo", None, False, 0)

    folder.configure(trials=4, epochs=5)
    folder.session(workers=2)
    dnn = trial(0, "d128", 0.88, 1.0, reference="dnn")
    cnn = trial(1, "64k3-64k3-d128", 0.91, 8.0, reference="cnn")
    folder.start(dnn, worker="0")
    folder.start(cnn, worker="1")
    folder.now += 6
    folder.epoch(dnn, 1, 0.85)
    folder.now += 4
    running = reader.read()
    assert (running.budget, running.active, running.done) == (4, True, 0)
    assert running.counts["running"] == 2
    assert running.elapsed_seconds == 10
    assert running.seconds_left is None
    first, second = running.running
    assert (first.label, first.worker, first.epoch, first.epochs) == ("0 dnn", "0", 1, 5)
    assert (first.val_accuracy, first.silent_seconds) == (0.85, 4.0)
    assert not first.is_measuring
    assert (second.label, second.epoch, second.val_accuracy) == ("1 cnn", 0, None)
    assert second.silent_seconds == 10.0

    folder.now += 10
    folder.epoch(dnn, 5, 0.88)
    assert reader.read().running[0].is_measuring  # after its last epoch
    folder.end(dnn)
    later = reader.read()
    assert (later.done, later.counts["complete"], later.counts["running"]) == (1, 1, 1)
    assert later.best is not None
    assert (later.best.label, later.best.cost, later.best.on_front) == ("0 dnn", 1.0, True)
    # The cnn has run for as long as the dnn took, so a worker is free at once for either of
    # the two trials to come, 20 s each.
    assert later.seconds_left == pytest.approx(20.0)

    folder.end(cnn)
    folder.leave(wall_seconds=33.0)
    over = reader.read()
    assert (over.active, over.done, over.seconds_left, over.running) == (False, 2, None, ())
    assert over.elapsed_seconds == 33.0
    assert over.best is not None
    assert over.best.label == "1 cnn"


def test_one_reading_equals_many(folder: Any, records: list[TrialRecord]) -> None:
    folder.configure()
    folder.session()
    reader = ProgressReader(folder.path, clock=folder.clock)
    for record in records:
        folder.start(record)
        reader.read()
        folder.now += 5
        folder.end(record)
    assert reader.read() == progress_now(folder)


def test_what_ended_and_how(folder: Any, records: list[TrialRecord]) -> None:
    folder.configure()
    folder.session()
    for record in records:
        folder.start(record)
        folder.end(record)
    progress = progress_now(folder)
    assert [e.label.split()[0] for e in progress.ended] == ["0", "1", "2", "3", "4", "5", "6"]
    assert [e.on_front for e in progress.ended] == [True, False, True, True, True, False, False]
    assert progress.ended[5].outcome is Outcome.STOPPED
    assert progress.ended[5].reason == "ranked 7 of 8"
    assert progress.ended[6].cost is None
    assert progress.best is not None
    assert progress.best.label == "4 128k5sb-d256p0.25"
    kept = [replace(r, started=None, ended=None) for r in read_records(folder.path)]
    assert kept == records


def test_a_trial_that_is_lost_counts_as_interrupted(folder: Any, trial: Maker) -> None:
    folder.session()
    folder.start(trial(0, "d128", None, 1.0, outcome=None))
    folder.leave(wall_seconds=5.0)
    progress = progress_now(folder)
    assert (progress.counts["running"], progress.counts["interrupted"]) == (0, 1)
    assert (progress.running, progress.done) == ((), 0)


def test_a_trial_taken_up_again_is_one_trial(folder: Any, trial: Maker) -> None:
    folder.configure(trials=1)
    folder.session()
    first = trial(0, "d128", 0.5, 1.0, outcome=Outcome.INTERRUPTED)
    folder.start(first)
    folder.end(first)
    between = progress_now(folder)
    assert (between.done, between.counts["interrupted"]) == (0, 1)
    folder.start(trial(0, "d128", None, 1.0, attempt=1, outcome=None), worker="1")
    again = progress_now(folder)
    assert (again.counts["interrupted"], again.counts["running"]) == (0, 1)
    assert (again.running[0].attempt, again.running[0].worker) == (1, "1")


def test_time_left_keeps_to_the_minutes_of_a_run(folder: Any, trial: Maker) -> None:
    folder.configure(trials=1_000, minutes=2)
    folder.session(workers=1)
    record = trial(0, "d128", 0.88, 1.0)
    folder.start(record)
    folder.now += 30
    folder.end(record)
    assert progress_now(folder).seconds_left == pytest.approx(90.0)


def test_the_time_left_of_finalists_is_that_of_their_networks(folder: Any, trial: Maker) -> None:
    folder.configure(trials=2)
    text = (folder.path / "config.yaml").read_text()
    (folder.path / "config.yaml").write_text(text + "finalists: {limit: 1, seeds: 2}\n")
    folder.session(workers=1)
    for number, seconds, outcome in ((0, 100, Outcome.COMPLETE), (1, 2, Outcome.INFEASIBLE)):
        record = trial(number, "d128", 0.88, 1.0, outcome=outcome)
        folder.start(record)
        folder.now += seconds
        folder.end(record)
    left = [progress_now(folder).seconds_left]
    again = trial(0, "d128", 0.88, 1.0)
    again = replace(again, specification=replace(again.specification, repetition=1))
    folder.start(again)
    folder.now += 30
    left += [progress_now(folder).seconds_left]
    assert left == [pytest.approx(200.0), pytest.approx(170.0)]


def test_the_time_left_of_a_slow_trial_is_told_by_its_epochs(folder: Any, trial: Maker) -> None:
    folder.configure(trials=2, epochs=5)
    folder.session(workers=2)
    dnn = trial(0, "d128", 0.88, 1.0, reference="dnn")
    cnn = trial(1, "64k3-64k3-d128", None, 8.0, reference="cnn", outcome=None)
    folder.start(dnn, worker="0")
    folder.start(cnn, worker="1")
    folder.now += 15
    folder.end(dnn)
    folder.now += 75
    folder.epoch(cnn, 1, 0.85)
    # Ninety seconds for its first epoch and, for all that is known, half of the second one.
    left = progress_now(folder).seconds_left
    assert left == pytest.approx(90 * 5 / 1.5 - 90)


def test_every_network_that_may_still_be_complete_is_counted_where_all_are_trained_again(
    folder: Any, trial: Maker
) -> None:
    folder.configure(trials=7)
    text = (folder.path / "config.yaml").read_text()
    settings = "finalists: {limit: 100, seeds: 2, among: all}\n"
    (folder.path / "config.yaml").write_text(text + settings)
    folder.session(workers=1)
    for number, outcome in ((0, Outcome.COMPLETE), (1, Outcome.FAILED), (2, Outcome.COMPLETE)):
        record = trial(number, "d128", 0.88, 1.0, outcome=outcome)
        folder.start(record)
        folder.end(record)
    assert progress_now(folder).finalists_due == 2 * 6


def test_only_those_are_finalists_that_the_budget_has_room_for(folder: Any, trial: Maker) -> None:
    folder.configure(trials=3)
    values = yaml.safe_load((folder.path / "config.yaml").read_text())
    values["objective"] |= {"rule": "budget", "budget": 1.5}
    values["finalists"] = {"limit": 3, "seeds": 2}
    (folder.path / "config.yaml").write_text(yaml.safe_dump(values))
    folder.session(workers=1)
    for number, accuracy, seconds in ((0, 0.8, 1.0), (1, 0.9, 2.0), (2, 0.95, 3.0)):
        record = trial(number, "d128", accuracy, seconds)
        folder.start(record)
        folder.end(record)
    progress = progress_now(folder)
    assert progress.finalists_due == 2
    assert sum(ended.on_front for ended in progress.ended) == 3


def test_more_trials_than_a_lowered_budget_are_all_of_them(folder: Any, trial: Maker) -> None:
    folder.configure(trials=2)
    folder.session(workers=1)
    for number in range(4):
        record = trial(number, "d128", 0.88, 1.0)
        folder.start(record)
        folder.end(record)
    progress = progress_now(folder)
    assert (progress.done, progress.budget) == (4, 4)


def test_a_trial_that_goes_on_beyond_the_minutes_is_waited_for(folder: Any, trial: Maker) -> None:
    folder.configure(trials=1_000, minutes=1)
    folder.session(workers=1)
    first = trial(0, "d128", 0.88, 1.0)
    folder.start(first)
    folder.now += 50
    folder.end(first)
    folder.start(trial(1, "d128", None, 1.0, outcome=None))
    folder.now += 20
    assert progress_now(folder).seconds_left == pytest.approx(30.0)


def test_a_larger_budget_of_a_later_run_is_seen(folder: Any) -> None:
    folder.configure(trials=4)
    reader = ProgressReader(folder.path, clock=folder.clock)
    assert reader.read().budget == 4
    folder.configure(trials=16)
    assert reader.read().budget == 16


@pytest.mark.parametrize("text", ["search: [", "just text", "search: {trials: many}", "{}"])
def test_a_damaged_configuration_is_one_sentence(folder: Any, text: str) -> None:
    (folder.path / "config.yaml").write_text(text)
    with pytest.raises(StorageError, match=r"config\.yaml is damaged: it is no configuration"):
        ProgressReader(folder.path).read()


def test_a_sweep_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no sweep ghost"):
        ProgressReader(tmp_path / "sweeps" / "ghost").read()


def test_time_left_by_hand() -> None:
    assert estimate_seconds_left([], running_for(3.0), 5, 2) is None
    assert estimate_seconds_left([10.0, 20.0], [], 0, 2) == 0.0
    assert estimate_seconds_left([10.0, 20.0], running_for(5.0), 0, 2) == 10.0
    assert estimate_seconds_left([10.0], running_for(4.0, 8.0), 3, 2) == 22.0
    assert estimate_seconds_left([10.0], running_for(25.0), 0, 1) == 0.0
    # One that will take ninety seconds says so, and that others may.
    slow = Running(spent=30.0, whole=90.0)
    assert estimate_seconds_left([10.0], [slow], 0, 1) == 60.0
    assert estimate_seconds_left([10.0], [slow], 1, 1) == 110.0


def running_for(*seconds: float) -> list[Running]:
    return [Running(spent=spent) for spent in seconds]


@settings(deadline=None)
@given(
    st.lists(st.floats(0.1, 100.0), min_size=1, max_size=8),
    st.lists(st.floats(0.0, 200.0), max_size=6),
    st.integers(0, 40),
    st.integers(1, 6),
)
def test_time_left_lies_between_its_bounds(
    durations: list[float], running: list[float], waiting: int, workers: int
) -> None:
    left = estimate_seconds_left(durations, running_for(*running), waiting, workers)
    mean = sum(durations) / len(durations)
    side_by_side = max(workers, len(running))
    work = waiting * mean + sum(max(mean - spent, 0.0) for spent in running)
    assert left is not None
    assert work / side_by_side - 1e-6 <= left <= work + 1e-6
    more = estimate_seconds_left(durations, running_for(*running), waiting + 1, workers)
    assert more is not None
    assert more >= left


def test_finalists_are_shown_beside_the_search(folder: Any, trial: Maker) -> None:
    folder.configure(trials=1)
    text = (folder.path / "config.yaml").read_text()
    (folder.path / "config.yaml").write_text(text + "finalists: {limit: 3, seeds: 2}\n")
    folder.session(workers=1)
    dnn = trial(0, "d128", 0.88, 1.0, reference="dnn")
    folder.start(dnn)
    folder.now += 10
    folder.end(dnn)
    assert progress_now(folder).seconds_left == pytest.approx(20.0)
    again = replace(dnn, specification=replace(dnn.specification, repetition=1), val_accuracy=0.99)
    folder.start(again)
    running = progress_now(folder)
    assert [t.label for t in running.running] == ["0 dnn (seed 2)"]
    assert (running.done, running.counts["running"]) == (1, 0)
    folder.end(again)
    later = progress_now(folder)
    assert (later.finalists_done, later.finalists_due) == (1, 2)
    assert [(t.label, t.is_finalist) for t in later.ended] == [
        ("0 dnn", False), ("0 dnn (seed 2)", True),
    ]  # fmt: skip
    assert later.best is not None and later.best.val_accuracy == 0.88
    assert [r.number for r in read_records(folder.path)] == [0]
    assert done_text(later) == "1 of 1 trials done, 1 of 2 trainings of finalists done"


def test_a_sweep_whose_supervisor_was_killed_is_at_rest(folder: Any, trial: Maker) -> None:
    folder.configure(trials=2)
    folder.session()
    folder.start(trial(0, "d128", 0.88, 1.0, reference="dnn"))
    folder.now += 30
    folder.session()
    folder.now += 500
    heard = []

    def supervised(host: str, silent_seconds: float) -> bool:
        heard.append((host, silent_seconds))
        return False

    dead = progress_now(folder, supervised=supervised)
    assert (dead.active, dead.running, dead.counts["interrupted"]) == (False, (), 1)
    assert dead.elapsed_seconds == 0  # nothing was heard of the second session
    assert heard == [("here", 500)]
    alive = progress_now(folder, supervised=lambda host, silent_seconds: True)
    assert (alive.active, alive.elapsed_seconds) == (True, 500)
