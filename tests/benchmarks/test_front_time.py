"""How the benchmark of searches is read: hypervolumes over time, and who was there first."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import front_time, results_files
from benchmarks.fronts import (
    EPOCHS,
    NEITHER,
    OURS,
    OURS_NEVER,
    PLAIN,
    SEARCHES,
    THEY_NEVER,
    compare,
    course,
    draw,
    ratio_of,
    time_to,
    time_to_beat,
)
from pipeline.core.architecture import Architecture
from pipeline.core.journey import macs
from pipeline.core.trial import EpochResult, Recipe, TrialSpecification
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import EpochEnded, Started, record

SHAPE, CLASSES = (28, 28, 1), 10


def run(name, *found, seed=0):
    return {"name": name, "seed": seed, "found": [list(one) for one in found]}


RUNS = [
    run(PLAIN, (100.0, "d128", 0.85), (400.0, "16k3-d32", 0.9)),
    run(OURS, (20.0, "16k3-d32", 0.9), (40.0, "d128", 0.86), (2000.0, "d32", 0.99)),
    run("Syne Tune MO-ASHA", (100.0, "d128", 0.85)),
]


def test_the_hypervolume_grows_with_what_is_found_in_time():
    volumes = course(RUNS[1]["found"], SHAPE, CLASSES, 1500)
    assert [seconds for seconds, _ in volumes] == [20.0, 40.0]
    worst = math.log10(10 * macs(Architecture.parse("64k3-64k3-d128"), SHAPE, CLASSES))
    work = math.log10(macs(Architecture.parse("16k3-d32"), SHAPE, CLASSES))
    assert volumes[0][1] == pytest.approx((0.9 - 0.1) * (worst - work))
    assert volumes[1][1] > volumes[0][1]
    # The order in which runs were written down does not matter.
    assert course(RUNS[1]["found"][::-1], SHAPE, CLASSES, 1500) == volumes


def test_the_goal_is_what_the_plain_script_ends_with():
    rows, lines = compare(RUNS, SHAPE, CLASSES, 1500, calibration=60.0)
    by_name = {row["name"]: row for row in rows}
    assert (by_name[PLAIN]["seconds"], by_name[OURS]["seconds"]) == ([400.0], [40.0])
    assert by_name[PLAIN]["ratio"] == 10.0
    assert by_name["Syne Tune MO-ASHA"]["seconds"] == [None]
    assert by_name["Syne Tune MO-ASHA"]["ratio"] == THEY_NEVER
    # With 60 seconds of a calibration before ours.
    assert by_name[PLAIN]["ratio_on_a_new_machine"] == 4.0
    # How soon ours has what another one ends with.
    assert by_name[PLAIN]["seconds_to_its_end"] == [400.0]
    assert by_name[PLAIN]["ours_to_its_end"] == [40.0]
    assert by_name["Syne Tune MO-ASHA"]["seconds_to_its_end"] == [100.0]
    assert by_name["Syne Tune MO-ASHA"]["ours_to_its_end"] == [40.0]
    assert by_name["Syne Tune MO-ASHA"]["ratio_to_its_end"] == 2.5
    text = "\n".join(lines)
    assert "| plain TPE | 2 |" in text and "10.0×" in text
    said = "Ours takes what is usually best on such a machine (calibrate=false); calibrating first"
    assert f"{said} would add 60 s, once." in text
    assert "| never | they never | they never | 100 | 40 | 2.5× | never |" in text  # MO-ASHA
    assert "| KerasTuner Hyperband | not run |" in text


def test_a_front_is_beaten_once_all_its_networks_are():
    plain, ours, moasha = (run["found"] for run in RUNS)
    assert time_to_beat(plain, ours, SHAPE, CLASSES, 1500) == 40.0
    assert time_to_beat(plain, ours[:1], SHAPE, CLASSES, 1500) is None
    assert time_to_beat(plain, moasha, SHAPE, CLASSES, 1500) is None
    rows, _ = compare(RUNS, SHAPE, CLASSES, 1500)
    assert rows[0]["seconds_to_beat_all"] == [40.0]
    assert rows[1]["seconds_to_beat_all"] == [400.0]  # itself


def test_who_never_gets_there_takes_for_ever():
    assert ratio_of([(30.0, 10.0), (None, 10.0), (50.0, 10.0)]) == 5.0
    assert ratio_of([(30.0, 10.0), (None, 10.0), (None, 20.0)]) == THEY_NEVER
    assert ratio_of([(30.0, None), (30.0, None), (None, 20.0)]) == OURS_NEVER
    assert ratio_of([(30.0, 10.0), (None, None), (50.0, 10.0)]) == NEITHER
    assert ratio_of([(30.0, 10.0), (30.0, None)]) == OURS_NEVER
    assert ratio_of([(30.0, 10.0), (None, 10.0)]) == 3.0
    assert ratio_of([(30.0, 10.0), (50.0, 10.0)]) == 4.0
    assert ratio_of([]) is None
    runs = [*RUNS, run(PLAIN, (10.0, "64k3-d128", 0.95), seed=1),
            run(OURS, (5.0, "d32", 0.15), seed=1)]  # fmt: skip
    rows, _ = compare(runs, SHAPE, CLASSES, 1500)
    assert rows[0]["seconds"] == [40.0, None]
    assert rows[1]["ratio"] == OURS_NEVER
    assert rows[1]["ratio_on_a_new_machine"] is None
    assert time_to([], 1.0) is None


def test_runs_say_how_they_were_counted_and_by_what_code():
    runs = [RUNS[0] | {"counts": EPOCHS, "commit": "0123456789-dirty"}, RUNS[1]]
    rows, lines = compare(runs, SHAPE, CLASSES, 1500)
    assert rows[1]["counted_by_training"] == [] and rows[0]["counted_by_training"] == [0]
    text = "\n".join(lines)
    assert "0123456-dirty (plain TPE 0); no commit noted (sweetspot 0)" in text
    assert f"Counted when a training had ended, not after each epoch: {OURS}, seed 0." in text


def test_searches_are_compared_seed_by_seed():
    runs = [*RUNS, run(PLAIN, (900.0, "d32", 0.8), seed=1), run(PLAIN, (9.0, "d32", 0.8), seed=2),
            run(OURS, (30.0, "d32", 0.8), seed=1)]  # fmt: skip
    rows, lines = compare(runs, SHAPE, CLASSES, 1500)
    assert rows[1]["seeds"] == [0, 1, 2] and rows[0]["seeds"] == [0, 1]
    assert rows[1]["ratio"] == (10.0 + 30.0) / 2  # ours has not run with seed 2
    assert "| plain TPE | 2, 1, 1 |" in "\n".join(lines)


def test_a_network_counts_after_each_epoch_whether_or_not_it_is_trained_to_its_end(
    tmp_path, monkeypatch
):
    recipe = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")
    started = 1_700_000_000.0

    def search(command, seconds):
        (mlruns,) = (Path(word[7:]) for word in command if word.startswith("mlruns="))
        clock = iter(started + second for second in range(1, 20))
        for number, epochs in ((0, 2), (1, 1)):
            trial = TrialSpecification(
                number=number, architecture=Architecture.parse(f"d{32 * (1 + number)}"),
                recipe=recipe, seed=0,
            )  # fmt: skip
            path = trial_log_path(mlruns / "sweeps" / OURS, number)
            with EventLog(path, clock=lambda: next(clock)) as log:
                record(log, Started(attempt=0, specification=trial, worker="a", host="h", pid=1))
                for epoch in range(1, epochs + 1):
                    result = EpochResult(
                        epoch=epoch, train_loss=1.0, train_accuracy=0.5, val_loss=1.0,
                        val_accuracy=epoch / 10, epoch_seconds=1.0, images_per_second=1.0,
                    )  # fmt: skip
                    record(log, EpochEnded(attempt=0, result=result))

    monkeypatch.setattr(front_time, "_run_for", search)
    monkeypatch.setattr("benchmarks.front_time.time.time", lambda: started)
    found = front_time.sweep_for(60.0, tmp_path, OURS)
    accuracies = [(network.architecture, network.accuracy) for network in found]
    assert accuracies == [("d32", 0.1), ("d32", 0.2), ("d64", 0.1)]
    assert [f.seconds for f in found] == [2.0, 3.0, 5.0]


def test_every_search_that_runs_is_compared():
    assert (OURS, *front_time.PEERS) == SEARCHES


def test_the_picture_has_a_line_for_every_run(tmp_path):
    draw(RUNS, SHAPE, CLASSES, 1500, tmp_path / "course.png", where="digits, a machine")
    assert (tmp_path / "course.png").read_bytes().startswith(b"\x89PNG")


def test_todays_results_are_put_together_and_short_ones_apart(tmp_path, monkeypatch):
    full, short = tmp_path / "full", tmp_path / "short"
    monkeypatch.setattr(results_files, "RESULTS", full)
    monkeypatch.setattr(results_files, "today", lambda: "2026-01-02")
    monkeypatch.setattr(results_files, "SHORT_RESULTS", short)
    assert results_files.combine(("one", "two")) is None
    results_files.keep("one", {"value": 1}, ["First."])
    results_files.keep("two", {"value": 2}, ["Second."])
    results_files.keep("two", {"value": 3}, ["Short."], short=True)
    results_files.keep("two", {"value": 4}, ["Of MNIST."], data="mnist")
    path = results_files.combine(("one", "two", "three"))
    assert path is not None and path.parent == full
    text = path.with_suffix(".md").read_text()
    assert "First." in text and "Second." in text and "Of MNIST." in text
    assert "Short." not in text
    assert [p.name for p in short.iterdir() if "two" in p.name]


def test_two_machines_results_of_a_day_are_both_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(results_files, "RESULTS", tmp_path)
    monkeypatch.setattr(results_files, "today", lambda: "2026-01-02")
    for name, value in (("A CPU (AVX2)", 1), ("Another", 2), ("Another", 3)):
        monkeypatch.setattr(results_files, "describe_device", lambda name=name: {"name": name})
        results_files.keep("one", {"value": value}, [f"It is {value}."])
    found = {p.name: json.loads(p.read_text())["value"] for p in tmp_path.glob("*.json")}
    assert found == {"2026-01-02-one.json": 3, "2026-01-02-one-a-cpu-avx2.json": 1}
    assert "It is 1." in (tmp_path / "2026-01-02-one-a-cpu-avx2.md").read_text()
    path = results_files.combine(("one",))
    assert path is not None and list(json.loads(path.read_text())["results"]) == ["one"]
