"""Reading and writing the files of a sweep's folder that people and other programs see."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import StorageError, one_of
from pipeline.core.summary import SUMMARY_SCHEMA_VERSION

SUMMARY_NAME = "summary.json"
CONFIG_NAME = "config.yaml"
#: What every reader may rely on; see `pipeline.core.summary`.
_SUMMARY_KEYS = frozenset(
    ("sweep", "data", "costs", "trials", "front", "sweet_spot", "references", "hypervolume")
)
_MOST_NAMES = 8


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    The folder is created where it is missing; text is UTF-8.

    Raises
    ------
    StorageError
        The file cannot be written (full disk, no permission); the old content is intact.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:40]}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Temporary files are private; what people are to read is not.
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def sweeps_dir(mlruns: Path) -> Path:
    """Return the folder that holds one folder a sweep."""
    return mlruns / "sweeps"


def sweeps(mlruns: Path) -> list[tuple[str, float]]:
    """Return the name of every sweep and when it last changed, the newest first.

    The time is that of the newest file among the summary, the configuration and the event
    logs, in seconds since the epoch. Without any sweep the list is empty. Left out are folders
    of others that we may not look into, those that have just gone, and those of sweeps that were
    refused before they began.

    Raises
    ------
    StorageError
        The folder is there but cannot be read.
    """
    folder = sweeps_dir(mlruns)
    found = []
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir() and not path.name.startswith("."):
                with suppress(PermissionError, FileNotFoundError):
                    modified = _modified(path)
                    if modified is not None:
                        found.append((path.name, modified))
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror or error}") from error
    return sorted(found, key=lambda sweep: (-sweep[1], sweep[0]))


def _modified(sweep_dir: Path) -> float | None:
    """Return when a sweep last changed; None where the folder holds nothing of one."""
    files = [sweep_dir / SUMMARY_NAME, sweep_dir / CONFIG_NAME, sweep_dir / "events"]
    files += (sweep_dir / "events").glob("*.jsonl")
    there = [path for path in files if path.exists()]
    if not there:
        return None
    return max(path.stat().st_mtime for path in (sweep_dir, *there))


def read_summary(sweep_dir: Path) -> dict[str, Any]:
    """Return the content of a sweep's ``summary.json``.

    Raises
    ------
    StorageError
        The sweep or its summary is missing (the sweeps that exist are named), the file is
        damaged, or another version wrote it.
    """
    path = sweep_dir / SUMMARY_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StorageError(_missing(sweep_dir)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StorageError(f"cannot read {path}: {reason or error}") from error
    try:
        summary = json.loads(text)
    except json.JSONDecodeError as error:
        raise StorageError(
            f"{path} is damaged: not JSON from line {error.lineno}, column {error.colno} on"
        ) from error
    version = summary.get("schema_version") if isinstance(summary, dict) else None
    if isinstance(summary, dict) and version not in (None, SUMMARY_SCHEMA_VERSION):
        raise StorageError(
            f"{path} has schema_version {version}, but this version of sweetspot reads "
            f"{SUMMARY_SCHEMA_VERSION}"
        )
    missing = sorted(_SUMMARY_KEYS - set(summary)) if isinstance(summary, dict) else ["all keys"]
    if version is None or missing:
        lacks = missing[0] if missing else "schema_version"
        raise StorageError(f"{path} is damaged: it lacks {lacks}")
    return dict(summary)


def _missing(sweep_dir: Path) -> str:
    if sweep_dir.is_dir():
        return f"the sweep {sweep_dir.name} has no {SUMMARY_NAME} yet: none of its trials ended"
    names = [name for name, _ in sweeps(sweep_dir.parent.parent)]
    if not names:
        return f"there is no sweep {sweep_dir.name}: {sweep_dir.parent} holds none"
    more = (
        f" ({len(names) - _MOST_NAMES} older ones not listed)" if len(names) > _MOST_NAMES else ""
    )
    return (
        f"there is no sweep {sweep_dir.name} in {sweep_dir.parent}; "
        f"there is {one_of(names[:_MOST_NAMES])}{more}"
    )
