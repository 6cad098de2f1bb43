"""A sweep leaves in a bundle and comes back elsewhere: training simulated, all else real."""

import json
import shutil
import zipfile
from unittest.mock import MagicMock

import optuna
import pytest

from pipeline.commands import cli
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.bundle import MANIFEST_NAME
from pipeline.core.errors import StorageError
from pipeline.launching.bundle import bundle_sweep
from pipeline.launching.planning import load_plan
from pipeline.launching.restore import restore_sweep
from pipeline.launching.sweep_folder import load_config
from pipeline.reporting.files import read_summary
from pipeline.reporting.progress import read_records
from pipeline.reporting.writing import write_report
from pipeline.search import moving
from pipeline.search.moving import _copy
from pipeline.search.opening import open_storage
from pipeline.testing.simulated_run import simulated_run
from pipeline.tracking.mirror import SyncReport

SETTINGS = ("search.trials=8", "search.first=[16k3-d32]", "search.rungs.enabled=false")


def composed(mlruns, tracking="off"):
    words = ("data=digits", f"tracking={tracking}", f"mlruns={mlruns}")
    return compose(CommandLine(command="sweep", overrides=words))


def trials(mlruns, name):
    config = load_config(mlruns, name)
    study = optuna.load_study(study_name=name, storage=open_storage(config).optuna)
    return [(t.number, t.state, t.params, t.values, t.user_attrs) for t in study.get_trials()]


@pytest.fixture(scope="module")
def here(tmp_path_factory, simulate_sweep):
    """Return a folder with two sweeps, ``demo`` and another one in the same journal."""
    mlruns = tmp_path_factory.mktemp("here")
    simulate_sweep(mlruns, "demo", *SETTINGS)
    simulate_sweep(mlruns, "other")
    write_report(mlruns / "sweeps" / "demo")
    (mlruns / "sweeps" / "demo" / "supervisor.json").write_text("{}")  # as of one that was killed
    (mlruns / "sweeps" / "demo" / "logs").mkdir()
    (mlruns / "sweeps" / "demo" / "logs" / "worker-001.log").write_text("a secret of this machine")
    return mlruns


@pytest.fixture(scope="module")
def archive(here):
    path, _ = bundle_sweep(composed(here), "demo")
    return path


def test_it_holds_the_sweep_alone_and_nothing_of_this_machines_processes(here, archive):
    assert archive == here / "bundles" / "demo.sweep.zip"
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
        assert file.testzip() is None
        assert b"other" not in file.read("study.journal")
    assert {
        "manifest.json", "requirements.txt", "study.journal", "sweep/config.yaml",
        "sweep/first.json", "sweep/report.html", "sweep/networks.csv", "sweep/events/0002.jsonl",
        "sweep/models/0000.keras", "sweep/figures/pareto-epoch_seconds.png",
    } <= names  # fmt: skip
    for left_out in (".lock", "logs/", "supervisor"):
        assert not [name for name in names if left_out in name]


def test_it_comes_back_as_it_was_and_goes_on(here, archive, tmp_path, simulate_sweep):
    there = tmp_path / "there"
    simulate_sweep(there, "neighbour")
    said: list[str] = []
    restored = restore_sweep(composed(there), archive, said.append)
    assert (restored.runs, restored.failure, said) == (None, None, [])
    assert restored.folder == there / "sweeps" / "demo"
    assert trials(there, "demo") == trials(here, "demo")
    assert read_records(restored.folder) == read_records(here / "sweeps" / "demo")
    for name in ("summary.json", "report.html", "models/0000.keras", "identity.json"):
        before = (here / "sweeps" / "demo" / name).read_bytes()
        assert (restored.folder / name).read_bytes() == before
    assert load_config(there, "demo").mlruns == there
    assert [path for path in there.iterdir() if path.name.startswith(".restore")] == []
    # The same question, a larger budget: the next trial is the one that would have come at home.
    simulate_sweep(there, "demo", *SETTINGS[1:], "search.trials=9")
    simulate_sweep(here, "demo", *SETTINGS[1:], "search.trials=9")
    after = read_records(restored.folder)
    assert len(after) == 9
    assert [r.specification for r in after] == [
        r.specification for r in read_records(here / "sweeps" / "demo")
    ]


def test_its_final_round_comes_with_it(tmp_path, simulate_sweep):
    home, there = tmp_path / "home", tmp_path / "there"
    simulate_sweep(home, "demo", "search.rungs.enabled=false", "finalists.seeds=2")
    run = simulated_run(load_plan(home, "demo"))
    wanted, finalists = run.results.final_trainings(run.study), run.study.finalists
    while (claim := finalists.claim("w", wanted)) is not None:
        run.run(claim)
    archive, _ = bundle_sweep(composed(home), "demo")
    restore_sweep(composed(there), archive, print)
    restored = simulated_run(load_plan(there, "demo"))
    assert restored.study.finalists.records() == finalists.records()
    assert len(finalists.records()) == len(wanted) > 0
    assert restored.results.final_trainings(restored.study) == wanted
    assert restored.study.finalists.due(wanted) == []


def test_a_sweep_that_is_here_is_not_overwritten(here, archive):
    before = (here / "sweeps" / "demo" / "summary.json").read_bytes()
    with pytest.raises(StorageError, match="there is a sweep demo already"):
        restore_sweep(composed(here), archive, print)
    assert (here / "sweeps" / "demo" / "summary.json").read_bytes() == before


def rewritten(archive, path, change):
    """Copy an archive, its members given to ``change`` as a dictionary of bytes."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            file.writestr(info, content)
    return path


def drop(name):
    return lambda members: members.pop(name)


def change(name):
    return lambda members: members.update({name: members[name][:-1] + b"!"})


def add(name):
    return lambda members: members.update({name: b"content"})


def link(members):
    name = "sweep/summary.json"
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    content = members.pop(name)
    members[info] = content


def name_outside(members):
    manifest = json.loads(members[MANIFEST_NAME])
    digest = manifest["members"]["sweep/summary.json"]
    manifest["members"]["sweep/../../../outside"] = digest
    members["sweep/../../../outside"] = members["sweep/summary.json"]
    members[MANIFEST_NAME] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (drop(MANIFEST_NAME), "it is no bundle of a sweep"),
        (drop("sweep/front.csv"), "its files are not those of its manifest"),
        (add("sweep/more.txt"), "its files are not those of its manifest"),
        (add("../../outside"), "its files are not those of its manifest"),
        (name_outside, "is no name for a file of a bundle"),
        (change("sweep/summary.json"), "summary.json was changed"),
        (change("study.journal"), "study.journal was changed"),
        (link, "summary.json is not the file that its manifest.json describes"),
    ],
    ids=["bare", "dropped", "added", "outside", "named-outside", "summary", "study", "link"],
)
def test_an_archive_that_was_changed_leaves_nothing_behind(archive, tmp_path, tamper, said):
    changed = rewritten(archive, tmp_path / "changed.zip", tamper)
    there = tmp_path / "a" / "b" / "there"
    with pytest.raises(StorageError, match=said):
        restore_sweep(composed(there), changed, print)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path != changed]
    assert left == []


def test_what_is_no_archive_is_refused_in_a_sentence(archive, tmp_path, capsys):
    damaged = tmp_path / "half.zip"
    damaged.write_bytes(archive.read_bytes()[:2000])
    empty = tmp_path / "empty.zip"
    empty.touch()
    flipped = tmp_path / "flipped.zip"
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as packed:  # within what is compressed, not in its name
        info = max(packed.infolist(), key=lambda member: member.compress_size)
    middle = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    content[middle : middle + 64] = bytes(64)
    flipped.write_bytes(content)
    for path in (damaged, empty, flipped, tmp_path / "missing.zip"):
        assert cli.main(["restore", str(path), f"mlruns={tmp_path / 'there'}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(path) in line
    assert cli.main(["restore", f"mlruns={tmp_path / 'there'}"]) == 2


def test_a_study_that_cannot_be_read_back_leaves_no_study(archive, tmp_path, monkeypatch):
    there = tmp_path / "there"

    def fails(mlruns, name):
        raise StorageError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.launching.restore.load_plan", fails)
        with pytest.raises(StorageError, match="the disk is full"):
            restore_sweep(composed(there), archive, print)
    assert not (there / "sweeps" / "demo").exists()
    assert restore_sweep(composed(there), archive, print).failure is None


def test_a_restore_that_is_interrupted_leaves_no_study(archive, tmp_path, monkeypatch):
    there = tmp_path / "there"
    copied = []

    def interrupted(source, before, target, after):
        copied.append(after)
        _copy(source, before, target, after)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moving, "_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore_sweep(composed(there), archive, print)
    assert copied and not (there / "sweeps" / "demo").exists()
    assert restore_sweep(composed(there), archive, print).failure is None


def test_the_commands_say_the_same_fingerprint(here, tmp_path, capsys):
    path = tmp_path / "moved.zip"
    assert cli.main(["bundle", "other", f"file={path}", f"mlruns={here}"]) == 0
    written = capsys.readouterr().out.splitlines()
    there = tmp_path / "there"
    assert cli.main(["restore", str(path), f"mlruns={there}", "tracking=off"]) == 0
    read = capsys.readouterr().out.splitlines()
    assert written[1] == read[1]
    assert written[1].startswith("fingerprint  ")
    assert cli.main(["status", "other", f"mlruns={there}"]) == 0
    shutil.rmtree(there)


def test_a_restored_summary_names_its_run_although_a_file_is_refused(
    archive, tmp_path, monkeypatch
):
    mirror = MagicMock()
    mirror.__enter__.return_value = mirror
    mirror.sync.return_value = SyncReport(runs=9, refused="413")
    mirror.sweep_run_id.return_value = "the run"
    monkeypatch.setattr("pipeline.launching.restore.Mirror", lambda *_: mirror)
    config = composed(tmp_path / "there", "mlflow")
    restored = restore_sweep(config, archive, print)
    assert (restored.runs, restored.failure) == (9, "413")
    assert read_summary(restored.folder)["mlflow_run_id"] == "the run"


def test_names_and_ways_to_pack_that_no_bundle_has_are_refused_in_a_sentence(tmp_path):
    packed, named = tmp_path / "packed.zip", tmp_path / "named.zip"
    for path, way in ((packed, zipfile.ZIP_BZIP2), (named, zipfile.ZIP_STORED)):
        with zipfile.ZipFile(path, "w", way) as file:
            file.writestr(MANIFEST_NAME, "{}")
            file.writestr("ä", "")
    named.write_bytes(named.read_bytes().replace("ä".encode(), b"\xff\xfe"))
    with pytest.raises(StorageError, match=r"packed\.zip is not restored: its files are packed as"):
        restore_sweep(composed(tmp_path / "there"), packed, print)
    with pytest.raises(StorageError, match=r"named\.zip is no sound bundle: 'utf-8' codec"):
        restore_sweep(composed(tmp_path / "there"), named, print)


def test_into_a_folder_it_goes_by_its_own_name(here, tmp_path):
    path, _ = bundle_sweep(composed(here), "other", tmp_path)
    assert path == tmp_path / "other.sweep.zip" and zipfile.is_zipfile(path)
    assert list(tmp_path.iterdir()) == [path]


def test_files_whose_names_no_bundle_has_stay_behind_and_that_is_said(here, tmp_path, capsys):
    there = tmp_path / "mlruns"
    shutil.copytree(here, there)
    for name in ("notes 1.txt", "größe.txt"):
        (there / "sweeps" / "other" / name).touch()
    path = tmp_path / "o.zip"
    assert cli.main(["bundle", "other", f"file={path}", f"mlruns={there}"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("sweetspot: not in the bundle: 'größe.txt', 'notes 1.txt'; names there")
    with zipfile.ZipFile(path) as file:
        assert not [name for name in file.namelist() if "notes" in name or "größe" in name]
