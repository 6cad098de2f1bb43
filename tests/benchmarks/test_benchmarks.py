"""How the benchmarks read what they have measured."""

import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import (
    front_time,
    memory,
    overhead,
    profile,
    results_files,
    running,
    scaling,
    start_up,
    stopping,
    table,
    throughput,
)
from benchmarks.__main__ import main
from benchmarks.fronts import architectures_of
from benchmarks.peak import training_operations
from benchmarks.results_files import NotHereError
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.architecture import REFERENCES
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.measuring.automatic import Calibration, automatic, by_rule
from pipeline.testing.faults import SimulatedClock
from pipeline.tracking.event_log import EventLog, read, trial_log_path
from pipeline.tracking.events import Ended, EpochEnded, Measured, Started, record

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")
CLOCKS = {"build_and_trace": 2.0, "first_step": 1.0, "measuring": 3.0, "training": 5.0,
          "evaluation": 0.5}  # fmt: skip


def trial(number, started, ended, clocks=CLOCKS):
    specification = TrialSpecification(
        number=number, architecture=REFERENCES["dnn"], recipe=RECIPE, seed=0
    )
    return TrialRecord(
        specification=specification, outcome=Outcome.COMPLETE, clocks=clocks, started=started,
        ended=ended, history=(
            EpochResult(epoch=1, train_loss=1.0, train_accuracy=0.5, val_loss=1.0,
                        val_accuracy=0.5, epoch_seconds=5.0, images_per_second=1.0),
        ),
    )  # fmt: skip


def test_the_parts_of_the_workers_time_add_up():
    done = [
        overhead.WorkerTrial(worker=worker, record=trial(number, started, ended))
        for worker, number, started, ended in (
            ("a", 0, 110.0, 122.0), ("b", 1, 111.0, 123.0), ("a", 2, 123.5, 136.0),
        )
    ]  # fmt: skip
    parts = overhead.where_time_goes(done, 100.0, 137.5, 140.0)
    assert sum(parts.values()) == pytest.approx(2 * 40.0)
    assert parts["training"] == 15.0 and parts["start-up"] == 21.0
    assert parts["between trials"] == 1.5 and parts["end"] == 2.5 + 17.0
    assert parts[overhead.FINAL] == 1.5
    assert parts["rest of a trial"] == pytest.approx(0.5 + 0.5 + 1.0)


def test_who_waits_or_has_ended_leaves_the_device_to_others():
    clocks = CLOCKS | {"waiting": 0.25}
    done = [
        overhead.WorkerTrial(worker=worker, record=trial(number, started, ended, clocks))
        for worker, number, started, ended in (
            ("a", 0, 110.0, 122.0), ("b", 1, 111.0, 123.0), ("a", 2, 123.5, 136.0),
        )
    ]  # fmt: skip
    # Of a, which ends last: before its first and after its last trial, building, between its
    # trials, and what no clock has seen. Whatever b does meanwhile, a works in all the rest.
    unseen = 24.5 - 2 * sum(clocks.values())
    idle = overhead.idle_at_most(done, 100.0, 137.5, 140.0)
    assert idle == pytest.approx(10.0 + 2.5 + 2 * 2.0 + 1.5 + unseen)


def test_the_first_steps_are_found_in_a_trials_log(tmp_path):
    times = iter((10.0, 20.0, 30.0, 31.0))
    path = trial_log_path(tmp_path, 0)
    ended = trial(0, 10.0, 31.0)
    with EventLog(path, clock=lambda: next(times)) as log:
        record(log, Started(attempt=0, specification=ended.specification, worker="a", host="h",
                            pid=1))  # fmt: skip
        record(log, Measured(attempt=0, costs={}, measurements={}, summary="", journey=(),
                             clocks={"waiting": 0.5, "measuring": 1.5, "first_step": 1.0},
                             ))  # fmt: skip
        record(log, EpochEnded(attempt=0, result=ended.history[0]))
        record(log, Ended(attempt=0, record=ended))
    found = start_up.moments(read(path))
    assert found == {"claimed": 10.0, "stepped": 17.0, "trained": 24.5}


def test_the_slope_leaves_the_first_trials_out():
    assert memory.slope_after([500.0, 900.0, 100.0, 102.0, 104.0, 106.0], 2) == pytest.approx(2.0)


def row(efficiency, trials_an_hour):
    return {"efficiency": efficiency, "trials_an_hour": trials_an_hour}


def test_the_storage_is_the_limit_where_the_efficiency_falls():
    rows = [row(1.0, 360.0), row(0.95, 1000.0), row(0.75, 2000.0), row(0.5, 2500.0)]
    assert scaling.most_carried(rows) == rows[1]
    assert scaling.most_carried([*rows, row(0.9, 9000.0)]) == rows[1]  # chance
    assert scaling.most_carried(rows[:1]) == rows[0]


def test_simulated_workers_end_their_trials_in_the_journal(tmp_path):
    config, (study,) = scaling._open(tmp_path, 1)
    cycle = scaling.train(study, "0", (1, 2, 4), 0.0)
    assert 0 < cycle.claimed + cycle.ended <= cycle.seconds
    (done,) = study.records()
    assert done.outcome is Outcome.COMPLETE and config.search.rungs.enabled


def test_the_memory_of_each_worker_is_its_highest():
    assert memory.highest_of_each([1.0, 5.0, 2.0, 4.0, 3.0], 2) == [5.0, 4.0, 3.0]


def test_all_that_a_process_holds_is_read_until_it_ends(monkeypatch):
    monkeypatch.setattr(memory, "READ_SECONDS", 0.01)
    # Two processes that share 95 MiB, until they have been read.
    program = "held = b'x' * 100_000_000; import os; os.fork(); os.read(0, 1)"
    with subprocess.Popen([sys.executable, "-Sc", program], stdin=subprocess.PIPE) as process:
        readings, deadline = [], time.monotonic() + 120.0
        for mib in memory._held(process):
            readings.append(mib)
            if mib > 95 or time.monotonic() > deadline:
                assert process.stdin is not None
                process.stdin.close()
    assert 95 < max(readings) < 150


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "there is no nothing"),
        (["memory", "data=mnist"], "memory takes no data="),
        (["overhead", "data=flowers"], "data=flowers: choose auto, "),
        (["overhead", "seeds=1"], "overhead takes no seeds="),
        (["front_time", "seeds=one"], "seeds=one: numbers with commas"),
        (["overhead", "trials=3"], "there is no trials="),
        (["overhead", "--fast"], "there is no --fast"),
        (["seeds=1"], "seeds= is for front_time"),
    ],
)
def test_what_no_benchmark_can_is_said(words, said, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"benchmarks: {said}") and error.count("\n") == 1


def test_a_benchmark_is_told_what_was_asked(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(front_time, "main", lambda short, **words: asked.append((short, words)))
    monkeypatch.setattr(results_files, "SHORT_RESULTS", tmp_path)
    assert main(["front_time", "--short", "data=mnist", "seeds=0,2"]) == 0
    assert asked == [(True, {"data": "mnist", "seeds": (0, 2)})]


def test_what_is_not_here_is_said_and_nothing_is_wrong(monkeypatch, tmp_path, capsys):
    def gone(short):
        raise NotHereError("there is none here")

    monkeypatch.setattr(memory, "main", gone)
    monkeypatch.setattr(results_files, "SHORT_RESULTS", tmp_path)
    assert main(["memory", "--short"]) == 0
    assert capsys.readouterr().out == "memory: there is none here\n"


def test_several_benchmarks_have_a_process_each_and_the_worst_status_counts(monkeypatch):
    asked = []

    def run(words, check):
        asked.append(words[3:])
        return SimpleNamespace(returncode=2 if words[3] == "recipe" else 0)

    monkeypatch.setattr("benchmarks.__main__.subprocess.run", run)
    assert main(["recipe", "overhead", "--short", "data=mnist"]) == 2
    assert asked == [[name, "--short", "data=mnist"] for name in ("recipe", "overhead")]


def test_the_image_needs_no_gradient():
    # d128: 100,352 multiply-accumulates of the image, which has none, and 1,280 behind.
    assert training_operations(REFERENCES["dnn"], (28, 28, 1), 10) == 4 * 100_352 + 6 * 1_280


def test_the_default_recipe_is_told_by_its_cheapest_that_is_accurate_enough():
    rows = [
        {"accuracy": 0.90, "seconds": 100.0, "time_share": 1.0},
        {"accuracy": 0.91, "seconds": 20.0, "time_share": 0.2, "precision": "float32",
         "overrides": ["training.learning_rate=1"]},
        {"accuracy": 0.89, "seconds": 30.0, "time_share": 0.3, "precision": "float32",
         "overrides": []},
        {"accuracy": 0.92, "seconds": 40.0, "time_share": 0.4, "precision": "float32",
         "overrides": []},
    ]  # fmt: skip
    # The cheapest of the default recipe's that is accurate enough; what has settings is not it.
    assert table._recipe({"rows": rows}) == "40%, +2.0 points of accuracy"
    assert table._recipe({"rows": rows[:3]}) == "30%, -1.0 points of accuracy"


def test_networks_are_counted_once_however_often_they_were_trained():
    found = [[1.0, "d32", 0.5], [2.0, "d32", 0.6], [3.0, "d64", 0.6], [9.0, "d128", 0.7]]
    assert architectures_of(found, 5.0) == 2


def test_a_pools_relu_is_a_part_with_it():
    names = ("convolution_1", "pooling_1", "activation_1", "flatten", "dense")
    joined = profile.joined([SimpleNamespace(name=name) for name in names])
    assert [[layer.name for layer in part] for part in joined] == [
        ["convolution_1"], ["pooling_1", "activation_1"], ["flatten"], ["dense"],
    ]  # fmt: skip


def test_a_parts_time_is_told_as_its_share_of_the_step_of_the_same_turn(monkeypatch):
    clock = SimulatedClock()
    # The machine is slow for the first two turns, which do not count, and in the last one.
    pace = [9.0, 9.0, 1.0, 1.0, 8.0]
    turns = 0

    def part(name, seconds):
        return profile.Part(
            name=name, run=lambda: clock.sleep(seconds * pace[turns - 1]), operations=0.0
        )

    def step():
        nonlocal turns
        turns += 1
        clock.sleep(10.0 * profile.STEPS * pace[turns - 1])

    whole = profile.Part(name="whole", run=step, operations=0.0)
    monkeypatch.setattr("benchmarks.profile.now", clock.now)
    milliseconds, shares = profile.timed(whole, [part("a", 2.0), part("b", 7.0)], turns=3)
    assert milliseconds == pytest.approx({"whole": 10e3, "a": 2e3, "b": 7e3})
    assert shares == pytest.approx({"whole": 1.0, "a": 0.2, "b": 0.7})


def test_without_curves_of_its_data_stopping_says_how_to_have_them(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.recording.CURVES", tmp_path)
    with pytest.raises(NotHereError, match=r"no learning curves of mnist .* with data=mnist$"):
        stopping.main(short=True, data="mnist")
    asked = "mnist-seed-2 are recorded; .* with data=mnist seeds=2$"
    with pytest.raises(NotHereError, match=asked):
        stopping.main(short=True, data="mnist", seeds=(2,))


class SweptError(Exception):
    """Ends a benchmark where it would begin a sweep."""


@pytest.mark.parametrize(
    ("module", "run"),
    [
        (throughput, lambda: throughput.train_reference(1, "digits")),
        (overhead, lambda: overhead.main(short=True)),
    ],
    ids=["throughput", "overhead"],
)
def test_a_machine_is_calibrated_once_before_the_sweeps_that_are_timed(monkeypatch, module, run):
    answer = replace(by_rule(), workers=1, steps_per_execution=240)
    measured, swept = [], []

    def calibrate(machine, start):
        measured.append(machine)
        return Calibration(
            answer=answer, measured_on={"name": "this"}, date="2026-11-30", seconds=30.0, tried=()
        )

    def sweep(mlruns, name, *overrides):
        words = (f"mlruns={mlruns}", *overrides)
        config = compose(CommandLine(command="sweep", overrides=words))
        swept.append((config.search.trials, automatic(config)))
        raise SweptError

    running._calibration.cache_clear()
    monkeypatch.setattr(running, "calibrate", calibrate)
    monkeypatch.setattr(module, "run_sweep", sweep)
    for _ in range(2):
        with pytest.raises(SweptError):
            run()
    running._calibration.cache_clear()
    assert len(measured) == 1
    assert [auto for _, auto in swept] == [answer, answer]
    # Of the reference, twice a worker, and the other reference.
    assert module is overhead or [trials for trials, _ in swept] == [3, 3]
