"""How the benchmarks read what they have measured."""

import pytest

from benchmarks import memory, overhead, scaling, start_up
from pipeline.core.architecture import REFERENCES
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification
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
    parts = overhead.where_time_goes(done, 100.0, 140.0)
    assert sum(parts.values()) == pytest.approx(2 * 40.0)
    assert parts["training"] == 15.0 and parts["start-up"] == 21.0
    assert parts["between trials"] == 1.5 and parts["end"] == 4.0 + 17.0
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
    idle = overhead.idle_at_most(done, 100.0, 140.0)
    assert idle == pytest.approx(10.0 + 4.0 + 2 * 2.0 + 1.5 + unseen)


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
