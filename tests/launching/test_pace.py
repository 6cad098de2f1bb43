import json
from dataclasses import replace

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.pace import TIMED_WARM, at_pace
from pipeline.launching.pace import PACE_NAME, DevicePace, SweepPace
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import Measured, Started, record

DEVICE = {"device": "cpu", "name": "EPYC", "cores": "2", "memory_mib": "24000"}


def test_the_first_measurement_is_kept_for_all_that_follow(tmp_path):
    here = DevicePace(tmp_path, DEVICE)
    assert here.known_or({"step_reference_ms": 2.0}) == {"step_reference_ms": 2.0}
    assert here.known_or({"step_reference_ms": 5.0}) == {"step_reference_ms": 2.0}
    assert DevicePace(tmp_path, DEVICE).known_or({"step_reference_ms": 7.0}) == {
        "step_reference_ms": 2.0
    }


def test_what_is_measured_later_is_added(tmp_path):
    DevicePace(tmp_path, DEVICE).known_or({"latency_reference_ms": 1.0})
    both = {"latency_reference_ms": 3.0, "latency_256_reference_ms": 40.0}
    assert DevicePace(tmp_path, DEVICE).known_or(both) == {
        "latency_reference_ms": 1.0,
        "latency_256_reference_ms": 40.0,
    }


def test_another_device_or_question_has_a_pace_of_its_own(plan, monkeypatch):
    slow = DevicePace.of(plan.config, plan.description, DEVICE, 1)
    slow.known_or({"step_reference_ms": 9.0})
    measured = {"step_reference_ms": 1.0}
    fast = {**DEVICE, "name": "Xeon"}
    assert DevicePace.of(plan.config, plan.description, fast, 1).known_or(measured) == measured
    assert DevicePace.of(plan.config, plan.description, DEVICE, 2).known_or(measured) == measured
    # How much memory the system leaves changes no time.
    restarted = {**DEVICE, "memory_mib": "23990"}
    again = DevicePace.of(plan.config, plan.description, restarted, 1)
    assert again.known_or(measured) == {"step_reference_ms": 9.0}
    monkeypatch.setattr("pipeline.launching.pace.backend_part", lambda: {"KERAS_BACKEND": "jax"})
    assert DevicePace.of(plan.config, plan.description, DEVICE, 1).known_or(measured) == measured


def test_averaging_takes_its_time_in_each_step(plan, replan):
    interim, ema, none = (
        DevicePace.of(
            replan(plan, training={"averaging": averaging}).config, plan.description, DEVICE, 1
        )
        for averaging in ("interim", "ema", "none")
    )
    measured = {"step_reference_ms": 9.0}
    assert interim.known_or(measured) == measured
    assert ema.known_or({"step_reference_ms": 1.0}) == measured
    assert none.known_or({"step_reference_ms": 1.0}) == {"step_reference_ms": 1.0}


def test_a_short_epoch_has_its_share_of_the_call_in_each_step(plan, tmp_path):
    images = replace(plan.description, train=60_000)
    long = DevicePace.of(plan.config, images, DEVICE, 1)
    long.known_or({"step_reference_ms": 9.0})
    longer, short = (replace(images, train=train) for train in (50_000, 20))
    measured = {"step_reference_ms": 1.0}
    assert DevicePace.of(plan.config, longer, DEVICE, 1).known_or(measured) == {
        "step_reference_ms": 9.0
    }
    # What was kept before short epochs were told apart stays valid.
    (key,) = json.loads((plan.config.mlruns / PACE_NAME).read_text())
    assert "steps_per_call" not in json.loads(key)
    assert DevicePace.of(plan.config, short, DEVICE, 1).known_or(measured) == measured


def test_nothing_measured_keeps_nothing(tmp_path):
    assert DevicePace(tmp_path, DEVICE).known_or({}) == {}
    assert not (tmp_path / PACE_NAME).exists()


def test_a_sweep_keeps_the_pace_of_the_device_that_measures_first(tmp_path):
    slow, fast = DevicePace(tmp_path, DEVICE), DevicePace(tmp_path, {**DEVICE, "name": "Xeon"})
    slow.known_or({"step_reference_ms": 9.0})
    one, another = tmp_path / "one", tmp_path / "another"
    for folder in (one, another):
        folder.mkdir()
    assert SweepPace(one, slow).known() == {}
    # The number that this device has given to sweeps before, whatever the clock shows now.
    assert SweepPace(one, slow).known_or({"step_reference_ms": 7.0}) == {"step_reference_ms": 9.0}
    elsewhere = SweepPace(one, fast)
    assert elsewhere.known() == {"step_reference_ms": 9.0}
    assert elsewhere.known_or({"step_reference_ms": 1.0}) == {"step_reference_ms": 9.0}
    # Nor has it become that of a device that came later.
    assert SweepPace(another, fast).known_or({"step_reference_ms": 2.0}) == {
        "step_reference_ms": 2.0
    }


def test_what_no_device_of_the_sweep_has_measured_is_added_to_its_pace(tmp_path):
    slow, fast = DevicePace(tmp_path, DEVICE), DevicePace(tmp_path, {**DEVICE, "name": "Xeon"})
    folder = tmp_path / "sweep"
    folder.mkdir()
    here, there = SweepPace(folder, slow), SweepPace(folder, fast)
    here.known_or({"step_reference_ms": 9.0})
    both = {"step_reference_ms": 9.0, "latency_reference_ms": 0.5}
    assert there.known_or({"step_reference_ms": 1.0, "latency_reference_ms": 0.5}) == both
    assert here.known_or({"latency_reference_ms": 4.0}) == both
    assert json.loads((folder / PACE_NAME).read_text()) == both


def test_a_sweep_that_has_kept_no_pace_goes_on_at_the_one_it_has_told(plan):
    claim = SweepStudy(plan.config, plan.space).claim("w")
    assert claim is not None
    clock = {"step_reference_ms": 4.0, "step_ratio": 0.3, "step_ms": 1.5}
    clock |= {"latency_reference_ms": 6.0, "latency_ratio": 0.5, "latency_batch_size": 64.0}
    clock |= {f"{name}_ratio_{end}": 0.4 for name in ("step", "latency") for end in ("low", "high")}
    pace = {"step_reference_ms": 5.0, "latency_64_reference_ms": 8.0}
    costs, told = at_pace({"epoch_seconds": 2.0, "latency_ms": 3.1}, clock, pace)
    assert told["step_ms"] == 1.5 and costs["latency_ms"] == 4.0
    with EventLog(trial_log_path(plan.config.sweep_dir, 0)) as log:
        started = Started(
            attempt=0, specification=claim.specification, worker="w", host="h", pid=1, device=DEVICE
        )
        record(log, started)
        record(
            log,
            Measured(attempt=0, costs=costs, measurements=told, summary="", journey=(), clocks={}),
        )
    moved = DevicePace(plan.config.mlruns, {**DEVICE, "name": "Xeon"})
    measured = {"step_reference_ms": 1.0, "latency_64_reference_ms": 1.0}
    assert SweepPace(plan.config.sweep_dir, moved).known_or(measured) == pytest.approx(pace)
    assert SweepPace(plan.config.sweep_dir, moved).known() == pytest.approx(pace)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / PACE_NAME).write_text(content)
    with pytest.raises(StorageError, match=r"pace.json is damaged; remove it"):
        DevicePace(tmp_path, DEVICE).known_or({"step_reference_ms": 1.0})


def test_people_can_read_it(tmp_path):
    DevicePace(tmp_path, DEVICE).known_or({"step_reference_ms": 2.0})
    ((key, entry),) = json.loads((tmp_path / PACE_NAME).read_text()).items()
    assert json.loads(key) == DEVICE
    assert entry["ms"] == {"step_reference_ms": 2.0} and entry["since"].endswith("+00:00")


def test_latencies_go_on_at_the_pace_from_before_steps_were_timed_warm(tmp_path):
    before = DevicePace(tmp_path, {"device": "cpu"})
    before.known_or({"step_reference_ms": 9.0, "latency_reference_ms": 2.0})
    now = DevicePace(tmp_path, {"device": "cpu", **TIMED_WARM})
    assert now.known_or({"step_reference_ms": 1.0, "latency_reference_ms": 1.0}) == {
        "step_reference_ms": 1.0,
        "latency_reference_ms": 2.0,
    }
    assert before.known_or({"step_reference_ms": 1.0})["step_reference_ms"] == 9.0
