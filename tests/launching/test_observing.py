"""What is told of a trial while it trains."""

import pytest

from pipeline.core.outcome import LimitBroken, StoppedAtRung
from pipeline.core.trial import EpochResult
from pipeline.launching.observing import ClaimObserver
from pipeline.launching.pace import DevicePace, SweepPace
from pipeline.measuring.clocks import Clocks
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, trial_log_path


def test_what_may_have_been_measured_elsewhere_is_no_pace_of_this_device(plan):
    claim = SweepStudy(plan.config, plan.space).claim("w")
    assert claim is not None
    measured = {"step_ms": 1.0, "step_ratio": 0.25, "step_ratio_low": 0.2, "step_ratio_high": 0.3}
    told = []
    for again, reference in ((True, 4.0), (False, 8.0), (True, 4.0)):
        with EventLog(trial_log_path(plan.config.sweep_dir, 0)) as log:
            observer = ClaimObserver(
                plan.config, claim, log, Clocks(),
                pace=lambda: SweepPace(
                    plan.config.sweep_dir, DevicePace(plan.config.mlruns, {"name": "this one"})
                ),
                journey=lambda: (),
                reason_to_leave=lambda: None,
                reason_to_stop=lambda *_: None,
            )  # fmt: skip
            found = measured | {"step_reference_ms": reference}
            observer.measured({"epoch_seconds": 10.0}, found, "", again=again)
        told.append(observer.so_far.costs["epoch_seconds"])
    # Nobody knows the pace; it is measured, twice what the clock showed; and it stays.
    assert told == [10.0, 20.0, 20.0]


def observer_of(plan, log: EventLog, reason_to_stop=lambda *_: None) -> ClaimObserver:
    claim = SweepStudy(plan.config, plan.space).claim("w")
    assert claim is not None
    return ClaimObserver(
        plan.config, claim, log, Clocks(),
        pace=lambda: SweepPace(plan.config.sweep_dir, DevicePace(plan.config.mlruns, {})),
        journey=lambda: (),
        reason_to_leave=lambda: None,
        reason_to_stop=reason_to_stop,
    )  # fmt: skip


def epoch(number: int, accuracy: float, seconds: float) -> EpochResult:
    return EpochResult(
        epoch=number, train_loss=0.5, train_accuracy=accuracy, val_loss=0.5,
        val_accuracy=accuracy, epoch_seconds=seconds, images_per_second=1.0,
    )  # fmt: skip


@pytest.mark.parametrize("decides", [True, False])
def test_what_training_took_is_told_in_epochs_at_the_pace(plan, replan, decides):
    plan = replan(plan, objective={"target_accuracy": 0.8})
    with EventLog(trial_log_path(plan.config.sweep_dir, 0)) as log:
        observer = observer_of(plan, log)
        first, last = ({"epoch_seconds": 2.0}, {}) if decides else ({}, {"epoch_seconds": 2.0})
        observer.measured(first, {}, "")
        # A neighbour trained beside it: three times as long as alone. One epoch is done again.
        for number, accuracy in ((1, 0.5), (2, 0.7), (2, 0.7), (3, 0.81), (4, 0.79)):
            observer.epoch_ended(epoch(number, accuracy, 6.0), {"train_seconds": 6.0 * number})
        observer.trained(last | {"train_seconds": 24.0, "time_to_accuracy_seconds": 18.0}, {})
    assert observer.so_far.costs == {
        "epoch_seconds": 2.0, "train_seconds": 8.0, "time_to_accuracy_seconds": 6.0
    }  # fmt: skip
    assert observer.so_far.measurements == {
        "train_measured_seconds": 24.0, "time_to_accuracy_measured_seconds": 18.0
    }  # fmt: skip


def test_a_limit_on_training_holds_for_the_clock_and_for_the_pace(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"train_seconds": 10.0})
    plan = replan(plan, objective={"limits": limits})
    study = SweepStudy(plan.config, plan.space)
    for _ in range(2):
        study.claim("w")  # the references, which are exempt from limits
    with EventLog(trial_log_path(plan.config.sweep_dir, 2)) as log:
        observer = observer_of(plan, log)
        observer.measured({"epoch_seconds": 6.0}, {}, "")
        for number in (1, 2):
            observer.epoch_ended(epoch(number, 0.5, 4.0), {"train_seconds": 4.0 * number})
        with pytest.raises(LimitBroken, match="train_seconds 12 is above its limit 10"):
            observer.epoch_ended(epoch(3, 0.5, 4.0), {"train_seconds": 12.0})
        observer.so_far.history.pop()
        with pytest.raises(LimitBroken, match="train_seconds 12 is above its limit 10"):
            observer.trained({"train_seconds": 8.0}, {})


def test_a_training_that_has_come_to_its_end_is_not_stopped_any_more(plan, replan):
    rungs = plan.config.search.rungs.model_copy(update={"enabled": True, "first": 1})
    plan = replan(plan, search={"rungs": rungs})
    study = SweepStudy(plan.config, plan.space)
    for _ in range(2):
        study.claim("w")  # the references, which are never stopped
    with EventLog(trial_log_path(plan.config.sweep_dir, 2)) as log:
        observer = observer_of(plan, log, lambda *_: "hopeless")
        observer.measured({"epoch_seconds": 6.0}, {}, "")
        with pytest.raises(StoppedAtRung, match="hopeless"):
            observer.epoch_ended(epoch(1, 0.5, 4.0), {"train_seconds": 4.0})
        observer.epoch_ended(epoch(1, 0.5, 4.0), {"train_seconds": 4.0}, last=True)
    (told,) = [record for record in study.records() if record.number == 2]
    assert told.outcome is None
