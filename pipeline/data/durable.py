"""Files and their names made durable: a power cut leaves the old content or the new one, whole."""

import os
from pathlib import Path


def replace_durably(fresh: Path, path: Path) -> None:
    """Give a complete file its name; it is on the disk under that name when this returns.

    Without the first sync a power cut may leave an empty file, without the last one none.

    Raises
    ------
    OSError
        It cannot be written or renamed.
    """
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Put a file's content, or a folder's names, on the disk.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
