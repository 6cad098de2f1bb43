"""``sweetspot export``: a network in the formats that other programs run."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.leaving import leaving_in_order
from pipeline.commands.sweeps import chosen_sweep, with_data
from pipeline.core.errors import ConfigurationError
from pipeline.core.numbers import whole_number

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Export a sweep's sweet spot, or ``trial=``; status 1 where an export fails its check."""
    from pipeline.launching.export import export
    from pipeline.launching.networks import kept_network
    from pipeline.launching.sweep_folder import load_config
    from pipeline.reporting.exports import export_failures, show_exports
    from pipeline.reporting.writing import write_page

    trial, line = _split_trial(line)
    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    config = with_data(line, composed, config)
    with leaving_in_order():
        outcome = export(config, kept_network(config.sweep_dir, trial))
    show_exports(config.sweep_dir, outcome)
    failures = export_failures(outcome)
    for failure in failures:
        print(f"sweetspot: {failure}", file=sys.stderr)
    write_page(config.sweep_dir)
    return 1 if failures else 0


def _split_trial(line: CommandLine) -> tuple[int | None, CommandLine]:
    """Return the trial that is asked for, None where none is, and the line without it."""
    given, rest = line.taking("trial")
    trial = None if given is None else whole_number(given)
    if given is not None and trial is None:
        raise ConfigurationError(f"trial must be the number of a trial, not {given!r}")
    return trial, rest
