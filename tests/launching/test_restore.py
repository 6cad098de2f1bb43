"""What is left of a bundle or a restoration that is killed, told to end, or meets another one."""

import signal

import optuna
import pytest

from pipeline.commands import cli
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import StorageError
from pipeline.launching.bundle import bundle_sweep
from pipeline.launching.housekeeping import remove_sweep
from pipeline.launching.presence import is_supervised, supervisor_lock
from pipeline.launching.restore import restore_sweep
from pipeline.launching.sweep_folder import load_config
from pipeline.search import moving
from pipeline.search.moving import _copy, is_begun
from pipeline.search.opening import open_storage


def composed(mlruns, *words):
    overrides = ("data=digits", "tracking=off", f"mlruns={mlruns}", *words)
    return compose(CommandLine(command="sweep", overrides=overrides))


def trials(mlruns, name):
    config = load_config(mlruns, name)
    study = optuna.load_study(study_name=name, storage=open_storage(config).optuna)
    return [(t.number, t.state, t.params, t.values, t.user_attrs) for t in study.get_trials()]


@pytest.fixture(scope="module")
def here(tmp_path_factory, simulate_sweep):
    """Return a folder with a sweep that has a study of its final round."""
    mlruns = tmp_path_factory.mktemp("finals")
    simulate_sweep(mlruns, "demo", "search.rungs.enabled=false")
    storage = open_storage(composed(mlruns)).optuna
    study = optuna.create_study(
        storage=storage, study_name="demo/finalists", directions=["maximize", "minimize"]
    )
    study.add_trial(optuna.trial.create_trial(values=[0.9, 1.0], user_attrs={"number": 3}))
    return mlruns


@pytest.fixture(scope="module")
def archive(here):
    path, _ = bundle_sweep(composed(here), "demo")
    return path


class Killed(BaseException):
    """The process is gone: nothing that it would have tidied up behind itself is."""


def restore_and_die(config, archive, monkeypatch, *, after):
    """Let a restoration be killed once it has copied so many studies."""
    copied: list[str] = []

    def copy(*words):
        if len(copied) == after:
            raise Killed
        copied.append(words[-1])
        return _copy(*words)

    def no_folder(self, target):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(moving, "_copy", copy)
        patched.setattr("pathlib.Path.rename", no_folder)
        # It comes to begin with, too, and deletes nothing then.
        patched.setattr(moving, "delete_studies", lambda *_: None)
        patched.setattr("pipeline.launching.restore.delete_study", lambda *_: None)
        with pytest.raises(Killed):
            restore_sweep(config, archive, print)
    return copied


def studies(config):
    storage = open_storage(config).optuna
    return {s.study_name: s.user_attrs for s in optuna.get_all_study_summaries(storage)}


@pytest.mark.parametrize("after", [1, 2], ids=["finalists-only", "no-folder"])
def test_a_restore_that_was_killed_is_repeated(here, archive, tmp_path, monkeypatch, after):
    there = tmp_path / "there"
    config = composed(there)
    copied = restore_and_die(config, archive, monkeypatch, after=after)
    assert set(studies(config)) == set(copied) == set(["demo/finalists", "demo"][:after])
    assert is_begun(config.model_copy(update={"sweep_name": "demo"}))  # no new sweep may mix in
    assert restore_sweep(config, archive, print).failure is None
    assert trials(there, "demo") == trials(here, "demo")
    assert {name: attrs["restoring"] for name, attrs in studies(config).items()} == {
        "demo/finalists": None, "demo": None,
    }  # fmt: skip


@pytest.mark.parametrize("after", [1, 2], ids=["finalists-only", "no-folder"])
def test_what_a_killed_restore_has_left_is_removed(archive, tmp_path, monkeypatch, after):
    config = composed(tmp_path / "there")
    restore_and_die(config, archive, monkeypatch, after=after)
    remove_sweep(config, "demo")
    assert studies(config) == {} and list((config.mlruns / "sweeps").iterdir()) == []


def test_a_restore_that_had_only_made_a_study_is_repeated(archive, tmp_path):
    config = composed(tmp_path / "there")
    storage = open_storage(config).optuna
    optuna.create_study(storage=storage, study_name="demo/finalists", directions=["maximize"])
    assert restore_sweep(config, archive, print).failure is None


def test_a_restore_that_goes_on_is_left_alone(archive, tmp_path, monkeypatch):
    config = composed(tmp_path / "there")
    restore_and_die(config, archive, monkeypatch, after=2)
    before = studies(config)
    folder = tmp_path / "there" / before["demo"]["restoring"].rpartition("/")[2]
    folder.mkdir()
    with supervisor_lock(folder):
        with pytest.raises(
            StorageError, match=rf"demo already, which is being restored in {folder}"
        ):
            restore_sweep(config, archive, print)
        with pytest.raises(StorageError, match="there is no sweep demo"):
            remove_sweep(config, "demo")
    assert studies(config) == before


def test_another_folders_restore_is_left_alone_where_both_use_a_storage(
    archive, tmp_path, monkeypatch
):
    words = f"storage.path={tmp_path / 'shared.journal'}"
    one, other = (composed(tmp_path / name, words) for name in ("one", "other"))
    restore_and_die(one, archive, monkeypatch, after=1)
    with pytest.raises(StorageError, match="a study demo already, which is being restored in"):
        restore_sweep(other, archive, print)
    with pytest.raises(StorageError, match="there is no sweep demo"):
        remove_sweep(other, "demo")
    assert restore_sweep(one, archive, print).failure is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_restore_that_is_told_to_end_leaves_nothing_behind(
    archive, tmp_path, monkeypatch, number
):
    there = tmp_path / "there"

    def told(*words):
        signal.raise_signal(number)
        return _copy(*words)

    before = signal.signal(number, signal.SIG_DFL)
    monkeypatch.setattr(moving, "_copy", told)
    with pytest.raises(SystemExit, match=str(128 + number)):
        cli.main(["restore", str(archive), f"mlruns={there}", "tracking=off"])
    assert signal.signal(number, before) == signal.SIG_DFL
    assert studies(composed(there)) == {}
    assert [path.name for path in there.iterdir() if path.is_dir()] == ["sweeps"]
    assert list((there / "sweeps").iterdir()) == []


def test_a_folder_that_somebody_has_made_meanwhile_stays(archive, tmp_path, monkeypatch):
    config = composed(tmp_path / "there")
    theirs = config.mlruns / "sweeps" / "demo" / "config.yaml"

    def copy(*words):
        theirs.parent.mkdir(exist_ok=True)
        theirs.touch()
        return _copy(*words)

    monkeypatch.setattr(moving, "_copy", copy)
    with pytest.raises(StorageError, match="cannot be restored"):
        restore_sweep(config, archive, print)
    assert theirs.is_file() and studies(config) == {}


def test_a_restored_sweep_is_on_the_disk_before_it_has_its_name(archive, tmp_path, disk_calls):
    folder = restore_sweep(composed(tmp_path / "there"), archive, print).folder
    synced = {inode for call, inode in disk_calls if call == "fsync"}
    unsynced = [path for path in (folder, *folder.rglob("*")) if path.stat().st_ino not in synced]
    assert [path.name for path in unsynced] == []
    assert folder.parent.stat().st_ino in synced


def test_a_bundle_that_is_told_to_end_leaves_nothing_behind(here, monkeypatch):
    held = {}

    def told(journal, *_):
        held.update({path.name: is_supervised(path) for path in (here / "bundles").glob(".*")})
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setattr("pipeline.launching.bundle._write", told)
    with pytest.raises(SystemExit, match="143"):
        cli.main(["bundle", "demo", f"mlruns={here}"])
    signal.signal(signal.SIGTERM, before)
    assert list(held.values()) == [True]
    assert list((here / "bundles").glob(".*")) == []


def test_a_bundle_frees_what_a_killed_one_left_beside_it(here, tmp_path):
    left = tmp_path / ".bundle-killed"
    left.mkdir()
    for name in ("supervisor.lock", "archive.zip"):
        (left / name).touch()
    bundle_sweep(composed(here), "demo", tmp_path / "demo.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.zip"]
