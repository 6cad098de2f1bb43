"""Who changes the champions of a ``mlruns`` folder, or removes what may become one, is alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.core.errors import StorageError
from pipeline.core.places import in_a_sentence

_LOCK_SECONDS = 60.0


@contextmanager
def registry_held(mlruns: Path) -> Iterator[None]:
    """Hold the registry: two that promote at once would both replace the same champion.

    Raises
    ------
    StorageError
        Another process holds it for too long, or it cannot be had.
    """
    lock = FileLock(mlruns / ".registry.lock")
    try:
        with in_a_sentence(f"{lock.lock_file} cannot be taken"):
            lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise StorageError(
            f"another process has been changing the champions in {mlruns} for {_LOCK_SECONDS:.0f} s"
        ) from error
    try:
        yield
    finally:
        lock.release()
