"""What is told of a trial while it trains."""

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
