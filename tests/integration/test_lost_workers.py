"""Real training whose workers are killed: every trial is there in the end, once, and the same."""

import os
import random
import signal
import time
from pathlib import Path

import mlflow
import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from pipeline.testing.postgres_server import PASSWORD, QUOTED_PASSWORD
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]  # processes import TensorFlow

WORDS = (
    "sweep", "data=digits", "data.limit=400", "measuring=quick", "search=random",
    "objective=macs", "search.rungs.enabled=false", "training.deterministic=true",
    "finalists=off",
)  # fmt: skip
#: The campaign: a worker that was killed needs some ten seconds to import TensorFlow again.
TRIALS, EPOCHS, KILLS = 20, 40, 30
BETWEEN_KILLS_SECONDS = (1.0, 14.0)
CAMPAIGN = (
    *WORDS, f"search.trials={TRIALS}", f"training.epochs={EPOCHS}",
    f"search.max_retries={KILLS}", "launch.workers=2",
)  # fmt: skip


def stored_trials(command, sweep, url):
    if url is None:
        journal = JournalStorage(JournalFileBackend(str(command.mlruns / "optuna.journal")))
        return optuna.load_study(study_name=sweep, storage=journal).get_trials()
    server = RDBStorage(url.replace("postgresql:", "postgresql+psycopg:"))
    trials = optuna.load_study(study_name=sweep, storage=server).get_trials()
    server.engine.dispose()
    return trials


def check_trials(command, sweep, url, *, trials, epochs, kills):
    """Check that every trial ended once; return its network and accuracy by number."""
    found = stored_trials(command, sweep, url)
    complete = [t for t in found if t.state is TrialState.COMPLETE]
    assert sorted(t.user_attrs["number"] for t in complete) == list(range(trials))
    assert {t.state for t in found} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert command.summary(sweep)["trials"]["complete"] == trials
    assert command.processes() == []
    results, trained = {}, 0
    for number in range(trials):
        events = read(trial_log_path(command.folder(sweep), number))
        story = trial_story(events)
        assert [result.epoch for result in story.record.history] == list(range(1, epochs + 1))
        trained += sum(event.kind == "epoch" for event in events)
        specification = story.record.specification
        results[number] = (specification.architecture.notation, story.record.val_accuracy)
    assert trained <= trials * epochs + kills, "more than one epoch a kill was lost"
    return results


def test_killed_workers_and_two_sweeps_at_once_on_postgres(command, postgres, monkeypatch):
    """Two commands start together: one works, the other waits; its worker is killed twice."""
    url, name, epochs = postgres.new_database(), "killed", 20
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    words = (
        *WORDS, "storage=postgres", "search.trials=3", f"training.epochs={epochs}",
        "launch.workers=1", "tracking=off", f"sweep_name={name}",
    )  # fmt: skip
    both = [command.start(*words), command.start(*words)]
    for attempt in range(2):
        command.wait_for_epoch(both[0], name, trial=1, attempt=attempt)
        assert not any("correct" in line for line in command.processes())
        os.kill(trial_story(read(trial_log_path(command.folder(name), 1))).pid, signal.SIGKILL)
    for process in both:
        printed, errors = process.communicate(timeout=240)
        assert process.returncode == 0, printed + errors
    check_trials(command, name, url, trials=3, epochs=epochs, kills=2)
    for path in command.mlruns.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert PASSWORD.encode() not in text and QUOTED_PASSWORD.encode() not in text, path


def worker_ids(mlruns):
    """Return the process numbers of the workers that run under this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"worker" in words and f"mlruns={mlruns}".encode() in words:
            found.append(int(entry.parent.name))
    return sorted(found)


@pytest.fixture(scope="module")
def undisturbed(command):
    """Return what the campaign's sweep comes to when nobody disturbs it."""
    command.run(*CAMPAIGN, "tracking=off", "sweep_name=calm", timeout=3000)
    return check_trials(command, "calm", None, trials=TRIALS, epochs=EPOCHS, kills=0)


def check_mirror(command, sweep, trials):
    """Check that MLflow has each trial once, and that none of its runs is left running."""
    client = mlflow.MlflowClient(f"sqlite:///{command.mlruns / 'mlflow.db'}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.sweep = '{sweep}'", max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    numbers = [int(run.data.tags["trial"]) for run in runs if run.data.tags["kind"] == "trial"]
    assert sorted(numbers) == list(range(trials))


@pytest.fixture(params=["journal", "postgres"])
def storage(request, postgres, monkeypatch):
    """Return a kind of storage, and its address where it has one."""
    if request.param == "journal":
        return request.param, None
    url = postgres.new_database()
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    return request.param, url


@pytest.mark.soak
def test_thirty_kills_in_a_sweep_of_twenty_trials(command, storage, undisturbed, keep_campaign):
    storage, url = storage
    name = f"rough-{storage}"
    chance = random.Random(storage)
    running = command.start(*CAMPAIGN, f"storage={storage}", f"sweep_name={name}")
    began, killed = time.monotonic(), 0
    while killed < KILLS and running.poll() is None:
        time.sleep(chance.uniform(*BETWEEN_KILLS_SECONDS))
        workers = worker_ids(command.mlruns)
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    printed, errors = running.communicate(timeout=3000)
    assert running.returncode == 0, printed + errors
    assert killed == KILLS, f"the sweep was over after {killed} kills"
    seconds = time.monotonic() - began
    results = check_trials(command, name, url, trials=TRIALS, epochs=EPOCHS, kills=killed)
    assert results == undisturbed
    check_mirror(command, name, TRIALS)
    stories = [trial_story(read(trial_log_path(command.folder(name), n))) for n in range(TRIALS)]
    retries = sum(story.retries for story in stories if story is not None)
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
