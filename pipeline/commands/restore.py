"""``sweetspot restore``: rebuild a sweep from its archive."""

import sys
from pathlib import Path

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.leaving import leaving_in_order
from pipeline.config import command, program
from pipeline.core.errors import ConfigurationError
from pipeline.core.places import looking_at

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Check every file of a bundle, then rebuild its sweep; status 1 where MLflow lacks a part."""
    from pipeline.launching.restore import restore_sweep

    if not line.names:
        raise ConfigurationError(f"restore needs the file that {program()} bundle has written")
    archive = Path(line.names[0]).absolute()
    with looking_at(archive, ConfigurationError):
        is_there = archive.is_file()
    if not is_there:
        raise ConfigurationError(f"there is no file {archive}")
    config = compose(line)
    with leaving_in_order():
        restored = restore_sweep(config, archive, lambda text: print(text, file=sys.stderr))
    manifest = restored.manifest
    print(f"{manifest.sweep}: {len(manifest.members)} files as they were bundled")
    print(f"fingerprint  {manifest.fingerprint}")
    if restored.runs is not None and restored.failure is None:
        print(f"MLflow       {restored.runs} runs")
    print(f"folder       {restored.folder}")
    if restored.failure is not None:
        print(
            f"sweetspot: MLflow lacks a part: {restored.failure}; "
            f"{command(config, 'sync', manifest.sweep)} tries again",
            file=sys.stderr,
        )
        return 1
    return 0
