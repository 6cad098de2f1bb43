"""A sweep on a real Slurm comes to its end, whatever happens to its jobs."""

import pytest

from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

TRIALS = 2  # the references
QUICK = (
    "sweep", "data=digits", "data.limit=200", "training=quick", "measuring=quick",
    "search=random", "objective=macs", f"search.trials={TRIALS}", "search.rungs.enabled=false",
    "launch=slurm", "launch.workers=1",
)  # fmt: skip
#: An epoch takes a fraction of a second, so that a trial lasts long enough to be disturbed.
LONG = (*QUICK, "tracking=off", "training.epochs=150")


def story(command, name, number):
    return trial_story(read(trial_log_path(command.folder(name), number)))


def ask(command, *words):
    """Run a command that does not follow, and return what it said."""
    done = command.run(*words, "launch.follow=false")
    return done.stdout + done.stderr


def wait_for_epochs(slurm, command, name, *, trial=1, attempt=0, seconds=120):
    def trained():
        path = trial_log_path(command.folder(name), trial)
        return path.exists() and any(
            event.kind == "epoch" and event.values["attempt"] == attempt for event in read(path)
        )

    slurm.wait_until(trained, f"trial {trial} to train", seconds)


def check_complete(slurm, command, name):
    summary = command.summary(name)
    assert summary["trials"]["complete"] == TRIALS
    assert sum(summary["trials"].values()) == TRIALS
    assert summary["sweet_spot"]["test_accuracy"] is not None
    assert (command.folder(name) / "front.csv").exists()
    slurm.wait_until(lambda: slurm.jobs(name) == [], "the jobs to be gone")
    assert command.processes() == []


def test_scancel_of_all_loses_nothing_and_the_same_command_goes_on(slurm, command):
    words = (*LONG, "sweep_name=cancelled", "training.epochs=40")
    assert "submitted job" in ask(command, *words)
    wait_for_epochs(slurm, command, "cancelled")
    # While its job is there, the same command submits no other one.
    assert "nothing more was submitted" in ask(command, *words)
    assert slurm.jobs("cancelled") == ["RUNNING"]
    slurm.call("scancel", "--name=sweetspot-cancelled")
    slurm.wait_until(lambda: slurm.jobs("cancelled") == [], "the cancelled job to be gone")
    left = story(command, "cancelled", 1)
    assert left.record.outcome == "interrupted"
    assert "SIGTERM" in left.record.reason
    assert command.processes() == []

    said = command.run(*words).stdout
    assert "The sweet spot is " in " ".join(said.split())
    check_complete(slurm, command, "cancelled")
    done = [result.epoch for result in story(command, "cancelled", 1).record.history]
    assert done == list(range(1, 41))


def test_what_slurm_refuses_is_one_sentence(slurm, command):
    done = command.run(*QUICK, "sweep_name=refused", "launch.partition=nowhere", status=2)
    (line,) = done.stderr.strip().splitlines()
    assert "sbatch failed: " in line and "invalid partition" in line


@pytest.mark.soak
def test_an_array_shares_a_sweep_and_mirrors_it(slurm, command):
    words = (*QUICK, "launch.workers=2", "sweep_name=array")
    said = command.run(*words).stdout
    assert "2 workers for array" in said
    check_complete(slurm, command, "array")
    assert command.summary("array")["mlflow_run_id"] is not None
    again = command.run(*words)  # complete: nothing is submitted
    assert "submitted" not in again.stdout + again.stderr
    synced = command.run("sync", "array").stdout
    assert "3 runs in MLflow, 0 brought up to date" in synced


@pytest.mark.soak
def test_a_preempted_job_comes_back(slurm, command):
    ask(command, *LONG, "sweep_name=preempted")
    wait_for_epochs(slurm, command, "preempted")
    slurm.call(
        "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 3"
    )
    slurm.wait_until(
        lambda: story(command, "preempted", 1).record.outcome == "interrupted",
        "the worker to go",
        15,
    )
    wait_for_epochs(slurm, command, "preempted", attempt=1)
    command.run(*LONG, "sweep_name=preempted")  # follows
    check_complete(slurm, command, "preempted")


@pytest.mark.soak
def test_a_job_that_reaches_its_time_limit_is_queued_again(slurm, command):
    # Slurm looks at limits twice a minute or so: two minutes are a job of about one.
    running = command.start(
        *LONG, "sweep_name=limited", "training.epochs=400", "launch.time=2",
        "launch.notice_seconds=45",
    )  # fmt: skip
    printed, errors = running.communicate(timeout=600)
    assert running.returncode == 0, printed + errors
    check_complete(slurm, command, "limited")
    assert story(command, "limited", 1).retries >= 1


@pytest.mark.soak
def test_a_lost_node_loses_no_trial(slurm, command):
    running = command.start(*LONG, "sweep_name=lost")
    wait_for_epochs(slurm, command, "lost")
    slurm.fail_node()
    slurm.wait_until(lambda: "RUNNING" not in slurm.jobs("lost"), "Slurm to notice", 120)
    slurm.start_node()
    printed, errors = running.communicate(timeout=300)
    assert running.returncode == 0, printed + errors
    check_complete(slurm, command, "lost")
    assert "its worker was lost" in str(
        [event.values for event in read(trial_log_path(command.folder("lost"), 1))]
    )
