"""The sweeps under ``mlruns`` with what they hold."""

import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pipeline.config import command_at
from pipeline.core.errors import StorageError
from pipeline.core.summary import ended_trials
from pipeline.reporting.console import terminal
from pipeline.reporting.files import read_summary, sweeps, sweeps_dir
from pipeline.reporting.spare import spare_files
from pipeline.reporting.wording import accuracy_text, printable


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepEntry:
    """A sweep's line in the list.

    Parameters
    ----------
    size_bytes
        Of the sweep's folder.
    spare_bytes
        Of what nobody needs any more.
    modified
        Seconds since the epoch.
    trials
        How many have ended; None without a summary.
    sweet_spot
        Its architecture and accuracy; None while there is none.
    """

    name: str
    size_bytes: int
    spare_bytes: int
    modified: float
    trials: int | None
    sweet_spot: str | None


def list_sweeps(mlruns: Path) -> list[SweepEntry]:
    """Return every sweep, the one that changed last first."""
    return [_entry(sweeps_dir(mlruns) / name, modified) for name, modified in sweeps(mlruns)]


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder hold."""
    return sum(map(size_of, folder.rglob("*")))


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 for a folder, for what has just gone or may not be seen."""
    try:
        found = path.stat()
    except (FileNotFoundError, PermissionError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def show_sweeps(mlruns: Path, stream: TextIO | None = None) -> None:
    """Print the list."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    entries = list_sweeps(mlruns)
    if not entries:
        console.print(f"There is no sweep under {sweeps_dir(mlruns)} yet.", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("sweep", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("to free", justify="right", no_wrap=True)
    table.add_column("changed", no_wrap=True)
    table.add_column("trials", justify="right")
    table.add_column("sweet spot", overflow="fold")
    for entry in entries:
        table.add_row(
            Text(printable(entry.name, console.encoding)),
            f"{entry.size_bytes / 1e6:.1f} MB",
            f"{entry.spare_bytes / 1e6:.1f} MB",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.modified)),
            "" if entry.trials is None else str(entry.trials),
            Text(entry.sweet_spot or ""),
        )
    console.print(table)
    console.print(
        f"\n{command_at(mlruns, 'clean', 'free=NAME')} frees what is left of trials that are "
        "over, remove=NAME removes a sweep with all it has found, rename=OLD:NEW renames it, in "
        "MLflow too",
        soft_wrap=True,
    )


def _entry(folder: Path, modified: float) -> SweepEntry:
    summary: dict[str, Any] | None
    try:
        summary = read_summary(folder)
    except StorageError:  # no trial ended yet, or a file that `report` explains
        summary = None
    spot = summary["sweet_spot"] if summary else None
    return SweepEntry(
        name=folder.name,
        size_bytes=folder_bytes(folder),
        spare_bytes=sum(map(size_of, spare_files(folder))),
        modified=modified,
        trials=ended_trials(summary) if summary else None,
        sweet_spot=f"{spot['architecture']} {accuracy_text(spot['val_accuracy'])}"
        if spot
        else None,
    )
