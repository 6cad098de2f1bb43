import errno
from dataclasses import replace

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.outcome import LossNotFinite, OutOfMemory, TimeUp
from pipeline.core.trial import Outcome
from pipeline.launching.heartbeat import Heartbeat
from pipeline.launching.pace import PACE_NAME
from pipeline.launching.results import model_path
from pipeline.reporting.files import read_summary
from pipeline.search.ledger import TAKEN_AWAY
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated import SimulatedTrainer
from pipeline.testing.simulated_run import run_all, run_next, simulated_run
from pipeline.tracking.event_log import EventLog, read, trial_log_path
from pipeline.tracking.story import trial_record, trial_story


def raising(error, number=2):
    def before_epoch(specification, epoch):
        if specification.number == number and epoch == 2:
            raise error

    return before_epoch


def test_a_sweep_from_claim_to_summary(plan):
    run = simulated_run(plan)
    records = run_all(run)
    assert [record.outcome for record in records] == [Outcome.COMPLETE] * 5
    summary = read_summary(plan.config.sweep_dir)
    assert summary["trials"]["complete"] == 5
    assert summary["trials"]["running"] == 0
    assert summary["references"]["cnn"]["parameters"] == 243_786
    assert summary["sweet_spot"]["trial"] in {member["trial"] for member in summary["front"]}
    kept = {int(path.stem) for path in (plan.config.sweep_dir / "models").glob("*.keras")}
    assert kept == {0, 1} | {member["trial"] for member in summary["front"]}


def test_the_event_log_tells_the_same_story_as_storage(plan):
    run = simulated_run(plan)
    records = run_all(run)
    assert run.study.records() == records
    for record in records:
        told = trial_record(read(trial_log_path(plan.config.sweep_dir, record.number)))
        assert told is not None
        assert replace(told, started=record.started, ended=record.ended) == record


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (LossNotFinite("the loss is nan"), Outcome.DIVERGED),
        (OutOfMemory("the device is full"), Outcome.OUT_OF_MEMORY),
        (MemoryError(), Outcome.OUT_OF_MEMORY),
        (ValueError("odd"), Outcome.FAILED),
    ],
    ids=["diverged", "device", "memory", "failed"],
)
def test_a_trial_that_ends_badly_does_not_end_the_sweep(plan, error, outcome):
    run = simulated_run(plan, before_epoch=raising(error))
    records = run_all(run)
    assert [record.outcome for record in records] == [
        Outcome.COMPLETE, Outcome.COMPLETE, outcome, Outcome.COMPLETE, Outcome.COMPLETE,
    ]  # fmt: skip
    assert records[2].val_accuracy == records[2].history[-1].val_accuracy  # one epoch was done
    story = trial_story(read(trial_log_path(plan.config.sweep_dir, 2)))
    assert story is not None
    assert (story.details is not None) is (outcome is Outcome.FAILED)
    assert read_summary(plan.config.sweep_dir)["trials"][outcome.value] == 1


def test_rungs_stop_trials_but_no_reference(plan, replan):
    rungs = plan.config.search.rungs.model_copy(update={"enabled": True, "peers": 2})
    run = simulated_run(replan(plan, search={"rungs": rungs, "trials": 25}))
    records = run_all(run)
    stopped = [record for record in records if record.outcome is Outcome.STOPPED]
    assert stopped
    assert all(record.specification.reference is None for record in stopped)
    assert all(record.val_accuracy == record.history[-1].val_accuracy for record in stopped)
    assert all(len(record.history) < plan.config.training.epochs for record in stopped)
    # What decides nothing is measured of those that came to their end.
    measured = {"epoch_seconds", "latency_ms"}
    assert all(not measured & record.costs.keys() for record in stopped)
    complete = [record for record in records if record.outcome is Outcome.COMPLETE]
    assert all(measured <= record.costs.keys() for record in complete)


class MeasuringTrainer(SimulatedTrainer):
    """Measures trained networks, on a machine that is slower for each trial."""

    def run(self, specification, observer, clocks, checkpoint=None):
        trained = super().run(specification, observer, clocks, checkpoint)
        slow = 1.0 + specification.number
        found = {
            "latency_reference_ms": 2.0 * slow, "latency_ratio": 0.5,
            "latency_ratio_low": 0.4, "latency_ratio_high": 0.6,
            "step_ms": slow, "step_reference_ms": 4.0 * slow, "step_ratio": 0.25,
            "step_ratio_low": 0.2, "step_ratio_high": 0.3,
        }  # fmt: skip
        costs = {"latency_ms": slow, "epoch_seconds": 10.0 * slow}
        return replace(trained, costs=trained.costs | costs, measurements=found)


def measuring_trial_run(plan):
    trainer = MeasuringTrainer(config=plan.config, description=plan.description)
    return replace(simulated_run(plan), trainer=trainer)


def test_what_is_measured_after_training_is_told_at_the_devices_pace(plan):
    for record in run_all(measuring_trial_run(plan)):
        assert record.costs["latency_ms"] == 1.0
        assert record.costs["epoch_seconds"] == pytest.approx(10.0)
        assert record.measurements["latency_measured_ms"] == 1.0 + record.number
        assert record.measurements["epoch_high_seconds"] == pytest.approx(12.0)
        assert record.costs["train_seconds"] > 0
        logged = trial_record(read(trial_log_path(plan.config.sweep_dir, record.number)))
        assert logged == replace(record, started=logged.started)


def test_all_seconds_of_a_sweep_are_those_of_the_device_that_measured_first(plan):
    for claimed in range(3):
        device = {"name": f"machine {claimed}"}
        run = replace(measuring_trial_run(plan), device=device)
        record = run_next(run)
        assert record.costs["latency_ms"] == 1.0
        assert record.measurements["latency_measured_ms"] == 1.0 + claimed


def test_a_pace_that_cannot_be_kept_queues_a_trained_trial_again(plan):
    paces = plan.config.mlruns / PACE_NAME
    paces.write_text("[")
    for _ in range(plan.config.search.max_retries + 2):  # it is not the trial's fault
        run = measuring_trial_run(plan)  # a new worker each time, which knows of no pace
        with pytest.raises(StorageError, match=r"pace\.json is damaged; remove it"):
            run_next(run)
    story = trial_story(read(trial_log_path(plan.config.sweep_dir, 0)))
    assert story is not None and story.record.outcome is Outcome.INTERRUPTED
    assert len(story.record.history) == plan.config.training.epochs
    paces.unlink()
    records = run_all(measuring_trial_run(plan))
    assert sorted(record.number for record in records) == [0, 1, 2, 3, 4]
    assert {record.outcome for record in records} == {Outcome.COMPLETE}
    assert all("latency_ms" in record.costs for record in records)


def test_a_worker_told_to_leave_hands_its_trial_on(plan):
    told: list[str] = []

    def before_epoch(specification, epoch):
        if specification.number == 2 and epoch == 2:
            told.append("the worker was told to leave")

    run = simulated_run(
        plan, before_epoch=before_epoch, must_leave=lambda: told[0] if told else None
    )
    for _ in range(3):
        record = run_next(run)
    assert record.outcome is Outcome.INTERRUPTED
    assert record.reason == "the worker was told to leave"
    records = run_all(simulated_run(plan))
    assert [r.number for r in records] == [2, 3, 4]
    assert records[0].specification.attempt == 1
    story = trial_story(read(trial_log_path(plan.config.sweep_dir, 2)))
    assert story is not None and story.retries == 1
    assert story.record.outcome is Outcome.COMPLETE


def test_a_worker_whose_trial_was_given_to_another_one_stops_at_the_next_step(plan, monkeypatch):
    begun: list[int] = []
    monkeypatch.setattr(Heartbeat, "taken_away", property(lambda heart: bool(begun)))
    run = simulated_run(plan, before_epoch=lambda specification, epoch: begun.append(epoch))
    record = run_next(run)
    assert (record.outcome, record.reason) == (Outcome.INTERRUPTED, TAKEN_AWAY)
    assert begun == [1]


def test_a_trained_trial_is_handed_on_where_its_worker_has_to_leave(plan):
    told: list[str] = []
    epochs = plan.config.training.epochs

    class Leaving(SimulatedTrainer):
        def run(self, specification, observer, clocks, checkpoint=None):
            ended = observer.epoch_ended

            def epoch_ended(result, costs, *, last):
                ended(result, costs, last=last)
                if result.epoch == epochs and specification.number == 2:
                    told.append("the worker was told to leave")

            observer.epoch_ended = epoch_ended
            return super().run(specification, observer, clocks, checkpoint)

    run = simulated_run(plan, must_leave=lambda: told[0] if told else None)
    trainer = Leaving(config=plan.config, description=plan.description)
    run = replace(run, trainer=trainer)
    records = [run_next(run) for _ in range(3)]
    assert [r.outcome for r in records[:2]] == [Outcome.COMPLETE] * 2
    assert records[2].outcome is Outcome.INTERRUPTED
    assert len(records[2].history) == epochs


def test_a_trained_trial_is_not_timed_out_any_more(plan, replan):
    run = simulated_run(replan(plan, training={"max_seconds": 1000.0}))

    class Slow(SimulatedTrainer):
        def run(self, specification, observer, clocks, checkpoint=None):
            measuring = observer.between_measurements

            def between_measurements():
                observer._started -= 1001.0
                with pytest.raises(TimeUp):
                    observer.between_executions()
                measuring()

            observer.between_measurements = between_measurements
            return super().run(specification, observer, clocks, checkpoint)

    trainer = Slow(config=run.config, description=run.description)
    records = run_all(replace(run, trainer=trainer))
    assert {(r.outcome, r.reason) for r in records} == {(Outcome.COMPLETE, None)}


def test_a_trial_that_takes_too_long_is_timed_out(plan, replan):
    run = simulated_run(replan(plan, training={"max_seconds": 1e-9}))
    record = run_next(run)
    assert record.outcome is Outcome.TIMED_OUT
    assert record.reason == "took longer than training.max_seconds=1e-09"


def test_a_reference_that_does_not_fit_small_images_is_infeasible(plan):
    small = replace(plan.description, image_shape=(8, 8, 1))
    run = replace(simulated_run(plan), description=small)
    assert run_next(run).outcome is Outcome.COMPLETE
    cnn = run_next(run)
    assert cnn.outcome is Outcome.INFEASIBLE
    assert "does not fit" in (cnn.reason or "") or "too small to pool" in (cnn.reason or "")


def test_a_cost_that_cannot_be_measured_is_a_failure_not_a_number(plan, replan):
    run = simulated_run(replan(plan, objective={"costs": ("device_memory_mib",)}))
    record = run_next(run)
    assert record.outcome is Outcome.FAILED
    assert "device_memory_mib could not be measured" in (record.reason or "")


def test_a_full_disk_ends_the_worker_and_leaves_earlier_trials_intact(plan, monkeypatch):
    run = simulated_run(plan)
    first = run_next(run)
    append = EventLog.append

    def full(self, kind, **values):
        if kind == "epoch":
            raise StorageError("the event log cannot be written: the disk is full") from OSError(
                errno.ENOSPC, "full"
            )
        return append(self, kind, **values)

    monkeypatch.setattr(EventLog, "append", full)
    for _ in range(plan.config.search.max_retries + 2):  # it is not the trial's fault
        with pytest.raises(StorageError, match="disk is full"):
            run_next(run)
    monkeypatch.undo()
    again = simulated_run(plan)
    records = run_all(again)
    assert sorted(record.number for record in records) == [1, 2, 3, 4]
    assert {record.outcome for record in again.study.records()} == {Outcome.COMPLETE}
    assert again.study.records()[0] == first


def test_a_model_without_room_queues_its_trial_again(plan, monkeypatch):
    run = simulated_run(plan)

    def full(self, trained, path):
        raise StorageError(f"the model {path} cannot be written: No space left on device")

    monkeypatch.setattr(SimulatedTrainer, "save", full)
    for _ in range(plan.config.search.max_retries + 2):
        with pytest.raises(StorageError, match="cannot be written: No space"):
            run_next(run)
    monkeypatch.undo()
    assert {record.outcome for record in run_all(run)} == {Outcome.COMPLETE}
    path = trial_log_path(plan.config.sweep_dir, 0)
    assert trial_record(read(path)).outcome is Outcome.COMPLETE


def test_an_ending_that_storage_never_heard_of_is_written_anew(plan, replan, monkeypatch):
    run = simulated_run(replan(plan, search={"max_retries": 0}))

    def away(*_):
        raise StorageError("the server does not answer")

    monkeypatch.setattr(SweepStudy, "end", away)
    with pytest.raises(StorageError, match="does not answer"):
        run_next(run)
    monkeypatch.undo()
    path = trial_log_path(plan.config.sweep_dir, 0)
    assert trial_record(read(path)).outcome is Outcome.COMPLETE
    run.study.recover(lambda worker: False, lambda bare: bare)  # and the disk was full then
    for _ in range(2):
        run.results.complete_logs(run.study)
    assert trial_record(read(path)).outcome is Outcome.FAILED
    assert sum(event.kind == "ended" for event in read(path)) == 2


def test_models_of_trials_that_left_the_front_are_removed(plan, replan):
    run = simulated_run(replan(plan, search={"trials": 20}))
    models = plan.config.sweep_dir / "models"
    models.mkdir()
    unfinished = models / ".0003-4711.keras"  # another worker's, or a dead one's
    unfinished.write_bytes(b"half a mod")
    seen = set()
    while (claim := run.study.claim("w")) is not None:
        run.run(claim)
        seen |= {int(path.stem) for path in models.glob("[0-9]*.keras")}
    front = {m["trial"] for m in read_summary(plan.config.sweep_dir)["front"]}
    kept = {int(path.stem) for path in models.glob("[0-9]*.keras")}
    assert unfinished.exists()
    assert kept == front | {0, 1}
    gone = seen - kept
    assert gone
    for number in gone:
        story = trial_story(read(trial_log_path(plan.config.sweep_dir, number)))
        assert story is not None and story.model is None
    assert model_path(plan.config.sweep_dir, 0).exists()


def losses(study):
    return [trial.user_attrs["losses"] for trial in study._trials()]


@pytest.mark.parametrize("broken", ["append", "open"])
def test_a_disk_too_full_for_any_event_is_not_a_lost_worker(plan, monkeypatch, broken):
    run = simulated_run(plan)

    def full(self, *_, **__):
        raise StorageError("the event log cannot be written: the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, {"append": "append", "open": "__init__"}[broken], full)
        for _ in range(plan.config.search.max_retries + 2):
            with pytest.raises(StorageError, match="disk is full"):
                run_next(run)
            assert run.study.recover(lambda worker: False, lambda bare: bare) == []
    assert set(losses(run.study)) == {0}
    assert {record.outcome for record in run_all(simulated_run(plan))} == {Outcome.COMPLETE}
    run.results.complete_logs(run.study)
    known = trial_record(read(trial_log_path(plan.config.sweep_dir, 0)))
    assert known is not None and known.outcome is Outcome.COMPLETE


def test_an_end_without_room_queues_its_trial_again(plan, monkeypatch):
    run = simulated_run(plan)
    append = EventLog.append

    def full(self, kind, **values):
        if kind == "ended":
            raise StorageError("the event log cannot be written: the disk is full")
        return append(self, kind, **values)

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "append", full)
        with pytest.raises(StorageError, match="disk is full"):
            run_next(run)
    assert run.study.recover(lambda worker: False, lambda bare: bare) == []
    (record,) = run.study.records()
    assert record.outcome is Outcome.INTERRUPTED and set(losses(run.study)) == {0}
    run.results.complete_logs(run.study)
    known = trial_record(read(trial_log_path(plan.config.sweep_dir, 0)))
    assert known is not None and known.outcome is Outcome.INTERRUPTED
    assert {record.outcome for record in run_all(run)} == {Outcome.COMPLETE}
