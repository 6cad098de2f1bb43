"""What removing or restoring a sweep leaves where the process is killed meanwhile."""

import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from pipeline.core.bundle import LOCK_FILE_NAME, STUDY_NAME, SWEEP_PREFIX
from pipeline.launching.presence import SUPERVISOR_LOCK, is_supervised
from pipeline.reporting.listing import folder_bytes

#: What the names of folders start with that nobody finds any more, or yet.
REMOVED_PREFIX = ".removed-"
RESTORE_PREFIX = ".restore-"
#: All that a restoration puts into its folder.
_RESTORED = frozenset({SUPERVISOR_LOCK, STUDY_NAME, LOCK_FILE_NAME, SWEEP_PREFIX.rstrip("/")})


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
    """Remove the folders whose process is gone, as far as we may, and return their bytes.

    Who restores a sweep holds the lock in the folder, who removes one the lock beside it. What
    has no such lock is not ours, whatever it is called.
    """
    freed = 0
    for folder in mlruns.glob(f"{RESTORE_PREFIX}*"):
        with suppress(OSError):  # another user's
            if _is_a_restoration(folder) and not is_supervised(folder):
                freed += _emptied(folder)
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


def _lock_path(removed: Path) -> Path:
    return removed.with_name(f"{removed.name}.lock")


def _is_a_restoration(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return SUPERVISOR_LOCK in names and names <= _RESTORED


def _emptied(folder: Path) -> int:
    held = folder_bytes(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return held - folder_bytes(folder)
