import os
import time
from dataclasses import replace

import pytest

from pipeline.config import command
from pipeline.core.errors import StorageError
from pipeline.launching import cluster
from pipeline.launching.cluster import SCRIPT, ClusterSweep, settled_precision
from pipeline.launching.evaluation import evaluate
from pipeline.launching.holder import SweepBusy
from pipeline.launching.housekeeping import free_sweep
from pipeline.launching.sessions import Sessions
from pipeline.launching.slurm import SlurmError
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated_run import run_all, simulated_run
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, record


@pytest.fixture
def on_cluster(plan, replan, slurm_launch, program, *, tmp_path, monkeypatch):
    """Return a function that makes a sweep for a cluster whose queue holds these jobs.

    What is submitted leaves its environment in the file ``submitted``.
    """
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("pipeline.launching.slurm._AGAIN_SECONDS", 0.0)

    def make(*jobs, said, patient=True, **changes):
        there = replan(plan, launch=slurm_launch.model_copy(update=changes))
        lines = "".join(f"{job}|{there.config.sweep_dir}\n" for job in jobs)
        (tmp_path / "queue").write_text(lines)
        program("squeue", f"cat {tmp_path}/queue")
        program("sbatch", f"env > {tmp_path}/submitted; echo 41")
        return ClusterSweep(plan=there, say=said.append, show=waiting, patient=patient)

    def waiting():
        pytest.fail("jobs are waited for")

    return make


def test_jobs_that_are_over_too_soon_are_a_failure_that_is_said(on_cluster):
    said: list[str] = []
    sweep = on_cluster(said=said)
    name, folder = sweep.plan.config.sweep_name, sweep.plan.config.sweep_dir
    assert sweep.run() == 1
    assert said == [
        f"submitted job 41: 2 workers for {name}; scancel 41 stops them",
        f"The jobs of {name} are over before it is complete; they have left no log in "
        f"{folder / 'logs'}. The same command goes on.",
    ]
    assert "#SBATCH --array=0-1" in (folder / SCRIPT).read_text()


def test_jobs_submitted_from_within_a_job_know_nothing_of_its_size(
    on_cluster, tmp_path, monkeypatch
):
    ours = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "16", "SLURM_CONF": "/etc/slurm.conf"}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    assert on_cluster(said=[], follow=False).run() is None
    submitted = (tmp_path / "submitted").read_text().splitlines()
    assert [line for line in submitted if line.startswith("SLURM_")] == [
        "SLURM_CONF=/etc/slurm.conf"
    ]


def test_from_a_login_node_what_is_set_for_slurm_reaches_the_jobs(
    on_cluster, tmp_path, monkeypatch
):
    monkeypatch.setenv("SLURM_CPU_BIND", "none")
    said: list[str] = []
    sweep = on_cluster(said=said, follow=False)
    assert sweep.run() is None
    known = command(sweep.plan.config, "status", sweep.plan.config.sweep_name)
    assert said[-1] == f"{known} shows how far it is"
    assert "SLURM_CPU_BIND=none" in (tmp_path / "submitted").read_text().splitlines()


def test_nothing_is_submitted_beside_jobs_that_are_there(on_cluster, tmp_path):
    said: list[str] = []
    jobs = ("7_0|RUNNING|None", "7_1|PENDING|Resources")
    busy = (
        r"is on the cluster already: 1 job runs, 1 waits in the queue \(Resources\); nothing more"
    )
    with pytest.raises(SweepBusy, match=busy):
        on_cluster(*jobs, said=said, patient=False, follow=False).run()
    assert said == []
    assert on_cluster(*jobs, said=said, follow=False).run() is None
    assert "nothing more was submitted" in said[0]
    assert not (tmp_path / "submitted").exists()


@pytest.mark.parametrize(
    ("gpus", "precision", "settled"),
    [
        (1, "auto", "float32"),
        (1, "mixed_bfloat16", "mixed_bfloat16"),
        (0, "auto", "auto"),  # every machine's processors are the same in this
    ],
)
def test_the_gpus_of_a_login_node_settle_no_precision(
    plan, replan, slurm_launch, *, gpus, precision, settled
):
    launch = slurm_launch.model_copy(update={"gpus": gpus})
    config = replan(plan, launch=launch, training={"precision": precision}).config
    said: list[str] = []
    assert settled_precision(config, said.append).training.precision == settled
    assert [line.partition(" here")[0] for line in said] == (
        ["training.precision=auto is float32"] if settled == "float32" else []
    )


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
    plan, replan, slurm_launch, monkeypatch
):
    plan = replan(plan, launch=slurm_launch, finalists={"limit": 0})
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


def test_what_the_last_job_was_killed_before_is_done_by_whoever_follows(plan, replan, slurm_launch):
    plan = replan(plan, launch=slurm_launch, search={"minutes": 5.0})
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
def slurm(plan, replan, slurm_launch, monkeypatch, tmp_path):
    """Return a sweep, and a function that has Slurm list its one job in states, one an answer.

    An empty state stands for an answer without jobs, and what comes last for all that follow.
    """
    plan = replan(plan, launch=slurm_launch.model_copy(update={"workers": 1}))
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


@pytest.mark.parametrize("patient", [True, False])
def test_who_follows_jobs_tells_nobody_that_slurm_is_silent_but_a_scheduler_does(
    on_cluster, program, *, patient
):
    sweep = on_cluster(said=[], patient=patient)
    program("squeue", "exit 1")
    with pytest.raises(SlurmError):
        sweep.run()
    assert sweep.is_left is patient
