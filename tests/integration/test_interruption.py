"""A sweep that loses a worker, its supervisor and its user's patience comes to the same end."""

import os
import signal

import pytest

from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

pytestmark = pytest.mark.timeout(900)  # five processes import TensorFlow one after the other

NAME = "interrupted"
EPOCHS = 80
WORDS = (
    "sweep", "data=digits", "data.limit=400", "measuring=quick", "search=random", "space=small",
    "objective=macs", "search.trials=3", f"training.epochs={EPOCHS}", "launch.workers=1",
    "search.rungs.enabled=false", "finalists=off", "tracking=off", f"sweep_name={NAME}",
)  # fmt: skip


def story(command, number):
    return trial_story(read(trial_log_path(command.folder(NAME), number)))


def test_a_sweep_survives_lost_workers_a_lost_supervisor_and_ctrl_c(command):
    # A worker is killed: the supervisor notices, and another one takes the trial over.
    running = command.start(*WORDS)
    command.wait_for_epoch(running, NAME, trial=1)
    os.kill(story(command, 1).pid, signal.SIGKILL)
    command.wait_for_epoch(running, NAME, trial=1, attempt=1)

    # The supervisor is killed: its worker leaves by itself.
    worker = story(command, 1).pid
    running.kill()
    running.communicate(timeout=600)

    # The same command again, and Ctrl-C: it ends cleanly.
    running = command.start(*WORDS)
    command.wait_for_epoch(running, NAME, trial=1, attempt=2)
    printed, errors = command.stop(running)
    assert running.returncode == 128 + signal.SIGINT, printed + errors
    assert "Traceback" not in printed + errors
    assert not os.path.exists(f"/proc/{worker}")
    assert command.processes() == []
    summary = command.summary(NAME)
    assert summary["trials"]["interrupted"] == 1
    assert summary["trials"]["running"] == 0
    assert summary["references"]["dnn"]["val_accuracy"] is not None

    # And once more, to the end: nothing is lost but the epochs in progress.
    command.run(*WORDS)
    assert command.summary(NAME)["trials"]["complete"] == 3
    assert command.processes() == []
    again = story(command, 1)
    assert again.retries == 3
    assert [result.epoch for result in again.record.history] == list(range(1, EPOCHS + 1))
    events = read(trial_log_path(command.folder(NAME), 1))
    epochs = [event for event in events if event.kind == "epoch"]
    assert EPOCHS <= len(epochs) <= EPOCHS + 3, "more than one epoch an interruption was lost"
