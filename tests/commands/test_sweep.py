import json
from types import SimpleNamespace

import pytest

from pipeline.commands import train
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweep import Run, run_each, run_sweep
from pipeline.core.errors import AGAIN_STATUS, StorageError
from pipeline.launching import cluster
from pipeline.launching.holder import SweepBusy
from pipeline.launching.slurm import Job, SlurmError
from pipeline.search.storage import StorageLost
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, record


@pytest.mark.parametrize("status", [AGAIN_STATUS, 130])
def test_a_peer_that_is_told_to_leave_before_anything_has_ended_has_nothing_to_show(
    tmp_path, monkeypatch, status
):
    class Told:
        ended = False

        def __init__(self, **_):
            pass

        def run(self):
            return status

    monkeypatch.setattr("pipeline.launching.peers.Peer", Told)
    monkeypatch.setattr("pipeline.launching.calibrating.settle", lambda *_: None)
    words = ("data=digits", "launch=peer", f"mlruns={tmp_path}")
    view = SimpleNamespace(note=print, update=print)
    config = compose(CommandLine(command="sweep", overrides=words))
    run = run_sweep(config, view)
    assert run.status == status and not run.has_result
    assert run_each([config], lambda _: run.status) == status


def test_a_network_whose_training_has_not_ended_is_not_shown(tmp_path, monkeypatch):
    run = Run(status=AGAIN_STATUS, folder=tmp_path, has_result=False)
    monkeypatch.setattr(train, "run_sweep", lambda *_: run)
    words = ("data=digits", "launch=peer", f"mlruns={tmp_path}")
    assert train._train(compose(CommandLine(command="train", overrides=words))) == AGAIN_STATUS


@pytest.fixture
def telling(tmp_path, monkeypatch):
    """Return a function that composes a sweep whose end is told to a file, and that file."""
    monkeypatch.setattr("pipeline.launching.calibrating.settle", lambda *_: None)
    told = tmp_path / "told"

    def composed(*words):
        words = ("data=digits", "training.precision=float32", f"mlruns={tmp_path}", *words)
        config = compose(CommandLine(command="sweep", overrides=words))
        notify = config.notify.model_copy(update={"command": ("/bin/sh", "-c", f"cat > {told}")})
        return config.model_copy(update={"notify": notify})

    return composed, told


@pytest.mark.parametrize(("patient", "said"), [(True, "away"), (False, "asked again")])
@pytest.mark.parametrize("launch", ["local", "peer", "slurm"])
def test_a_schedulers_run_waits_for_its_storage_and_a_persons_does_not(
    telling, monkeypatch, launch, patient, said
):
    composed, told = telling
    answers = iter([StorageLost("away"), StorageError("asked again")])

    def opened(url, note_lost):
        raise next(answers)

    monkeypatch.setattr("pipeline.search.postgres._open", opened)
    monkeypatch.setattr("pipeline.launching.cluster.jobs_of", lambda *_: [])
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", "postgresql://me@nowhere/sweeps")
    config = composed(f"launch={launch}", "storage=postgres")
    with pytest.raises(StorageError, match=said):
        run_sweep(config, SimpleNamespace(note=print, update=print), patient=patient)
    assert json.loads(told.read_text())["status"] == 2


@pytest.fixture
def on_slurm(telling, monkeypatch):
    """Return a function that runs a sweep on a Slurm whose jobs are over at once.

    It returns the status, or the error, and the status that was told, if any was.
    """
    composed, told = telling
    for wait in ("_DISPLAY_SECONDS", "_ASK_SECONDS", "_SETTLE_SECONDS"):
        monkeypatch.setattr(cluster, wait, 0.0)
    config = composed("launch=slurm", "sweep_name=one")

    def run(*, submit=lambda path: "7", jobs=lambda: []):
        monkeypatch.setattr(cluster, "submit", lambda path, environment: submit(path))
        monkeypatch.setattr(cluster, "jobs_of", lambda *_: jobs())
        view = SimpleNamespace(note=print, update=print)
        try:
            found: object = run_sweep(config, view, patient=False).status
        except SlurmError as error:
            found = error
        return found, json.loads(told.read_text())["status"] if told.exists() else None

    return run


def refused(*_):
    raise SlurmError("sbatch failed: invalid partition specified: x")


def test_what_slurm_refuses_is_told(on_slurm):
    error, told = on_slurm(submit=refused)
    assert isinstance(error, SlurmError) and told == 2


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (None, 1),  # the node was gone
        (128 + 12, 1),  # the last job was told to leave, and told nobody
        (1, None),  # the last job has told itself
    ],
)
def test_jobs_that_die_before_the_sweep_is_complete_are_told_of_once(on_slurm, ended, told):
    def submit(script):
        if ended is not None:
            with EventLog(sweep_log_path(script.parent)) as log:
                started = SessionStarted(workers=1, host="n1", versions={}, git_commit=None)
                record(log, started)
                record(log, SessionEnded(wall_seconds=1.0, exit_status=ended))
        return "7"

    assert on_slurm(submit=submit) == (1, told)


def test_of_jobs_that_nobody_can_ask_about_the_last_one_tells(on_slurm, monkeypatch):
    monkeypatch.setattr(cluster, "_SILENCE_SECONDS", -1.0)
    asked: list[None] = []

    def jobs():
        asked.append(None)
        return [] if len(asked) == 1 else refused()

    error, told = on_slurm(jobs=jobs)
    assert isinstance(error, SlurmError) and told is None


def test_jobs_that_slurm_holds_are_told_of_and_not_waited_for(on_slurm):
    held = Job(id="7_0", state="PENDING", reason="JobHeldAdmin")
    error, told = on_slurm(jobs=lambda: [held], submit=refused)
    assert "held by Slurm (JobHeldAdmin)" in str(error) and told == 2


def test_jobs_that_slurm_holds_later_are_not_followed_for_ever(on_slurm):
    asked: list[None] = []

    def jobs():
        asked.append(None)
        state = ("PENDING", "RUNNING")[len(asked) == 2]
        reason = "None" if state == "RUNNING" else "launch failed requeued held"
        return [] if len(asked) == 1 else [Job(id="7_0", state=state, reason=reason)]

    error, told = on_slurm(jobs=jobs)
    assert "held by Slurm" in str(error) and told == 2 and len(asked) == 3


def test_jobs_that_are_held_beside_one_that_runs_are_another_ones_run(on_slurm):
    held, runs = (
        Job(id="7_0", state="PENDING", reason="JobHeldUser"),
        Job(id="7_1", state="RUNNING"),
    )
    with pytest.raises(SweepBusy) as caught:
        on_slurm(jobs=lambda: [held, runs])
    assert caught.value.status == AGAIN_STATUS


@pytest.mark.parametrize(
    ("statuses", "worst", "runs"),
    [
        ([1, 0, 0], 1, 3),
        ([0, 2, 1], 2, 3),
        ([0, AGAIN_STATUS, 0], AGAIN_STATUS, 2),  # told to leave: the rest is not wanted either
        ([1, 130, 0], 130, 2),
    ],
)
def test_of_several_sweeps_the_worst_status_is_returned(statuses, worst, runs):
    ran: list[int] = []

    def run(config):
        ran.append(config)
        return statuses[config]

    assert run_each(range(3), run) == worst  # type: ignore[arg-type]
    assert len(ran) == runs
