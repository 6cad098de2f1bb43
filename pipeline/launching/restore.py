"""A sweep rebuilt from its bundle: folder, Optuna study, MLflow; every file checked first."""

import hashlib
import json
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from pipeline.config import PROJECT_ROOT, Config, checked_name, command
from pipeline.core.bundle import (
    LOCK_FILE_NAME,
    MANIFEST_NAME,
    STUDY_NAME,
    SWEEP_PREFIX,
    Manifest,
    Member,
)
from pipeline.core.errors import StorageError
from pipeline.data.durable import sync
from pipeline.launching.housekeeping import is_broken_off
from pipeline.launching.leftovers import RESTORE_PREFIX, unfinished
from pipeline.launching.planning import load_plan
from pipeline.launching.sweep_folder import load_config, load_description
from pipeline.reporting.files import CONFIG_NAME, SUMMARY_NAME, read_summary, write_atomically
from pipeline.reporting.progress import read_trainings
from pipeline.search.moving import delete_study, finish_import, import_studies
from pipeline.search.opening import open_storage
from pipeline.tracking.mirror import Mirror

_BLOCK_BYTES = 1 << 20
#: Of a manifest; one of a sweep of thousands of trials is smaller.
_LONGEST_MANIFEST = 64 << 20
#: What a file that is no ZIP archive, or a damaged one, raises.
_UNSOUND = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError)
#: How a bundle's files are packed.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A sweep that is here again.

    Parameters
    ----------
    runs
        Its runs in MLflow; None where there is no tracking.
    failure
        Why MLflow does not have all of it; None where it has.
    """

    folder: Path
    manifest: Manifest
    runs: int | None
    failure: str | None


def restore_sweep(config: Config, archive: Path, say: Callable[[str], None]) -> Restored:
    """Rebuild the sweep of a bundle under ``mlruns``, in this configuration's storage and MLflow.

    Nothing is left behind where it fails before MLflow; what MLflow lacks, ``sweetspot sync``
    brings.

    Parameters
    ----------
    say
        Hears what may matter to whoever goes on with the sweep.

    Raises
    ------
    StorageError
        The archive is no bundle or was changed, or there is such a sweep here already.
    """
    sweeps = config.mlruns / "sweeps"
    try:
        with zipfile.ZipFile(archive) as file:
            manifest = _read_manifest(file)
            name = _new_name(config, manifest.sweep)
            sweeps.mkdir(parents=True, exist_ok=True)
            with unfinished(RESTORE_PREFIX, sweeps.parent) as unpacked:
                for member in manifest.members:
                    _unpack(file, member, manifest.members[member], unpacked / member)
                _settle(config, name, unpacked, say)
                _rebuild(config, name, unpacked)
    except _UNSOUND as error:
        raise StorageError(f"{archive} is no sound bundle: {error}") from error
    except OSError as error:
        raise StorageError(f"{archive} cannot be restored: {error}") from error
    except StorageError as error:
        raise StorageError(f"{archive} is not restored: {error}") from error
    runs, failure = _mirror(config, name)
    return Restored(folder=sweeps / name, manifest=manifest, runs=runs, failure=failure)


def _read_manifest(file: zipfile.ZipFile) -> Manifest:
    """Return the manifest; the archive holds what it says, each once, and nothing else."""
    names = [info.filename for info in file.infolist()]
    if MANIFEST_NAME not in names:
        raise StorageError(f"it has no {MANIFEST_NAME}, so it is no bundle of a sweep")
    if any(info.compress_type not in _PACKED for info in file.infolist()):
        raise StorageError("its files are packed as no bundle's are")
    with file.open(MANIFEST_NAME) as opened:
        manifest = Manifest.from_text(opened.read(_LONGEST_MANIFEST))
    if sorted(names) != sorted([MANIFEST_NAME, *manifest.members]):
        raise StorageError(f"its files are not those of its {MANIFEST_NAME}")
    return manifest


def _new_name(config: Config, name: str) -> str:
    try:
        checked_name(name)
    except ValueError as error:
        raise StorageError(f"its sweep has no sound name: {error}") from error
    if (config.mlruns / "sweeps" / name).exists():
        raise StorageError(
            f"there is a sweep {name} already; `{command(config, 'clean')}` renames or removes one"
        )
    return name


def _unpack(file: zipfile.ZipFile, name: str, member: Member, path: Path) -> None:
    """Write a member to ``path`` and make sure that it is what the manifest says."""
    info = file.getinfo(name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.file_size != member.size:
        raise StorageError(f"{name} is not the file that its {MANIFEST_NAME} describes")
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with file.open(info) as packed, path.open("xb") as unpacked:
        while block := packed.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            if size > member.size:
                break
            unpacked.write(block)
    if size != member.size or digest.hexdigest() != member.digest:
        raise StorageError(f"{name} was changed: it has another SHA-256 than when it was bundled")


def _settle(config: Config, name: str, unpacked: Path, say: Callable[[str], None]) -> None:
    """Make the configuration this machine's, and see that the files are those of a sweep."""
    folder = unpacked / SWEEP_PREFIX
    path = folder / CONFIG_NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values |= {
            "mlruns": str(config.mlruns),
            "sweep_name": name,
            "storage": config.storage.model_dump(mode="json"),
            "tracking": config.tracking.model_dump(mode="json"),
        }
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise StorageError(f"its {CONFIG_NAME} is damaged ({error!r})") from error
    write_atomically(path, yaml.safe_dump(values, sort_keys=False))
    ours = (PROJECT_ROOT / "requirements/run.txt").read_bytes()
    theirs = (unpacked / LOCK_FILE_NAME).read_bytes()
    if ours != theirs:
        say(
            f"{name} was made with other versions of its libraries; they are in "
            f"{LOCK_FILE_NAME} in its folder."
        )
    shutil.copyfile(unpacked / LOCK_FILE_NAME, folder / LOCK_FILE_NAME)


def _rebuild(config: Config, name: str, unpacked: Path) -> None:
    """Bring the study into storage and the folder to its place: both, or none."""
    own = config.model_copy(update={"sweep_name": name})
    folder = own.sweep_dir
    whole = unpacked / SWEEP_PREFIX
    for path in (whole, *whole.rglob("*")):
        sync(path)
    storage = open_storage(own)
    # Marked as ours until all is in its place: what is left where we are killed can be replaced.
    import_studies(unpacked / STUDY_NAME, name, storage, str(unpacked), partial(is_broken_off, own))
    try:
        whole.rename(folder)
        sync(folder.parent)
        load_plan(config.mlruns, name)
        read_trainings(folder)
        read_summary(folder)
        finish_import(storage, name)
    except BaseException:  # Ctrl-C, too, leaves nothing behind
        if not whole.exists():  # else the folder is somebody else's
            shutil.rmtree(folder, ignore_errors=True)
        delete_study(own, name)
        raise


def _mirror(config: Config, name: str) -> tuple[int | None, str | None]:
    """Bring the sweep to MLflow; its summary names its run there."""
    if not config.tracking.enabled:
        return None, None
    own = load_config(config.mlruns, name)
    with Mirror(own.sweep_dir, own, load_description(own.sweep_dir)) as mirror:
        report = mirror.sync()
        run_id = mirror.sweep_run_id()
        if report.failure is None and run_id is not None:
            summary = read_summary(own.sweep_dir) | {"mlflow_run_id": run_id}
            write_atomically(own.sweep_dir / SUMMARY_NAME, json.dumps(summary, indent=1) + "\n")
            report = mirror.sync()  # the summary is an artifact, too
    return report.runs, report.failure or report.refused
