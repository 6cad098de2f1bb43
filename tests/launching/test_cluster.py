import os
import time
from dataclasses import replace

from pipeline.config import SlurmLaunch
from pipeline.launching import cluster
from pipeline.launching.cluster import SCRIPT, ClusterSweep
from pipeline.launching.evaluation import evaluate
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
