"""Which sweep a command is about."""

import os

from pipeline.commands.arguments import CommandLine
from pipeline.config import Config, anchored, checked_name
from pipeline.core.errors import ConfigurationError, StorageError, one_of
from pipeline.reporting.files import sweeps

_MOST_NAMES = 8


def chosen_sweep(line: CommandLine, config: Config) -> str:
    """Return the sweep that is named, or else the one that changed last.

    Raises
    ------
    ConfigurationError
        A name that cannot be a sweep's.
    StorageError
        There is no such sweep, or none at all.
    """
    asked = line.names[0] if line.names else config.sweep_name
    known = [name for name, _ in sweeps(config.mlruns)]
    if asked is None:
        if not known:
            raise StorageError(
                f"there is no sweep under {config.mlruns / 'sweeps'} yet: make sweep makes one"
            )
        return known[0]
    try:
        checked_name(asked)
    except ValueError as error:
        raise ConfigurationError(f"sweep_name: {error}") from error
    if asked not in known:
        folder = config.mlruns / "sweeps" / asked
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            raise StorageError(f"the sweep {asked} has not begun: {folder} holds nothing of it yet")
        if folder.is_dir():
            raise StorageError(f"the sweep {asked} is another user's: {folder} may not be entered")
        there = f"there is {one_of(known[:_MOST_NAMES])}" if known else "there is none yet"
        raise StorageError(f"there is no sweep {asked} under {config.mlruns / 'sweeps'}; {there}")
    return asked


def with_data(line: CommandLine, composed: Config, sweep: Config) -> Config:
    """Return a sweep's configuration with its images where the command line says they are."""
    moved = {
        name: anchored(where)
        for name, where in (("dir", composed.data.dir), ("file", composed.data.file))
        if f"data.{name}" in line.said and where is not None
    }
    return sweep.model_copy(update={"data": sweep.data.model_copy(update=moved)})


def with_tracking(line: CommandLine, composed: Config, sweep: Config) -> Config:
    """Return a sweep's configuration with tracking: its own, or what the command line says."""
    if "tracking" in line.said:
        tracking = composed.tracking
    else:
        said = {name: value for name, value in composed.tracking if f"tracking.{name}" in line.said}
        tracking = sweep.tracking.model_copy(update=said)
    return sweep.model_copy(update={"tracking": tracking.model_copy(update={"enabled": True})})
