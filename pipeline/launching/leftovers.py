"""What is left where a process is killed that removes, restores, bundles or exports a sweep."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from pipeline.core.bundle import LOCK_FILE_NAME, STUDY_NAME, SWEEP_PREFIX
from pipeline.core.exports import EXPORT_DIR
from pipeline.launching.presence import SUPERVISOR_LOCK, is_supervised, supervisor_lock
from pipeline.reporting.listing import folder_bytes

#: What the names of folders start with that nobody finds any more, or yet.
REMOVED_PREFIX = ".removed-"
RESTORE_PREFIX = ".restore-"
BUNDLE_PREFIX = ".bundle-"
EXPORT_PREFIX = ".unfinished-"
#: Where bundles go, below ``mlruns``, unless another place is named.
BUNDLES_DIR = "bundles"
ARCHIVE_NAME = "archive.zip"
#: All that a restoration or a bundle puts into its folder, but for what Optuna adds to a name.
_OURS = frozenset({SUPERVISOR_LOCK, LOCK_FILE_NAME, SWEEP_PREFIX.rstrip("/"), ARCHIVE_NAME})


@contextmanager
def unfinished(prefix: str, parent: Path) -> Iterator[Path]:
    """Yield a folder for what is not complete yet; it goes with the block.

    A lock in it says on every host that we are at it.

    Raises
    ------
    OSError
        It cannot be made.
    """
    with (
        TemporaryDirectory(prefix=prefix, dir=parent) as temporary,
        supervisor_lock(Path(temporary)),
    ):
        yield Path(temporary)


def hidden(folder: Path) -> Path:
    """Give a sweep's folder a name by which nobody finds it any more, and return it.

    Raises
    ------
    OSError
        It cannot be renamed.
    """
    removed = folder.with_name(f"{REMOVED_PREFIX}{folder.name}-{uuid.uuid4().hex[:8]}")
    lock = _lock_path(removed)
    lock.touch()  # from here on whoever cleans knows it for ours
    try:
        return folder.rename(removed)
    except OSError:
        lock.unlink(missing_ok=True)
        raise


def empty(removed: Path) -> None:
    """Remove what ``hidden`` has returned; a lock beside it says on every host that we are at it.

    Raises
    ------
    OSError
        Something in it cannot be removed.
    """
    lock = _lock_path(removed)
    with FileLock(lock):
        # Twice: what has gone meanwhile is no failure, and the second time says why one stays.
        shutil.rmtree(removed, ignore_errors=True)
        if removed.exists():
            shutil.rmtree(removed)
        lock.unlink(missing_ok=True)


def remove_leftovers(mlruns: Path) -> int:
    """Remove what removals and restorations left whose process is gone, and return its bytes.

    Who restores a sweep holds the lock in the folder, who removes one the lock beside it. What
    has no such lock is not ours, whatever it is called, and what we may not remove stays.
    """
    freed = sum(map(_removed_if_over, mlruns.glob(f"{RESTORE_PREFIX}*")))
    for folder in mlruns.glob(f"sweeps/{REMOVED_PREFIX}*/"):
        lock = _lock_path(folder)
        with suppress(OSError):  # another user's, or another process is at it
            if lock.is_file():
                with FileLock(lock, timeout=0):
                    freed += _emptied(folder)
                    if not folder.exists():
                        lock.unlink()
    for lock in mlruns.glob(f"sweeps/{REMOVED_PREFIX}*.lock"):
        with suppress(OSError), FileLock(lock, timeout=0):  # its folder is gone, or never was
            if not lock.with_suffix("").exists():
                lock.unlink(missing_ok=True)
    return freed


def remove_unfinished(mlruns: Path) -> int:
    """Remove what bundles and exports left whose process is gone, and return its bytes."""
    freed = remove_unfinished_bundles(mlruns / BUNDLES_DIR)
    for folder in mlruns.glob(f"sweeps/*/{EXPORT_DIR}/{EXPORT_PREFIX}*"):
        freed += _removed_if_over(folder, theirs=False)
    return freed


def remove_unfinished_bundles(folder: Path) -> int:
    """Remove what bundles that were to be in a folder left, and return its bytes."""
    return sum(map(_removed_if_over, folder.glob(f"{BUNDLE_PREFIX}*")))


def _removed_if_over(folder: Path, *, theirs: bool = True) -> int:
    """Remove the folder of a process that is gone, and return its bytes.

    Parameters
    ----------
    theirs
        Whether somebody may have put a folder of his own there.
    """
    with suppress(OSError):  # another user's
        names = {path.name for path in folder.iterdir()}
        known = not theirs or all(n in _OURS or n.startswith(STUDY_NAME) for n in names)
        if SUPERVISOR_LOCK in names and known and not is_supervised(folder):
            return _emptied(folder)
    return 0


def _lock_path(removed: Path) -> Path:
    return removed.with_name(f"{removed.name}.lock")


def _emptied(folder: Path) -> int:
    held = folder_bytes(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return held - folder_bytes(folder)
