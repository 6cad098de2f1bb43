"""What removing or restoring a sweep leaves where the process is killed meanwhile."""

import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.launching.presence import is_supervised
from pipeline.reporting.listing import folder_bytes

#: What the names of folders start with that nobody finds any more, or yet.
REMOVED_PREFIX = ".removed-"
RESTORE_PREFIX = ".restore-"


def removed_folder(folder: Path, pid: int) -> Path:
    """Return what a sweep's folder is called while that process empties it."""
    return folder.with_name(f"{REMOVED_PREFIX}{folder.name}-{pid}")


def remove_leftovers(mlruns: Path) -> int:
    """Remove the folders whose process is gone, as far as we may, and return their bytes.

    Who restores a sweep holds the lock in the folder. In one that is being removed nothing can be
    held, but its name ends with the number of the process.
    """
    freed = 0
    for folder in (*mlruns.glob(f"{RESTORE_PREFIX}*"), *mlruns.glob(f"sweeps/{REMOVED_PREFIX}*")):
        with suppress(OSError):  # another user's
            if not _is_in_use(folder):
                held = folder_bytes(folder)
                shutil.rmtree(folder, ignore_errors=True)
                freed += held - folder_bytes(folder)
    return freed


def _is_in_use(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    if folder.name.startswith(REMOVED_PREFIX) and pid.isdecimal():
        return psutil.pid_exists(int(pid))
    return is_supervised(folder)
