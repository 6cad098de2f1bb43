import os
import time
from dataclasses import replace

import pytest

from pipeline.config import SlurmLaunch
from pipeline.core.errors import StorageError
from pipeline.launching import cluster
from pipeline.launching.cluster import SCRIPT, ClusterSweep
from pipeline.launching.evaluation import evaluate
from pipeline.launching.housekeeping import free_sweep
from pipeline.launching.sessions import Sessions
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated_run import run_all, simulated_run
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, record


def test_jobs_that_end_are_not_explained_with_what_earlier_ones_said(plan):
    folder = plan.config.sweep_dir
    log = folder / "logs" / "slurm-0.log"
    log.parent.mkdir()
    log.write_text("sweetspot: an earlier fault\n")
    os.utime(log, (1e9, 1e9))
    (folder / SCRIPT).touch()
    sweep = ClusterSweep(plan=plan, say=print, show=lambda: None)
    assert sweep._last_words() == f"they have left no log in {log.parent}"
    with log.open("a") as appended:
        appended.write("no space left\n")
    assert sweep._last_words() == f"the end of {log}: no space left"


def test_a_session_that_cancelled_jobs_left_open_is_ended_here_and_is_to_be_told(
    plan, replan, monkeypatch
):
    launch = SlurmLaunch(
        kind="slurm", workers=2, threads="auto", follow=True, notice_seconds=60, requeues=3, cpus=1,
        gpus=0,
    )  # fmt: skip
    plan = replan(plan, launch=launch, finalists={"limit": 0})
    run = simulated_run(plan)
    run_all(run)
    evaluate(plan.config, run.study, run.results, run.trainer)
    monkeypatch.setattr(cluster, "jobs_of", lambda *_: [])
    for is_open in (True, False):
        if is_open:
            with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
                record(log, SessionStarted(workers=2, host="n1", versions={}, git_commit=None))
        sweep = ClusterSweep(plan=replace(plan, exists=True), say=print, show=lambda: None)
        assert sweep.run() == 0
        assert sweep.ended is is_open
        assert Sessions.read(plan.config.sweep_dir).open_since is None


def test_what_the_last_job_was_killed_before_is_done_by_whoever_follows(plan, replan, monkeypatch):
    launch = SlurmLaunch(
        kind="slurm", workers=2, threads="auto", follow=True, notice_seconds=60, requeues=3, cpus=1,
        gpus=0,
    )  # fmt: skip
    plan = replan(plan, launch=launch, search={"minutes": 5.0})
    began = time.time()
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=2, host="n1", versions={}, git_commit=None))
        record(log, SessionEnded(wall_seconds=300.0, exit_status=0, concludes=True))
    for is_due in (True, False):
        sweep = ClusterSweep(plan=replace(plan, exists=True), say=print, show=lambda: None)
        assert sweep._verdict(began) == 0
        assert sweep.ended is is_due
        assert Sessions.read(plan.config.sweep_dir).is_concluded
    assert SweepStudy(plan.config, plan.space).records() == []  # nobody trains on a login node


@pytest.fixture
def slurm(plan, replan, monkeypatch, tmp_path):
    """Return a sweep, and a function that has Slurm list its one job in states, one an answer.

    An empty state stands for an answer without jobs, and what comes last for all that follow.
    """
    launch = SlurmLaunch(
        kind="slurm", workers=1, threads="auto", follow=True, notice_seconds=60, requeues=3, cpus=1,
        gpus=0,
    )  # fmt: skip
    plan = replan(plan, launch=launch)
    (plan.config.sweep_dir / SCRIPT).touch()  # of an earlier submission
    programs = tmp_path / "programs"
    programs.mkdir()
    answers, asked = programs / "answers", programs / "asked"
    scripts = {
        "squeue": f"""
echo >> {asked}
n=$(wc -l < {asked})
state=$(sed -n "$n p" {answers})
[ "$n" -gt "$(wc -l < {answers})" ] && state=$(tail -n 1 {answers})
[ -z "$state" ] || echo "7_0|$state|None|{plan.config.sweep_dir}"
""",
        "sbatch": f"echo >> {programs}/submitted; echo 8",
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("pipeline.launching.slurm._AGAIN_SECONDS", 0.0)
    for name in ("_DISPLAY_SECONDS", "_ASK_SECONDS"):
        monkeypatch.setattr(cluster, name, 0.0)

    def answer(*states):
        asked.unlink(missing_ok=True)
        answers.write_text("".join(f"{state}\n" for state in states))

    return plan, answer, programs / "submitted"


def test_a_task_on_its_way_back_to_the_queue_is_no_end_and_nothing_more_is_submitted(slurm):
    plan, answer, submitted = slurm
    said: list[str] = []

    def sweep():
        return ClusterSweep(plan=plan, say=said.append, show=lambda: None)

    answer("COMPLETING", "", "PENDING", "RUNNING", "COMPLETING", "", "", "PENDING", "RUNNING", "")
    assert sweep().run() == 1  # nobody trains in this test
    assert not submitted.exists()
    assert [line.partition(": ")[2] for line in said[1:-1]] == [
        "1 job runs", "1 job is ending", "1 job waits in the queue",
        "1 job runs",
    ]  # fmt: skip
    # Also where its end is not seen, but what it has just written.
    log = plan.config.sweep_dir / "logs" / "slurm-0.log"
    log.parent.mkdir(exist_ok=True)
    log.touch()
    answer("", "PENDING", "RUNNING", "")
    assert sweep().run() == 1
    assert not submitted.exists()
    # And where it is over indeed, there is room for others.
    answer("", "", "", "RUNNING", "")
    assert sweep().run() == 1
    assert submitted.read_text() == "\n"


def test_a_task_on_its_way_back_to_the_queue_keeps_its_sweep_from_being_changed(slurm):
    plan, answer, _ = slurm
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=1, host="n1", versions={}, git_commit=None))
        record(log, SessionEnded(wall_seconds=3.0, exit_status=138))
    answer("", "PENDING")
    with pytest.raises(StorageError, match="has jobs in Slurm's queue"):
        free_sweep(plan.config, plan.config.sweep_name)
    answer("")
    free_sweep(plan.config, plan.config.sweep_name)
