"""Freeing, removing and renaming a sweep in Optuna, in MLflow and on disk together."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.launching.holder import SupervisorLock
from pipeline.launching.planning import create_config, keeps_alone, load_config
from pipeline.reporting.files import CONFIG_NAME, SUMMARY_NAME, read_summary, write_atomically
from pipeline.reporting.listing import folder_bytes
from pipeline.reporting.spare import spare_files
from pipeline.search.moving import delete_study, is_begun, rename_study
from pipeline.tracking import sweeps as mlflow_sweeps


def remove_sweep(config: Config, name: str) -> int:
    """Remove a sweep everywhere and return the bytes that its folder held.

    The folder goes last: while it is there, the same command finishes what failed. Of a sweep
    whose folder somebody has removed, what is left elsewhere goes.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, or MLflow or Optuna fails.
    """
    left = config.model_copy(update={"sweep_name": name})
    if not (left.sweep_dir / "config.yaml").exists() and keeps_alone(left) and is_begun(left):
        left.sweep_dir.mkdir(parents=True, exist_ok=True)  # for the locks
        create_config(left)
    with held(config, name) as folder:
        own = load_config(config.mlruns, name)
        freed = folder_bytes(folder)
        mlflow_sweeps.delete_sweep(own, name)
        delete_study(own, name)
        for path in folder.iterdir():
            if path.name != CONFIG_NAME:  # by which the same command finds the folder again
                is_folder = path.is_dir() and not path.is_symlink()
                shutil.rmtree(path) if is_folder else path.unlink()
        shutil.rmtree(folder)
    return freed


def free_sweep(config: Config, name: str) -> int:
    """Remove what a sweep has left that nobody needs any more, and return its bytes.

    Its networks stay, the front's above all, and so does all that it can go on from.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, or a file cannot be removed.
    """
    freed = 0
    with held(config, name) as folder:
        for path in spare_files(folder):
            size = path.stat().st_size
            try:
                path.unlink()
            except OSError as error:
                raise StorageError(f"{path} cannot be removed: {error.strerror}") from error
            freed += size
    return freed


def rename_sweep(config: Config, old: str, new: str) -> None:
    """Give a sweep another name everywhere.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, the new name is taken, or MLflow or Optuna
        fails.
    """
    target = config.mlruns / "sweeps" / new
    if target.exists():
        raise StorageError(f"there is a sweep {new} already")
    with held(config, old) as folder:
        own = load_config(config.mlruns, old)
        mlflow_sweeps.rename_sweep(own, old, new)
        rename_study(own, old, new)
        renamed = own.model_copy(update={"sweep_name": new})
        values = renamed.model_dump(mode="json")
        write_atomically(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False))
        if (folder / SUMMARY_NAME).exists():
            summary = read_summary(folder) | {"sweep": new}
            write_atomically(folder / SUMMARY_NAME, json.dumps(summary, indent=1) + "\n")
        folder.rename(target)


@contextmanager
def held(config: Config, name: str) -> Iterator[Path]:
    """Hold a sweep's supervisor lock, so that nobody runs it meanwhile; yield its folder.

    Raises
    ------
    StorageError
        There is no such sweep, or somebody runs it.
    """
    folder = config.mlruns / "sweeps" / name
    if not (folder / "config.yaml").exists():
        raise StorageError(f"there is no sweep {name} under {folder.parent}")
    lock = SupervisorLock(folder)
    if not lock.acquire(wait=False):
        raise StorageError(f"sweep {name} is being run by {lock.holder()}: stop it first")
    try:
        yield folder
    finally:
        lock.release()
