"""``sweetspot bundle``: a sweep in one archive."""

import sys
from pathlib import Path

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.leaving import leaving_in_order
from pipeline.commands.sweeps import chosen_sweep
from pipeline.config import expanded

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Write a sweep's configuration, lock file, event logs, study, results and models to a ZIP.

    ``file=`` says where, a folder or a file; by default ``mlruns/bundles/NAME.sweep.zip``.
    """
    from pipeline.launching.bundle import bundle_sweep

    file, line = line.taking("file")
    config = compose(line)
    path = None if file is None else expanded(Path(file)).absolute()
    with leaving_in_order():
        archive, manifest = bundle_sweep(config, chosen_sweep(line, config), path, _say)
    print(f"{archive} ({archive.stat().st_size / 1e6:.1f} MB, {len(manifest.members)} files)")
    print(f"fingerprint  {manifest.fingerprint}")
    return 0


def _say(sentence: str) -> None:
    print(f"sweetspot: {sentence}", file=sys.stderr)
