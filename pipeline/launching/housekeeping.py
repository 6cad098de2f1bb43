"""Freeing, removing and renaming a sweep in Optuna, in MLflow and on disk together."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from filelock import Timeout

from pipeline.config import Config
from pipeline.core.errors import ConfigurationError, StorageError, SweetspotError
from pipeline.core.places import in_a_sentence, looking_at
from pipeline.launching.holder import NOTE_NAME, SupervisorLock
from pipeline.launching.leftovers import empty, hidden
from pipeline.launching.planning import keeps_alone
from pipeline.launching.presence import (
    forget_gone,
    is_supervised,
    leaving_lock,
    living,
    make_folder,
    take,
)
from pipeline.launching.sbatch import job_name
from pipeline.launching.slurm import SlurmError, jobs_of, summarise
from pipeline.launching.sweep_folder import create_config, load_config, load_description
from pipeline.reporting.exports import rename_in_exports
from pipeline.reporting.files import SUMMARY_NAME, read_summary, write_atomically
from pipeline.reporting.listing import folder_bytes, size_of
from pipeline.reporting.spare import spare_files
from pipeline.reporting.wording import counted
from pipeline.reporting.writing import PAGE_NAME, write_page
from pipeline.search.moving import (
    check_rename,
    delete_study,
    is_begun,
    rename_study,
    running_workers,
    unfinished_restorations,
)
from pipeline.tracking import sweeps as mlflow_sweeps
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.store import tracking_uri


def remove_sweep(
    config: Config, name: str, say: Callable[[str], None] = lambda sentence: None
) -> int:
    """Remove a sweep everywhere and return the bytes that its folder held.

    The folder goes last: while it is there, the same command finishes what failed. Of a sweep
    whose folder somebody has removed, what is left elsewhere goes.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, a file cannot be removed, or MLflow or Optuna
        fails.
    """
    left = config.model_copy(update={"sweep_name": name})
    with looking_at(left.sweep_dir):
        is_there = (left.sweep_dir / "config.yaml").exists()
    if not is_there and _has_left(left):
        make_folder(left.sweep_dir)  # for the locks
        create_config(left)
    with held(config, name) as folder:
        own = load_config(config.mlruns, name)
        freed = folder_bytes(folder)
        mlflow_sweeps.delete_sweep(own, name)
        if others := mlflow_sweeps.runs_of_others(own, name):
            say(
                f"{counted(others, 'run')} of a sweep that is called {name} stay in MLflow at "
                f"{tracking_uri(own)}: they may be another one's"
            )
        delete_study(own, name)
        with in_a_sentence(f"{folder} cannot be removed"):
            removed = hidden(folder)
    # Emptied once the lock in it is free, as NFS asks for.
    with in_a_sentence(f"{removed} cannot be removed"):
        empty(removed)
    return freed


def _has_left(config: Config) -> bool:
    """Whether storage has something of a sweep without a folder that is ours to remove."""
    if config.storage.kind == "journal" and not config.storage_path.exists():
        return False  # opening it would make one
    if restorations := unfinished_restorations(config):
        return all(is_broken_off(config, restoration) for restoration in restorations)
    return keeps_alone(config) and is_begun(config)


def is_broken_off(config: Config, restoration: str | None) -> bool:
    """Whether a restoration is over that has not finished.

    Where others use the storage, too, no more is known than of those of this ``mlruns`` folder.

    Parameters
    ----------
    restoration
        Its folder; None where it had no time to name it.
    """
    if restoration is None:
        return keeps_alone(config)
    folder = Path(restoration)
    ours = folder.parent == config.mlruns or keeps_alone(config)
    return ours and not is_supervised(folder)


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
            size = size_of(path)
            with in_a_sentence(f"{path} cannot be removed"):
                path.unlink(missing_ok=True)
            freed += size
        with in_a_sentence(f"the locks in {folder} cannot be removed"):
            _forget_gone(config, name, folder)
    return freed


def _forget_gone(config: Config, name: str, folder: Path) -> None:
    """Remove the locks of workers and peers that are gone, where it is known who trained what."""
    try:
        named = running_workers(load_config(config.mlruns, name))
    except SweetspotError:
        return
    forget_gone(folder, "peers")
    forget_gone(folder, "workers", named)


def rename_sweep(
    config: Config, old: str, new: str, say: Callable[[str], None] = lambda sentence: None
) -> None:
    """Give a sweep another name everywhere.

    Parameters
    ----------
    say
        Hears what people read that still has the old name, and why.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, the new name is taken, or MLflow or Optuna
        fails.
    """
    target = config.mlruns / "sweeps" / new
    with looking_at(target):
        is_taken = target.exists()
    if is_taken:
        raise StorageError(f"there is a sweep {new} already")
    with held(config, old) as folder:
        own = load_config(config.mlruns, old)
        check_rename(own, old, new)
        runs = mlflow_sweeps.rename_sweep(own, old, new)
        rename_study(own, old, new)
        renamed = own.model_copy(update={"sweep_name": new})
        values = renamed.model_dump(mode="json")
        write_atomically(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False))
        if (folder / SUMMARY_NAME).exists():
            summary = read_summary(folder) | {"sweep": new}
            write_atomically(folder / SUMMARY_NAME, json.dumps(summary, indent=1) + "\n")
        with in_a_sentence(f"{folder} cannot be renamed"):
            # Ours, which we take away where it was: elsewhere it would stay.
            (folder / NOTE_NAME).unlink(missing_ok=True)
            folder.rename(target)
        _tell_of_new_name(renamed, say, in_mlflow=bool(runs) and own.tracking.enabled)


def _tell_of_new_name(config: Config, say: Callable[[str], None], *, in_mlflow: bool) -> None:
    """Write anew what people read of a sweep: it is renamed, whatever goes wrong here."""
    folder = config.sweep_dir
    try:
        rename_in_exports(folder)
        if (folder / PAGE_NAME).exists():
            write_page(folder)
        if in_mlflow:
            with Mirror(folder, config, load_description(folder)) as mirror:
                report = mirror.sync()
            if (failure := report.failure or report.refused) is not None:
                say(failure)
    except StorageError as error:
        say(f"{folder.name} has its name, but not all that people read of it: {error}")


@contextmanager
def held(config: Config, name: str) -> Iterator[Path]:
    """Hold a sweep, so that nobody runs it and no peer comes meanwhile; yield its folder.

    Raises
    ------
    StorageError
        There is no such sweep, somebody runs it, jobs of it wait in a queue, or Slurm does not say.
    """
    folder = config.mlruns / "sweeps" / name
    with looking_at(folder):
        is_there = (folder / "config.yaml").exists()
    if not is_there:
        raise StorageError(f"there is no sweep {name} under {folder.parent}")
    lock = SupervisorLock(folder)
    if not lock.acquire(wait=False):
        raise StorageError(f"sweep {name} is being run by {lock.holder()}: stop it first")
    leaving = leaving_lock(folder)
    try:
        try:
            take(leaving, timeout=0)
        except Timeout:
            raise StorageError(
                f"sweep {name} is being run by a peer that comes or leaves just now: stop it first"
            ) from None
        _check_is_quiet(config, name, folder)
        yield folder
    finally:
        leaving.release()
        lock.release()


def _check_is_quiet(config: Config, name: str, folder: Path) -> None:
    """Raise StorageError where the sweep has workers whose supervisor is not there (any more)."""
    busy = sorted(living(folder, "peers") | living(folder, "workers"))
    if busy:
        raise StorageError(f"sweep {name} is being run by {', '.join(busy)}: stop it first")
    try:
        if load_config(config.mlruns, name).launch.kind != "slurm":
            return
    except StorageError:  # what is damaged is not run, and may be freed
        return
    try:
        jobs = jobs_of(name, folder)
    except ConfigurationError:  # without Slurm's programs it starts nothing here
        return
    except SlurmError as error:
        raise StorageError(
            f"whether sweep {name} has jobs in Slurm's queue is not known: {error}"
        ) from error
    if jobs:
        raise StorageError(
            f"sweep {name} has jobs in Slurm's queue ({summarise(jobs)}): scancel "
            f"--name={job_name(name)} ends them"
        )
