"""``sweetspot sync``: bring MLflow up to date with a sweep's event logs."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep, with_tracking

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Mirror one sweep and say what was done; status 1 where something is still missing."""
    from pipeline.launching.sweep_folder import load_config, load_description
    from pipeline.tracking.mirror import Mirror

    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    config = with_tracking(line, composed, config)
    with Mirror(config.sweep_dir, config, load_description(config.sweep_dir)) as mirror:
        report = mirror.sync()
    if missing := report.failure or report.refused:
        print(report.details or "", end="", file=sys.stderr)
        print(f"sweetspot: {missing}", file=sys.stderr)
        return 1
    print(f"{config.sweep_name}: {report.runs} runs in MLflow, {report.updated} brought up to date")
    return 0
