"""``sweetspot status``: what a sweep is doing, or did, from its files alone.

It works from another terminal, or on another machine that sees the same ``mlruns/``.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.reporting.progress import ProgressReader

FLAGS = ("--watch", "--json")
NAMES = 1

_WATCH_SECONDS = 1.0
#: After so long without an event a sweep of another host counts as over: its lock is not seen from
#: here, and who was killed has written no end. One that trains is heard of every ten seconds by the
#: load of its machine, and without ``tracking.system_metrics`` at the end of each epoch.
_SILENT_SECONDS = 1800.0


def run(line: CommandLine) -> int:
    """Print the progress, and the result as far as there is one.

    ``--watch`` shows it until nobody works on the sweep any more; ``--json`` prints it for
    programs.
    """
    from pipeline.launching.presence import is_supervised
    from pipeline.reporting.files import SUMMARY_NAME
    from pipeline.reporting.progress import ProgressReader
    from pipeline.reporting.result import show_sweep

    if {"--watch", "--json"} <= line.flags:
        raise ConfigurationError("--watch and --json exclude each other, choose one")
    config = compose(line)
    if "--json" not in line.flags and config.launch.kind != "slurm":
        _say_what_auto_is(config)
    folder = config.mlruns / "sweeps" / chosen_sweep(line, config)
    reader = ProgressReader(
        folder,
        supervised=lambda host, silent_seconds: (
            is_supervised(folder)
            if host == os.uname().nodename
            else silent_seconds < _SILENT_SECONDS
        ),
    )
    if "--json" in line.flags:
        return _print_json(folder, config.mlruns, reader)
    active = _watch(reader) if "--watch" in line.flags else _show(reader)
    if not active and (folder / SUMMARY_NAME).exists():
        show_sweep(folder)
    return 0


def _say_what_auto_is(config: "Config") -> None:
    from pipeline.measuring.automatic import by_rule, read_calibration

    known = read_calibration(config.mlruns) if config.calibrate else None
    if known is not None:
        said = known.sentence()
    else:
        measured = "; the first sweep here measures it" if config.calibrate else ""
        said = f"{by_rule().sentence()} (by rule{measured})"
    print(f"On this machine, {said}.")


def _show(reader: "ProgressReader") -> bool:
    """Show the sweep as it is; say whether somebody works on it."""
    from pipeline.reporting.console import show_status

    progress = reader.read()
    show_status(progress)
    return progress.active


def _watch(reader: "ProgressReader") -> bool:
    """Show the sweep for as long as somebody works on it; return False."""
    from pipeline.reporting.console import open_view, show_status

    with open_view() as view:
        progress = reader.read()
        while progress.active:
            view.update(progress)
            time.sleep(_WATCH_SECONDS)
            progress = reader.read()
    show_status(progress)
    return False


def _print_json(folder: Path, mlruns: Path, reader: "ProgressReader") -> int:
    import json

    from pipeline.measuring.automatic import read_calibration
    from pipeline.reporting.progress_json import status_json

    known = read_calibration(mlruns)
    calibration = None if known is None else known.to_json()
    values = {**status_json(folder, reader.read()), "calibration": calibration}
    print(json.dumps(values, indent=2, allow_nan=False))
    return 0
