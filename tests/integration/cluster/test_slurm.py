"""A sweep on a real Slurm comes to its end, whatever happens to its jobs."""

import json
import re
import time

import pytest
from optuna.trial import TrialState

from benchmarks.results_files import RESULTS, keep, today
from pipeline.testing.postgres_server import PASSWORD, QUOTED_PASSWORD
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

TRIALS = 2  # the references
HOUR_MINUTES = 60
QUICK = (
    "sweep", "data=digits", "data.limit=200", "training=quick", "measuring=quick",
    "search=random", "objective=macs", f"search.trials={TRIALS}", "search.rungs.enabled=false",
    "finalists=off", "launch=slurm", "launch.workers=1",
)  # fmt: skip
#: An epoch takes a fraction of a second, so that a trial lasts long enough to be disturbed.
LONG = (*QUICK, "tracking=off", "training.epochs=150")


def story(command, name, number):
    return trial_story(read(trial_log_path(command.folder(name), number)))


def ask(command, *words):
    """Run a command that does not follow, and return what it said."""
    done = command.here(*words, "launch.follow=false")
    return done.stdout + done.stderr


def wait_for_epochs(slurm, command, name, *, trial=1, attempt=0, seconds=300):
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
    # While its job is there, the same command submits no other one.
    assert "nothing more was submitted" in ask(command, *words)
    wait_for_epochs(slurm, command, "cancelled")
    assert slurm.jobs("cancelled") == ["RUNNING"]
    slurm.call("scancel", "--name=sweetspot-cancelled")
    slurm.wait_until(lambda: slurm.jobs("cancelled") == [], "the cancelled job to be gone")
    left = story(command, "cancelled", 1)
    assert left.record.outcome == "interrupted"
    assert "SIGTERM" in left.record.reason
    assert command.processes() == []

    said = command.run(*words, timeout=800).stdout
    assert "The sweet spot is " in " ".join(said.split())
    check_complete(slurm, command, "cancelled")
    done = [result.epoch for result in story(command, "cancelled", 1).record.history]
    assert done == list(range(1, 41))


def test_what_slurm_refuses_is_one_sentence(slurm, command):
    done = command.here(*QUICK, "sweep_name=refused", "launch.partition=nowhere", status=2)
    (line,) = done.stderr.strip().splitlines()
    assert "sbatch failed: " in line and "invalid partition" in line


@pytest.fixture
def keep_scene():
    """Add what was played to the campaign's dated file; each scene may be played alone."""

    def add(name: str, what: str) -> None:
        before = RESULTS / f"{today()}-slurm.json"
        scenes = json.loads(before.read_text())["scenes"] if before.exists() else {}
        scenes[name] = what
        keep("slurm", {"scenes": scenes}, [
            "Sweeps on a real Slurm of one node, real training on `digits`; each came to its end, "
            "every trial complete, no job and no process left:", "",
            *(f"- {what}" for what in scenes.values()),
        ])  # fmt: skip

    return add


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_array_shares_a_sweep_and_mirrors_it(slurm, command, storage, account, keep_scene):
    storage, url = storage
    name = f"array-{storage}"
    words = (*QUICK, f"storage={storage}", "launch.workers=2", f"sweep_name={name}")
    running = command.start(*words)
    slurm.wait_until(lambda: slurm.jobs(name), "the jobs", 300)
    if url is not None:  # the jobs have it, and nobody sees it
        shown = slurm.call("scontrol", "show", "job", "--details")
        script = (command.folder(name) / "array.sbatch").read_text()
        lines = "".join(command.processes())
        assert not any(word in shown + script + lines for word in (PASSWORD, QUOTED_PASSWORD))
    printed, errors = running.communicate(timeout=1500)
    assert running.returncode == 0, printed + errors
    assert "2 workers for array" in printed + errors
    check_complete(slurm, command, name)
    assert command.summary(name)["mlflow_run_id"] is not None
    account.check(name, url, trials=TRIALS, epochs=len(account.records(name)[0].history), lost=0)
    account.check_mirror(name, TRIALS)
    again = command.run(*words, timeout=1500)  # complete: nothing is submitted
    assert "submitted" not in again.stdout + again.stderr
    synced = command.run("sync", name).stdout
    assert "3 runs in MLflow, 0 brought up to date" in synced
    keep_scene(name, f"an array of two workers on {storage}, mirrored to MLflow")


def test_a_task_that_leaves_takes_no_other_one_with_it(slurm, command):
    """One of an array's tasks has the number of the whole array for its own."""
    # The dnn has to train still when it is told to leave, which the cnn's start comes before.
    words = (*LONG, "training.epochs=900", "launch.workers=2", "sweep_name=leaving")
    ask(command, *words)
    for trial in range(TRIALS):
        wait_for_epochs(slurm, command, "leaving", trial=trial)

    def restarts():
        found = {}
        names = "--name=sweetspot-leaving"
        for line in slurm.call("squeue", "--noheader", names, "--format=%A %F %K").splitlines():
            job, array, task = line.split()
            shown = slurm.call("scontrol", "--oneliner", "show", "job", f"{array}_{task}")
            (count,) = re.findall(r" Restarts=(\d+) ", shown)
            found[task] = (job == array, f"{array}_{task}", int(count))
        return found

    before = restarts()
    assert sorted(before) == ["0", "1"]
    ((task, name),) = [(task, name) for task, (is_first, name, _) in before.items() if is_first]
    slurm.call("scancel", "--signal=USR2", name)
    slurm.wait_until(
        # Between its end and its return to the queue it is nowhere listed.
        lambda: restarts().get(task, (None, name, 0))[2] == 1, "the task to be queued again", 120
    )  # fmt: skip
    other = "1" if task == "0" else "0"
    assert restarts()[other][2] == 0
    command.run(*words, timeout=800)  # follows
    check_complete(slurm, command, "leaving")
    attempts = sorted(story(command, "leaving", trial).retries for trial in range(TRIALS))
    assert attempts == [0, 1]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_preempted_job_comes_back(slurm, command, keep_scene):
    ask(command, *LONG, "sweep_name=preempted")
    wait_for_epochs(slurm, command, "preempted")
    began = time.monotonic()
    slurm.call(
        "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 3"
    )
    slurm.wait_until(
        lambda: story(command, "preempted", 1).record.outcome == "interrupted",
        "the worker to go",
        30,
    )
    seconds = time.monotonic() - began
    wait_for_epochs(slurm, command, "preempted", attempt=1)
    command.run(*LONG, "sweep_name=preempted", timeout=1500)  # follows
    check_complete(slurm, command, "preempted")
    keep_scene(
        "preempted",
        "a job preempted by a higher partition: its trial was queued again "
        f"{seconds:.1f} s after the other job was submitted, and its job came back",
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_lost_node_loses_no_trial(slurm, command, storage, account, keep_scene):
    storage, url = storage
    name = f"lost-{storage}"
    running = command.start(*LONG, f"storage={storage}", f"sweep_name={name}")
    wait_for_epochs(slurm, command, name)
    slurm.fail_node()
    slurm.wait_until(lambda: "RUNNING" not in slurm.jobs(name), "Slurm to notice", 120)
    slurm.start_node()
    printed, errors = running.communicate(timeout=1500)
    assert running.returncode == 0, printed + errors
    check_complete(slurm, command, name)
    account.check(name, url, trials=TRIALS, epochs=150, lost=1)
    assert "its worker was lost" in str(
        [event.values for event in read(trial_log_path(command.folder(name), 1))]
    )
    keep_scene(
        name,
        f"the node killed, slurmd and all, on {storage}: noticed, the job queued again by Slurm, "
        "the trial taken up after its last epoch",
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storage", ["postgres"], indirect=True)
def test_scancel_of_all_on_postgres(slurm, command, storage, account, keep_scene):
    url, name = storage[1], "cancelled-postgres"
    words = (*LONG, "storage=postgres", "training.epochs=60", f"sweep_name={name}")
    ask(command, *words)
    wait_for_epochs(slurm, command, name)
    slurm.call("scancel", f"--name=sweetspot-{name}")
    slurm.wait_until(lambda: slurm.jobs(name) == [], "the cancelled job to be gone")
    assert all(trial.state is not TrialState.RUNNING for trial in account.attempts(name, url))
    command.run(*words, timeout=1500)
    check_complete(slurm, command, name)
    account.check(name, url, trials=TRIALS, epochs=60, lost=1)
    keep_scene(name, "`scancel` of all on postgres, then the same command again")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_job_that_reaches_its_time_limit_is_queued_again(slurm, command, account, keep_scene):
    """Its time is cut when it trains: how long a worker takes until then depends on the machine."""
    name, epochs = "limited", 400
    running = command.start(
        *LONG, f"sweep_name={name}", f"training.epochs={epochs}", f"launch.time={HOUR_MINUTES}",
        "launch.notice_seconds=60",
    )  # fmt: skip
    wait_for_epochs(slurm, command, name, trial=0)
    (job,) = slurm.call("squeue", "--noheader", "--format=%i", f"--name=sweetspot-{name}").split()
    used = slurm.call("squeue", "--noheader", "--format=%M", f"--jobs={job}").strip()
    # With 45 to 105 seconds left; Slurm gives notice when it looks next, twice a minute or so.
    minutes = (seconds_of(used) + 45) // 60 + 1
    slurm.call("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}")
    slurm.wait_until(lambda: slurm.jobs(name) != ["RUNNING"], "the job to go", 300)
    slurm.call("scontrol", "update", f"JobId={job}", f"TimeLimit={HOUR_MINUTES}")
    printed, errors = running.communicate(timeout=3000)
    assert running.returncode == 0, printed + errors
    check_complete(slurm, command, name)
    account.check(name, None, trials=TRIALS, epochs=epochs, lost=0)
    retries = sum(story(command, name, number).retries for number in range(TRIALS))
    assert retries == 1
    keep_scene(
        name,
        "a job at the end of its `launch.time`: its worker left at Slurm's notice, the job was "
        "queued again, and the trial taken up after its last epoch, none trained again",
    )


def seconds_of(time_used: str) -> int:
    """Return seconds from what squeue says, such as 1:05 or 1:00:05."""
    seconds = 0
    for part in time_used.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def test_jobs_that_are_held_are_an_error_and_not_for_ever_busy(slurm, command):
    words = (*QUICK, "sweep_name=held", "launch.options=['--begin=now+1hour']")
    ask(command, *words)
    (job,) = slurm.call("squeue", "--noheader", "--format=%F", "--name=sweetspot-held").split()
    assert "nothing more was submitted" in ask(command, *words)
    slurm.call("scontrol", "hold", job)
    done = command.here(*words, "launch.follow=false", status=2)
    release = re.search(r"held by Slurm \(JobHeld\w+\): `(scontrol release \d+)`", done.stderr)
    assert release is not None, done.stderr
    slurm.call(*release[1].split())
    assert "nothing more was submitted" in ask(command, *words)
    slurm.call("scancel", "--name=sweetspot-held")
    slurm.wait_until(lambda: slurm.jobs("held") == [], "the job to be gone")


def test_a_users_own_variables_do_not_put_the_jobs_out_of_sight(slurm, command, monkeypatch):
    words = (*QUICK, "sweep_name=seen", "launch.options=['--begin=now+1hour']")
    for name, value in (("JOB_NAME", "mine"), ("ARRAY_INX", "0-7"), ("WAIT", "1")):
        monkeypatch.setenv(f"SBATCH_{name}", value)
    monkeypatch.setenv("SBATCH_PARTITION", "high")  # which the script says nothing about
    assert "submitted job" in ask(command, *words)
    assert "nothing more was submitted" in ask(command, *words)
    shown = slurm.call("squeue", "--noheader", "--format=%P", "--name=sweetspot-seen", "--array")
    assert shown.split() == ["high"]
    slurm.call("scancel", "--name=sweetspot-seen")
    slurm.wait_until(lambda: slurm.jobs("seen") == [], "the job to be gone")
