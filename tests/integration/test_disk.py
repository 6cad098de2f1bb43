"""A disk without room, and a folder that is read-only: a sentence, and the next run goes on."""

import json
import os
import resource
import subprocess

import pytest

from pipeline.tracking.event_log import trial_log_path

pytestmark = pytest.mark.timeout(900)  # real training in processes of its own
NAME = "cramped"
QUICK = (
    "data=digits", "training=quick", "measuring=quick", "search=random", "objective=macs",
    "finalists=off", "launch.workers=1", "search.trials=2", "tracking=off", f"sweep_name={NAME}",
)  # fmt: skip
#: Enough for all that a sweep writes but a checkpoint.
LARGEST_FILE_BYTES = 300_000


def cramped():
    """Let no file of this process, and of those that it starts, become larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))


@pytest.fixture(scope="module")
def recovered(command):
    """Run a sweep twice without room, damage what it has left, and complete it.

    Return what became of each run without room, with its trials by outcome.
    """
    words, ended = (*QUICK, "search.max_retries=0"), []
    for _ in range(2):
        done = subprocess.run(
            command.words("sweep", *words),
            cwd=command.mlruns.parent, capture_output=True, text=True, check=False,
            preexec_fn=cramped, timeout=800,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        ended.append((done, command.summary(NAME)["trials"]))
    log = trial_log_path(command.folder(NAME), 0)
    with log.open("ab") as file:  # what a power failure makes of a log and a journal
        file.write(b'{"time": 1, "kind": "ep')
    with (command.mlruns / "optuna.journal").open("ab") as file:
        file.write(b'{"op_code": 8, "worke')
    command.run("sweep", *words)
    return ended


def test_a_sweep_without_room_ends_in_a_sentence_and_the_next_run_completes_it(command, recovered):
    for done, trials in recovered:
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        said = done.stderr.splitlines()[-1]
        assert said.startswith("sweetspot: the checkpoint ") and "cannot be written: " in said
        assert trials["interrupted"] and trials["failed"] == 0  # it is not the trial's fault
    trials = command.summary(NAME)["trials"]
    assert (trials["complete"], sum(trials.values())) == (2, 2)
    assert list((command.folder(NAME) / "checkpoints").iterdir()) == []


def test_a_folder_that_is_read_only_is_named_at_once(command):
    folder = command.mlruns.parent / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    words = command.words("sweep", *QUICK)[:-1]
    if os.getuid() == 0:  # to whom permissions do not apply, unless he gives that up
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *words]
    done = subprocess.run(
        [*words, f"mlruns={folder}/mlruns"], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert str(folder) in done.stderr and "ermission" in done.stderr
    assert list(folder.iterdir()) == []


def test_clean_shows_and_frees_what_is_left_and_keeps_the_networks(command, recovered):
    folder = command.folder(NAME)
    kept = {path: path.read_bytes() for path in (folder / "models").iterdir()}
    assert kept
    (folder / "checkpoints" / "0001.npz").write_bytes(b"x" * 2_000_000)
    (folder / "models" / ".0001-77.keras").write_bytes(b"x" * 1_000_000)
    shown = command.here("clean").stdout
    assert "3.0 MB" in shown and NAME in shown
    assert f"{NAME}: 3.0 MB freed" in command.here("clean", f"free={NAME}").stdout
    assert {path: path.read_bytes() for path in (folder / "models").iterdir()} == kept
    assert not list((folder / "checkpoints").iterdir())
    assert json.loads(command.here("status", NAME, "--json").stdout)["counts"]["complete"] == 2
