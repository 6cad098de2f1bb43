"""What a supervisor sees while its workers work."""

import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.outcome import Ending
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.launching import local
from pipeline.launching.forking import Assignment
from pipeline.launching.local import LocalSupervisor, WorkersFailed
from pipeline.launching.presence import Presence, was_told
from pipeline.launching.results import SweepResults
from pipeline.launching.running_worker import RunningWorker
from pipeline.launching.worker import RECYCLE_STATUS, out_of_time
from pipeline.measuring import automatic
from pipeline.measuring.machine import Gpu, this_machine
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, record


def test_what_a_worker_that_is_not_its_own_leaves_is_queued_again(plan, monkeypatch):
    study = SweepStudy(plan.config, plan.space)
    results = SweepResults(plan.config, plan.description)
    assert study.claim("gone-1") is not None
    supervisor = LocalSupervisor(plan=plan, say=print, show=lambda: None)
    end = time.monotonic() + 60.0

    def poll():
        """Work until the trial waits again, as one that waits for the search's end does."""
        assert time.monotonic() < end
        return 0 if "gone-1" not in running(study) else None

    def start(self, count):
        worker: Any = SimpleNamespace(poll=poll)
        self._workers.append(RunningWorker(process=worker, log=plan.config.sweep_dir / "log"))

    monkeypatch.setattr(local, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(LocalSupervisor, "_start_workers", start)
    monkeypatch.setattr(LocalSupervisor, "_is_work_left", lambda *_, **__: False)
    supervisor._supervise(study, results, None)
    claims = [study.claim("b"), study.claim("b")]
    waited = [(c.specification.number, c.specification.attempt) for c in claims if c is not None]
    assert waited == [(1, 0), (0, 1)]
    assert supervisor._recovered  # so that a worker's death beside it is no fault of the machine


def running(study):
    return {
        trial.user_attrs.get("worker")
        for trial in study.storage.optuna.get_all_trials(study._study._study_id)
        if not trial.state.is_finished()
    }


def supervisor_of(plan, say=print):
    return LocalSupervisor(plan=plan, say=say, show=lambda: None)


def end_all(plan, *outcomes):
    """End all trials, the first ones as said and the others complete; return the study."""
    study = SweepStudy(plan.config, plan.space)
    for number in range(plan.config.search.trials):
        claim = study.claim("w")
        assert claim is not None
        outcome = outcomes[number] if number < len(outcomes) else Outcome.COMPLETE
        found = TrialRecord(
            specification=claim.specification, outcome=outcome, val_accuracy=0.5,
            costs={"macs": 1000.0, "parameters": 2000.0},
        )  # fmt: skip
        study.end(claim, Ending(outcome=outcome), found)
    return study


def test_a_dead_worker_is_not_explained_with_what_an_earlier_run_said(plan, monkeypatch):
    def dead(assignment, gpus):
        return SimpleNamespace(poll=lambda: 2, gpu=None)

    monkeypatch.setattr(local, "WorkerProcess", dead)
    log = plan.config.sweep_dir / "logs" / "worker-001.log"
    log.parent.mkdir()
    log.write_text("sweetspot: an earlier fault\n")
    supervisor = supervisor_of(plan)
    supervisor._workers.append(supervisor._start_worker())
    study = SweepStudy(plan.config, plan.space)
    with pytest.raises(WorkersFailed, match=r"^\(empty\) \(a worker's log"):
        supervisor._reap(study, SweepResults(plan.config, plan.description))
    assert "an earlier fault" in log.read_text()


@pytest.mark.parametrize(("allowed", "status"), [(0, 1), (1, 1), (2, 0)])
def test_more_failures_than_allowed_are_no_success(plan, replan, allowed, status):
    plan = replan(plan, search={"max_failed": allowed})
    study = end_all(plan, Outcome.COMPLETE, Outcome.FAILED, Outcome.STOPPED, Outcome.FAILED)
    assert supervisor_of(plan)._status(study) == status


def test_limits_that_nothing_meets_are_no_success_and_are_said(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"parameters": 100.0})
    plan = replan(plan, objective={"limits": limits})
    said: list[str] = []
    study = end_all(plan, *[Outcome.COMPLETE] * 2, *[Outcome.INFEASIBLE] * 3)
    assert supervisor_of(plan, said.append)._status(study) == 1
    assert len(said) == 1 and "parameters" in said[0]


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.OUT_OF_MEMORY, Outcome.INFEASIBLE])
def test_a_sweep_of_which_nothing_came_is_no_success_and_says_so(plan, outcome):
    said: list[str] = []
    study = end_all(plan, *[outcome] * plan.config.search.trials)
    assert supervisor_of(plan, said.append)._status(study) == 1
    assert said == ["no trial is complete, so nothing can be said of any network"]


def test_a_peer_that_leaves_while_others_train_says_nothing_of_what_came(plan):
    said: list[str] = []
    study = SweepStudy(plan.config, plan.space)
    first = study.claim("w")
    assert first is not None and study.claim("w") is not None
    diverged = TrialRecord(specification=first.specification, outcome=Outcome.DIVERGED)
    study.end(first, Ending(outcome=Outcome.DIVERGED), diverged)
    assert supervisor_of(plan, said.append)._status(study) == 0
    assert said == []


@pytest.mark.parametrize("nohup", [True, False])
def test_a_terminal_that_is_closed_ends_a_sweep_in_good_order(plan, nohup):
    supervisor = supervisor_of(plan)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        ended: list[int] = []
        worker: Any = SimpleNamespace(pid=1, poll=lambda: None, send_signal=ended.append)
        supervisor._workers.append(RunningWorker(process=worker, log=plan.config.sweep_dir / "log"))
        with supervisor._signals():
            for _ in range(2):  # by the shell, and by the system
                signal.raise_signal(signal.SIGHUP)
        assert ended == []
        assert supervisor._signal == (None if nohup else signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == (signal.SIG_IGN if nohup else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_table_that_cannot_be_shown_ends_no_sweep(plan, monkeypatch):
    shown: list[int] = []

    def show():
        shown.append(1)
        raise StorageError("a log cannot be read: stale file handle")

    supervisor = LocalSupervisor(plan=plan, say=print, show=show)

    def start(self, count):
        worker: Any = SimpleNamespace(poll=lambda: 0 if len(shown) > 1 else None)
        self._workers.append(RunningWorker(process=worker, log=plan.config.sweep_dir / "log"))

    monkeypatch.setattr(local, "_DISPLAY_SECONDS", 0.0)
    monkeypatch.setattr(LocalSupervisor, "_start_workers", start)
    monkeypatch.setattr(LocalSupervisor, "_is_work_left", lambda *_, **__: False)
    study, results = (
        SweepStudy(plan.config, plan.space),
        SweepResults(plan.config, plan.description),
    )
    supervisor._supervise(study, results, None)
    assert len(shown) > 1


@pytest.fixture
def dying(plan, monkeypatch, tmp_path):
    """Return a supervisor whose workers end at once, each with the next of some statuses."""
    study, results = (
        SweepStudy(plan.config, plan.space),
        SweepResults(plan.config, plan.description),
    )
    started: list[int] = []
    log = tmp_path / "worker.log"
    log.write_text("sweetspot: no room\n")

    def dying_with(*statuses):
        supervisor = supervisor_of(plan)

        def start(self):
            status = statuses[min(len(started), len(statuses) - 1)]
            started.append(status)
            worker: Any = SimpleNamespace(poll=lambda: status)
            return RunningWorker(process=worker, log=log)

        monkeypatch.setattr(LocalSupervisor, "_start_worker", start)
        supervisor._workers.append(supervisor._start_worker())
        while supervisor._workers and len(started) < 50:
            supervisor._reap(study, results)

    return dying_with, started


def test_workers_that_die_one_after_the_other_end_the_sweep(plan, dying):
    dying_with, started = dying
    with pytest.raises(
        WorkersFailed, match=r"^\d+ workers died, the last with status -9; .*no room"
    ):
        dying_with(-9)
    wanted = supervisor_of(plan)._wanted_workers()
    assert len(started) == 4 + 2 * wanted


def test_a_worker_that_was_asked_wrongly_is_not_started_again(dying):
    dying_with, started = dying
    with pytest.raises(WorkersFailed, match=r"^no room \(a worker's log, worker\.log, ends"):
        dying_with(RECYCLE_STATUS, RECYCLE_STATUS, 2)
    assert started == [RECYCLE_STATUS, RECYCLE_STATUS, 2]


def test_whoever_tells_it_twice_to_leave_has_no_more_patience_with_workers(plan):
    supervisor, sent = supervisor_of(plan), []
    for pid, (name, status) in enumerate((("trains", None), ("has ended", 0)), 1):
        worker: Any = SimpleNamespace(
            pid=pid,
            poll=lambda status=status: status,
            send_signal=lambda number, name=name: sent.append((name, number)),
        )
        supervisor._workers.append(RunningWorker(process=worker, log=plan.config.sweep_dir / "log"))
    with supervisor._signals():
        signal.raise_signal(signal.SIGTERM)
        assert sent == []  # leaving is the workers' own, in time
        signal.raise_signal(signal.SIGINT)
    assert sent == [("trains", signal.SIGKILL)]


NOT_TRIED = (
    "nothing is promoted: promote=auto tries what a sweep has found only where it ends with status "
    "0, not 1"
)


@pytest.mark.parametrize("failed", [0, 1])
@pytest.mark.parametrize("promote", ["auto", "manual"])
def test_a_sweep_that_ends_well_tries_what_it_has_found(plan, replan, monkeypatch, promote, failed):
    tracking = {"enabled": True}  # with the registry
    plan = replan(plan, promote=promote, finalists={"limit": 0}, tracking=tracking)
    end_all(plan, Outcome.COMPLETE, Outcome.COMPLETE, *[Outcome.FAILED] * failed)
    heard: list[str] = []
    monkeypatch.setattr(LocalSupervisor, "_start_mirror", lambda _: None)
    monkeypatch.setattr(local, "is_due", lambda *_: False)
    monkeypatch.setattr(local, "write_report", lambda folder: None)
    monkeypatch.setattr(local, "promote_at_end", lambda config: "it is the champion")
    assert supervisor_of(plan, heard.append).run() == failed
    tried = NOT_TRIED if failed else "it is the champion"
    assert heard == ([tried] if promote == "auto" else [])


@pytest.mark.parametrize(
    ("minutes", "seconds", "over"), [(1.0, 61.0, True), (1.0, 30.0, False), (None, 1e6, False)]
)
def test_the_minutes_of_a_run_are_counted_from_its_start(plan, replan, minutes, seconds, over):
    plan = replan(plan, search={"minutes": minutes})
    assert not out_of_time(plan.config)
    with EventLog(
        sweep_log_path(plan.config.sweep_dir), clock=lambda: time.time() - seconds
    ) as log:
        record(log, SessionStarted(workers=1, threads=1, host="here", versions={}, git_commit=None))
        assert out_of_time(plan.config) is over
        record(log, SessionEnded(wall_seconds=seconds, exit_status=0))
    assert not out_of_time(plan.config)  # the next run has its own


def test_a_worker_is_told_how_to_train_by_the_calibration_of_all_gpus(plan, monkeypatch):
    gpu = Gpu(name="A GPU", uuid="GPU-1", memory_mib=8192, capability=(8, 0))
    machine = replace(this_machine(), gpus=(gpu, replace(gpu, uuid="GPU-2")))
    monkeypatch.setattr(automatic, "this_machine", lambda: machine)
    monkeypatch.setattr(local, "this_machine", lambda: machine)
    rule = automatic.by_rule()
    answer = replace(rule, jit_compile=not rule.jit_compile, steps_per_execution=240)
    calibration = automatic.Calibration(
        answer=answer, measured_on={"name": "A GPU"}, date="2026-11-25", seconds=60.0, tried=()
    )
    automatic.keep_calibration(plan.config.mlruns, calibration)
    told: list[Assignment] = []

    def start(assignment, gpus):
        told.append(assignment)
        return SimpleNamespace(gpu="GPU-1")

    monkeypatch.setattr(local, "WorkerProcess", start)
    plan = replace(plan, config=plan.config.model_copy(update={"calibrate": True}))
    supervisor_of(plan)._start_worker()
    (assignment,) = told
    assert (assignment.jit_compile, assignment.steps_per_execution) == ("off", 240)


def test_a_worker_that_is_killed_at_once_was_told_to_leave_all_the_same(plan):
    sent: list[int] = []
    worker: Any = SimpleNamespace(pid=os.getpid(), poll=lambda: None, send_signal=sent.append)
    supervisor = supervisor_of(plan)
    supervisor._workers.append(RunningWorker(process=worker, log=plan.config.sweep_dir / "log"))
    with Presence(plan.config.sweep_dir) as other, Presence(plan.config.sweep_dir) as own:
        other.release()
        assert not was_told(plan.config.sweep_dir, own.name)
        supervisor._signal = signal.SIGINT
        supervisor._told(signal.SIGINT, None)
        assert sent == [signal.SIGKILL]
        assert was_told(plan.config.sweep_dir, own.name)
        assert not was_told(plan.config.sweep_dir, other.name)
