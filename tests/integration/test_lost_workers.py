"""Real training whose workers are killed: every trial is there in the end, once, and the same."""

import os
import random
import signal
import time
from pathlib import Path

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
    "finalists=off", "tracking=off",
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
        "launch.workers=1", f"sweep_name={name}",
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


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storage", ["journal", "postgres"])
def test_thirty_kills_in_a_sweep_of_twenty_trials(
    command, postgres, monkeypatch, keep_campaign, storage
):
    url = postgres.new_database() if storage == "postgres" else None
    if url is not None:
        monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    trials, epochs, kills = 20, 30, 30
    words = (
        *WORDS, f"storage={storage}", f"search.trials={trials}", f"training.epochs={epochs}",
        f"search.max_retries={kills}", "launch.workers=2",
    )  # fmt: skip
    calm, rough = f"calm-{storage}", f"rough-{storage}"
    command.run(*words, f"sweep_name={calm}", timeout=1500)
    expected = check_trials(command, calm, url, trials=trials, epochs=epochs, kills=0)

    chance = random.Random(storage)
    running = command.start(*words, f"sweep_name={rough}")
    began, killed = time.monotonic(), 0
    while killed < kills and running.poll() is None:
        time.sleep(chance.uniform(1.0, 18.0))
        workers = worker_ids(command.mlruns)
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    printed, errors = running.communicate(timeout=1500)
    assert running.returncode == 0, printed + errors
    seconds = time.monotonic() - began
    results = check_trials(command, rough, url, trials=trials, epochs=epochs, kills=killed)
    assert results == expected
    keep_campaign(
        f"killed-workers-{storage}",
        {"kills": killed, "trials": trials, "wall_seconds": seconds},
        f"{killed} times `kill -9` of a random worker in one sweep of {trials} trials on "
        f"{storage}: all trials there, none twice, networks and accuracies equal to those of an "
        f"undisturbed sweep; {seconds:.0f} s.",
    )
