import json
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from pipeline.commands.cli import main
from pipeline.core.errors import StorageError
from pipeline.core.exports import EXPORTS_SCHEMA_VERSION
from pipeline.launching import housekeeping
from pipeline.launching.bundle import bundle_sweep
from pipeline.launching.holder import SupervisorLock
from pipeline.launching.housekeeping import free_sweep, held, remove_sweep, rename_sweep
from pipeline.launching.leftovers import hidden, remove_leftovers, unfinished
from pipeline.launching.peers import Peer
from pipeline.launching.presence import (
    Presence,
    is_supervised,
    leaving_lock,
    living,
    supervisor_lock,
)
from pipeline.launching.slurm import Job
from pipeline.launching.sweep_folder import load_config, load_description
from pipeline.reporting.exports import export_file
from pipeline.search.study import SweepStudy
from pipeline.tracking import sweeps
from pipeline.tracking.event_log import EventLog, sweep_log_path
from pipeline.tracking.events import SessionStarted, record
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.store import open_client


@pytest.mark.parametrize("role", ["workers", "peers"])
def test_nothing_is_changed_under_workers_that_train_without_a_leader(plan, role):
    config, name = plan.config, plan.config.sweep_name
    for change in (remove_sweep, free_sweep, lambda c, n: rename_sweep(c, n, "other")):
        with (
            Presence(config.sweep_dir, role) as there,
            pytest.raises(StorageError, match=rf"^sweep {name} is being run by {there.name}: stop"),
        ):
            change(config, name)
    with held(config, name) as folder:
        assert folder == config.sweep_dir


@pytest.mark.parametrize(
    "change",
    [remove_sweep, free_sweep, bundle_sweep, lambda config, name: rename_sweep(config, name, "b")],
    ids=["remove", "free", "bundle", "rename"],
)
def test_nothing_is_changed_while_somebody_runs_the_sweep(plan, change):
    config, name = plan.config, plan.config.sweep_name
    somebody = SupervisorLock(config.sweep_dir)
    assert somebody.acquire(wait=False)
    said = rf"^sweep {name} is being run by process {os.getpid()} on .* since .*: stop it first$"
    with pytest.raises(StorageError, match=said):
        change(config, name)
    somebody.release()
    assert (config.sweep_dir / "config.yaml").exists()


def test_a_name_that_the_storage_has_changes_nothing_anywhere(plan, replan, monkeypatch):
    config, name = plan.config, plan.config.sweep_name
    SweepStudy(config, plan.space)
    other = config.model_copy(update={"sweep_name": "lesson"})  # whose folder somebody deleted
    assert SweepStudy(other, plan.space).claim("w") is not None
    shutil.rmtree(other.sweep_dir)
    renamed: list[str] = []
    monkeypatch.setattr(sweeps, "rename_sweep", lambda *words: renamed.append(words[-1]))
    with pytest.raises(StorageError, match=r"^the storage has a study lesson already$"):
        rename_sweep(config, name, "lesson")
    assert renamed == [] and config.sweep_dir.is_dir()
    rename_sweep(config, name, "mine")
    assert renamed == ["mine"] and (config.sweep_dir.parent / "mine").is_dir()


def test_of_a_removed_sweep_nothing_is_left_and_what_cannot_be_removed_is_said(plan, monkeypatch):
    config, name = plan.config, plan.config.sweep_name

    def refuse(path, ignore_errors=False):
        if ignore_errors:
            return
        raise OSError(16, "Device or resource busy")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", refuse)
        with pytest.raises(StorageError, match=r"cannot be removed: Device or resource busy$"):
            remove_sweep(config, name)
    left, lock = sorted(config.sweep_dir.parent.iterdir())
    assert left.name.startswith(f".removed-{name}-") and lock.name == f"{left.name}.lock"
    with pytest.raises(StorageError, match="there is no sweep"):
        remove_sweep(config, name)
    remove_leftovers(config.mlruns)
    assert list(config.sweep_dir.parent.iterdir()) == []


@pytest.mark.parametrize("others", [0, 2])
def test_runs_that_are_not_known_to_be_the_sweeps_stay_and_that_is_said(
    plan, replan, monkeypatch, others
):
    config = replan(plan, tracking={"uri": "http://mlflow:5000"}).config
    said: list[str] = []
    monkeypatch.setattr(sweeps, "delete_sweep", lambda *_: 0)
    monkeypatch.setattr(sweeps, "runs_of_others", lambda *_: others)
    remove_sweep(config, config.sweep_name, said.append)
    assert not config.sweep_dir.exists()
    assert said == [
        f"{others} runs of a sweep that is called {config.sweep_name} stay in MLflow at "
        "http://mlflow:5000: they may be another one's"
    ] * (others > 0)  # fmt: skip


def filled(folder):
    folder.mkdir()
    (folder / "study.journal").write_bytes(b"x" * 500_000)
    return folder


def test_what_a_killed_removal_or_restoration_left_goes(plan, capsys):
    mlruns, sweeps = plan.config.mlruns, plan.config.sweep_dir.parent
    left, emptied = (hidden(filled(sweeps / name)) for name in ("left", "emptied"))
    unpacked, unpacking = filled(mlruns / ".restore-abc"), filled(mlruns / ".restore-def")
    (unpacked / "supervisor.lock").touch()
    with (
        supervisor_lock(unpacking),
        FileLock(sweeps / f"{emptied.name}.lock"),  # wherever that process runs
    ):
        assert main(["clean", f"mlruns={mlruns}"]) == 0
    assert capsys.readouterr().out.startswith("1.0 MB freed of removals and restorations that")
    assert emptied.is_dir() and unpacking.is_dir()
    assert not left.exists() and not unpacked.exists()
    assert not (sweeps / f"{left.name}.lock").exists()
    assert plan.config.sweep_dir.is_dir()


def test_what_only_has_such_a_name_stays(plan):
    mlruns, sweeps = plan.config.mlruns, plan.config.sweep_dir.parent
    kept = [filled(mlruns / ".restore-backup"), filled(sweeps / ".removed-notes-7")]
    copied = filled(mlruns / ".restore-of-a-sweep")
    for name in ("supervisor.lock", "config.yaml"):
        (copied / name).touch()
    assert remove_leftovers(mlruns) == 0
    assert all((folder / "study.journal").is_file() for folder in (*kept, copied))


def test_a_file_that_has_gone_meanwhile_is_removed(plan, monkeypatch):
    config, name, unlink = plan.config, plan.config.sweep_name, os.unlink

    def gone(path, *arguments, **keywords):
        unlink(path, *arguments, **keywords)
        if path == "identity.json":
            raise FileNotFoundError(2, "No such file or directory", path)

    monkeypatch.setattr("os.unlink", gone)
    remove_sweep(config, name)
    assert list(config.sweep_dir.parent.iterdir()) == []


def test_a_slurm_sweep_is_cleaned_where_there_is_no_slurm(plan, replan, slurm_launch, monkeypatch):
    monkeypatch.setenv("PATH", "")
    plan = replan(plan, launch=slurm_launch)
    assert free_sweep(plan.config, plan.config.sweep_name) == 0


def test_jobs_that_wait_keep_a_sweep_from_being_changed(plan, replan, slurm_launch, monkeypatch):
    plan = replan(plan, launch=slurm_launch)
    job = Job(id="7_0", state="PENDING", reason="Resources")
    monkeypatch.setattr(housekeeping, "jobs_of", lambda name, folder: [job])
    with pytest.raises(StorageError, match=r"has jobs in Slurm's queue \(1 .*wait.*\): scancel"):
        free_sweep(plan.config, plan.config.sweep_name)


def test_freeing_forgets_who_is_gone_but_not_who_seems_to_train(plan):
    config, name = plan.config, plan.config.sweep_name
    study = SweepStudy(config, plan.space)
    for role in ("workers", "peers"):
        for _ in range(2):
            with Presence(config.sweep_dir, role) as gone:
                pass
    assert study.claim(gone.name) is not None  # and it was killed
    free_sweep(config, name)
    assert [path.stem for path in (config.sweep_dir / "workers").iterdir()] == [gone.name]
    assert list((config.sweep_dir / "peers").iterdir()) == []


def test_freeing_forgets_nobody_where_storage_cannot_say_who_trains(plan, replan):
    config, name = plan.config, plan.config.sweep_name
    storage = config.storage.model_copy(update={"kind": "postgres"})  # its address is not said
    replan(plan, storage=storage)
    with Presence(config.sweep_dir) as gone:
        pass
    free_sweep(config, name)
    assert [path.stem for path in (config.sweep_dir / "workers").iterdir()] == [gone.name]


def begun(folder, *names):
    """Return a folder with what somebody has begun to write, half a megabyte, and other names."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    (folder / "archive.zip").write_bytes(b"x" * 500_000)
    return folder


def test_what_a_killed_bundle_or_export_left_goes(plan, tmp_path, capsys):
    bundles, exports = plan.config.mlruns / "bundles", plan.config.sweep_dir / "export"
    names = ("supervisor.lock", "study.journal", "study.journal.lock", "archive.zip")
    left = [begun(bundles / ".bundle-a", *names), begun(exports / ".unfinished-a", *names)]
    there = [begun(bundles / ".bundle-b", *names), begun(exports / ".unfinished-b", *names)]
    there.append(begun(bundles / ".bundle-of-mine", *names, "config.yaml"))
    there.append(begun(bundles / ".bundle-notes"))
    with supervisor_lock(there[0]), supervisor_lock(there[1]):
        assert main(["clean", f"mlruns={plan.config.mlruns}"]) == 0
    assert capsys.readouterr().out.startswith("1.0 MB freed of bundles and exports that were")
    assert not any(folder.exists() for folder in left)
    assert all((folder / "archive.zip").is_file() for folder in there)


def test_whoever_is_at_it_holds_the_lock_that_says_so(plan, tmp_path):
    with unfinished(".bundle-", tmp_path) as folder:
        begun(folder / "x")
        assert is_supervised(folder)
    assert not folder.exists()


def test_a_sweep_stays_where_slurm_does_not_say_what_it_has(plan, replan, slurm_launch, program):
    program("squeue", "echo 'error: Unable to contact slurm controller' >&2; exit 1")
    plan = replan(plan, launch=slurm_launch)
    with pytest.raises(StorageError, match=r"is not known: squeue failed: .*contact slurm contr"):
        remove_sweep(plan.config, plan.config.sweep_name)
    assert plan.config.sweep_dir.is_dir()


@pytest.mark.parametrize(
    "change", [held, free_sweep, lambda config, name: rename_sweep(config, name, "other")]
)
def test_a_sweep_that_nobody_can_look_at_is_a_sentence(change):
    config = SimpleNamespace(mlruns=Path("/tmp") / ("n" * 300))
    with pytest.raises(StorageError, match=r" cannot be read: File name too long$"):
        change(config, "some").__enter__()


@pytest.mark.parametrize("change", ["nothing", "remove", "rename"])
def test_a_peer_that_comes_meanwhile_waits_and_then_finds_the_sweep_or_none(plan, change):
    config, name, folder = plan.config, plan.config.sweep_name, plan.config.sweep_dir
    SweepStudy(config, plan.space)
    began, came = threading.Event(), threading.Event()
    found: list[str] = []

    class Coming(Peer):
        def _work_as(self, presence):
            came.set()
            return 0

    def come():
        began.set()
        try:
            Coming(plan=plan, say=print, show=lambda: None)._work()
        except StorageError as error:
            found.append(str(error))

    peer = threading.Thread(target=come)
    with held(config, name):
        peer.start()
        assert began.wait(60)
        assert not came.wait(0.5)
        assert living(folder, "peers") == set()
        if change == "remove":
            hidden(folder)
        elif change == "rename":
            folder.rename(folder.with_name("other"))
    peer.join(60)
    assert came.is_set() is (change == "nothing")
    if change != "nothing":
        assert found == [f"the sweep {name} was removed or renamed meanwhile"]
        assert not folder.exists()


def test_nothing_is_changed_while_a_peer_comes_or_leaves(plan):
    config, name = plan.config, plan.config.sweep_name
    with (
        leaving_lock(config.sweep_dir),
        pytest.raises(StorageError, match="by a peer that comes or leaves just now: stop it first"),
        held(config, name),
    ):
        pass
    with held(config, name):
        pass


def test_a_sweep_whose_configuration_is_damaged_can_be_freed(plan):
    log = plan.config.sweep_dir / "logs" / "worker-001.log"
    log.parent.mkdir()
    log.write_bytes(b"12345")
    (plan.config.sweep_dir / "config.yaml").write_text("search: [")
    assert free_sweep(plan.config, plan.config.sweep_name) == 5
    assert not log.exists()


def test_a_name_that_no_sweep_has_creates_nothing(tmp_path, capsys):
    nowhere = tmp_path / "wrong"
    assert main(["clean", "remove=typo", f"mlruns={nowhere}"]) == 2
    assert "there is no sweep typo" in capsys.readouterr().err
    assert not nowhere.exists()


def test_what_people_read_has_the_new_name(tmp_path, simulate_sweep, capsys):
    """MLflow's store is made here, which takes seconds."""
    folder = tmp_path / "sweeps" / "ancient"
    simulate_sweep(tmp_path, "ancient")
    settings = (folder / "config.yaml").read_text()
    assert "enabled: false" in settings
    (folder / "config.yaml").write_text(settings.replace("enabled: false", "enabled: true", 1))
    with EventLog(sweep_log_path(folder)) as log:
        record(log, SessionStarted(workers=1, host="h", versions={}, git_commit=None))
    export = export_file(folder, 3)
    export.parent.mkdir()
    kept = {
        "schema_version": EXPORTS_SCHEMA_VERSION, "sweep": "ancient", "trial": 3,
        "architecture": "d4", "device": "cpu", "threads": 2, "images": 9, "classes": ["0", "1"],
        "keras": {
            "precision": "float32", "accuracy": 0.9, "latency": {"median_ms": 1.0, "noisy": False},
        },
        "exports": {},
    }  # fmt: skip
    export.write_text(json.dumps(kept))
    config = load_config(tmp_path, "ancient")
    with Mirror(folder, config, load_description(folder)) as mirror:
        assert mirror.sync().failure is None
        run_id = mirror.sweep_run_id()
    assert run_id is not None
    (folder / "report.html").write_text("<title>ancient: is there a sweet spot?</title>")
    assert main(["clean", "rename=ancient:modern", f"mlruns={tmp_path}"]) == 0
    assert capsys.readouterr().out == "renamed ancient to modern\n"
    folder = tmp_path / "sweeps" / "modern"
    page = (folder / "report.html").read_text()
    assert "<title>modern: is there a sweet spot?</title>" in page
    assert "maps modern" in page and "ancient" not in page
    assert json.loads(export_file(folder, 3).read_text()) == kept | {"sweep": "modern"}
    assert not (folder / "supervisor.json").exists()
    client = open_client(config)
    assert client.get_run(run_id).data.tags["mlflow.note.content"].startswith("**modern**")
    shown = client.download_artifacts(run_id, "report.html", str(tmp_path))
    assert Path(shown).read_text() == page
