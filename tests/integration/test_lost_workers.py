"""Real training whose workers, or whose server, are killed: every trial is there in the end.

Once, and the same as if nothing had happened.
"""

import os
import random
import signal
import time

import pytest

from pipeline.core.trial import Outcome
from pipeline.testing.postgres_server import PASSWORD, QUOTED_PASSWORD
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]  # processes import TensorFlow

WORDS = (
    "sweep", "data=digits", "data.limit=400", "measuring=quick", "search=random",
    "objective=macs", "search.rungs.enabled=false", "training.deterministic=true",
    "finalists=off",
)  # fmt: skip
#: The campaign; after each kill the sweep may train an epoch first, however slow the machine is.
TRIALS, EPOCHS, KILLS = 20, 40, 30
THEN_SECONDS = (0.0, 8.0)
#: How PostgreSQL is stopped, each time for a longer while.
RESTARTS = (("fast", 0.0), ("immediate", 1.0), ("fast", 5.0), ("immediate", 10.0), ("fast", 20.0))
CAMPAIGN = (
    *WORDS, f"search.trials={TRIALS}", f"training.epochs={EPOCHS}",
    f"search.max_retries={KILLS}", "launch.workers=2",
)  # fmt: skip


def story(command, sweep, number):
    return trial_story(read(trial_log_path(command.folder(sweep), number)))


def test_killed_workers_and_two_sweeps_at_once_on_postgres(command, account, postgres, monkeypatch):
    """Two commands start together: one works, the other waits; its worker is killed twice."""
    url, name, epochs = postgres.new_database(), "killed", 80
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    words = (
        *WORDS, "storage=postgres", "search.trials=3", f"training.epochs={epochs}",
        "launch.workers=1", "tracking=off", f"sweep_name={name}",
    )  # fmt: skip
    both = [command.start(*words), command.start(*words)]
    for attempt in range(2):
        command.wait_for_epoch(both[0], name, trial=1, attempt=attempt)
        assert not any("correct" in line for line in command.processes())
        os.kill(story(command, name, 1).pid, signal.SIGKILL)
    for process in both:
        printed, errors = process.communicate(timeout=800)
        assert process.returncode == 0, printed + errors
    account.check(name, url, trials=3, epochs=epochs, lost=2)
    for path in command.mlruns.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert PASSWORD.encode() not in text and QUOTED_PASSWORD.encode() not in text, path


@pytest.fixture(scope="module")
def undisturbed(command, account):
    """Return what the campaign's sweep comes to when nobody disturbs it."""
    command.run(*CAMPAIGN, "tracking=off", "sweep_name=calm", timeout=3000)
    return account.check("calm", None, trials=TRIALS, epochs=EPOCHS, lost=0)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_thirty_kills_in_a_sweep_of_twenty_trials(
    command, account, storage, undisturbed, keep_campaign
):
    storage, url = storage
    name = f"rough-{storage}"
    chance = random.Random(storage)
    running = command.start(*CAMPAIGN, f"storage={storage}", f"sweep_name={name}")
    began, killed, trained = time.monotonic(), 0, 0
    while killed < KILLS and running.poll() is None:
        if account.epochs(name) == trained:
            time.sleep(0.1)
            continue
        time.sleep(chance.uniform(*THEN_SECONDS))
        trained = account.epochs(name)
        workers = command.workers()
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    printed, errors = running.communicate(timeout=3000)
    assert running.returncode == 0, printed + errors
    assert killed == KILLS, f"the sweep was over after {killed} kills"
    seconds = time.monotonic() - began
    results = account.check(name, url, trials=TRIALS, epochs=EPOCHS, lost=killed)
    assert results == undisturbed
    account.check_mirror(name, TRIALS)
    retries = sum(story(command, name, number).retries for number in range(TRIALS))
    keep_campaign(
        f"killed-workers-{storage}",
        {
            "kills": killed, "trials": TRIALS, "epochs": EPOCHS,
            "trials_taken_over": retries, "wall_seconds": seconds,
        },
        f"{killed} times `kill -9` of a random one of two workers at a random moment, in one "
        f"sweep of {TRIALS} trials of {EPOCHS} epochs on {storage}, trained for real on `digits`: "
        f"every trial complete, none twice, at most one epoch a kill trained again, no run left "
        f"running in Optuna or MLflow, networks and accuracies equal to those of an undisturbed "
        f"sweep. {retries} kills hit a worker that had a trial; {seconds:.0f} s.",
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("storage", ["postgres"], indirect=True)
def test_postgres_restarted_five_times_under_a_sweep(
    account, storage, undisturbed, postgres, keep_campaign
):
    command, url, name = account.command, storage[1], "restarted"
    running = command.start(*CAMPAIGN, "storage=postgres", f"sweep_name={name}")
    began, step = time.monotonic(), TRIALS * EPOCHS // (len(RESTARTS) + 1)
    for count, (mode, seconds) in enumerate(RESTARTS, 1):
        while account.epochs(name) < count * step:
            assert running.poll() is None, "the sweep was over before: " + "".join(
                running.communicate()
            )
            time.sleep(0.1)
        postgres.stop(mode)
        try:
            time.sleep(seconds)
        finally:
            postgres.start()
    printed, errors = running.communicate(timeout=3000)
    assert running.returncode == 0, printed + errors
    wall_seconds = time.monotonic() - began
    results = account.check(name, url, trials=TRIALS, epochs=EPOCHS, lost=0)
    assert results == undisturbed
    account.check_mirror(name, TRIALS)
    workers = len(list((command.folder(name) / "logs").glob("worker-*.log")))
    assert workers == 2  # none gave up
    away = ", ".join(f"{seconds:g}" for _, seconds in RESTARTS)
    keep_campaign(
        "postgres-restarts-real-training",
        {
            "restarts": len(RESTARTS), "trials": TRIALS, "epochs": EPOCHS,
            "wall_seconds": wall_seconds,
        },
        f"PostgreSQL stopped {len(RESTARTS)} times in one sweep of {TRIALS} trials of {EPOCHS} "
        "epochs, trained for real on `digits` by two workers, and started again after "
        f"{away} s (every second stop as a crash would): every trial complete, none twice, no "
        "epoch trained again, no worker given up, no run left running in Optuna or MLflow, "
        f"networks and accuracies equal to those of an undisturbed sweep; {wall_seconds:.0f} s.",
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_trial_that_kills_every_worker_ends_as_failed(command, account, storage):
    storage, url = storage
    name = f"poisonous-{storage}"
    running = command.start(
        *WORDS, f"storage={storage}", "search.trials=3", "training.epochs=40",
        "search.max_retries=1", "launch.workers=1", f"sweep_name={name}",
    )  # fmt: skip
    for attempt in range(2):
        command.wait_for_epoch(running, name, trial=1, attempt=attempt)
        os.kill(story(command, name, 1).pid, signal.SIGKILL)
    printed, errors = running.communicate(timeout=600)
    assert running.returncode == 1, printed + errors  # more than search.max_failed
    records = account.records(name)
    assert [record.outcome for record in records] == [
        Outcome.COMPLETE, Outcome.FAILED, Outcome.COMPLETE,
    ]  # fmt: skip
    assert records[1].reason == "its worker was lost 2 times"
    assert all(trial.state.is_finished() for trial in account.attempts(name, url))
    runs = account.runs(name)
    assert sorted(run.info.status for run in runs) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
