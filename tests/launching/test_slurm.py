import os
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigurationError
from pipeline.launching.slurm import (
    Job,
    SlurmError,
    check_lines,
    check_moving,
    jobs_of,
    parse_jobs,
    submit,
    summarise,
)

FOLDER = Path("/runs/sweeps/one")


def test_jobs_of_another_folder_are_not_ours():
    printed = (
        "7_0|RUNNING|None|/runs/sweeps/one\n"
        "7_1|PENDING|Resources|/runs/sweeps/one\n"
        "8_0|RUNNING|None|/elsewhere/sweeps/one\n"
        "9|RUNNING|None|a|b\n"
    )
    jobs = parse_jobs(printed, FOLDER)
    assert [(job.id, job.state) for job in jobs] == [("7_0", "RUNNING"), ("7_1", "PENDING")]


def test_what_jobs_do_in_words():
    running = Job(id="1_0", state="RUNNING")
    waiting = Job(id="1_1", state="PENDING", reason="Priority")
    leaving = Job(id="1_2", state="COMPLETING")
    assert summarise([running]) == "1 job runs"
    assert summarise([running, running, waiting]) == "2 jobs run, 1 waits in the queue (Priority)"
    assert (
        summarise([waiting, waiting, leaving]) == "2 jobs wait in the queue (Priority), 1 is ending"
    )
    assert summarise([]) == "no job is left"


def test_lines_that_bash_cannot_read_are_refused():
    check_lines(["export A='b c'", "source /etc/profile"])
    with pytest.raises(ConfigurationError, match=r"launch.setup: .* is no command of bash"):
        check_lines(["echo fine", "echo 'torn"])


def test_without_slurm_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="launch=slurm needs squeue, which is not on the"):
        jobs_of("one", FOLDER)


def test_what_slurm_says_is_one_sentence(program, tmp_path):
    program("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"^sbatch failed: invalid partition specified: x$"):
        submit(tmp_path / "array.sbatch", os.environ)


def test_jobs_inherit_what_is_given_to_them_and_it_is_on_no_command_line(program, tmp_path):
    program("sbatch", f'echo "$@" > {tmp_path}/words; echo "$SECRET" > {tmp_path}/secret; echo 12')
    variables = os.environ | {"SECRET": "s3cret"}
    assert submit(tmp_path / "array.sbatch", variables) == "12"
    assert "s3cret" not in (tmp_path / "words").read_text()
    assert (tmp_path / "secret").read_text() == "s3cret\n"


@pytest.mark.parametrize(
    ("state", "reason", "is_held"),
    [
        ("PENDING", "JobHeldAdmin", True),
        ("PENDING", "JobHeldUser", True),
        ("PENDING", "JobHoldMaxRequeue", True),
        ("PENDING", "launch failed requeued held", True),
        ("PENDING", "launch_failed_requeued_held", True),
        ("REQUEUE_HOLD", "None", True),
        ("SPECIAL_EXIT", "job requeued in special exit state", True),
        ("PENDING", "QOSUsageThreshold", False),
        ("PENDING", "Priority", False),
        ("RUNNING", "None", False),
        ("COMPLETING", "JobHeldUser", False),
    ],
)
def test_jobs_that_wait_for_somebody_are_an_error_where_no_other_one_moves(state, reason, is_held):
    held = Job(id="7_3", state=state, reason=reason)
    assert held.is_held is is_held
    waiting = Job(id="8_0", state="PENDING", reason="Resources")
    check_moving("one", [])
    check_moving("one", [held, waiting])
    if not is_held:
        check_moving("one", [held])
        return
    with pytest.raises(SlurmError) as caught:
        check_moving("one", [held, Job(id="7_5", state=state, reason=reason)])
    why = "REQUEUE_HOLD" if reason == "None" else reason
    assert f"held by Slurm ({why}): `scontrol release 7` lets it, `scancel " in str(caught.value)
    assert "--name=sweetspot-one` gives it up" in str(caught.value)


def test_no_job_is_left_out_by_what_a_user_likes_to_see(program, monkeypatch):
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    program("squeue", f'echo "7_0|PENDING|Priority|{FOLDER}$SQUEUE_STATES"')
    assert [job.id for job in jobs_of("one", FOLDER)] == ["7_0"]
