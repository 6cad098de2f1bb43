"""``sweetspot compare``: several sweeps of the same images side by side, from their files."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep
from pipeline.config import Config, command
from pipeline.core.errors import ConfigurationError
from pipeline.core.trial import ANALYTIC_COSTS

FLAGS = ("--force",)
NAMES = 8


def run(line: CommandLine) -> int:
    """Print the comparison and write its figures; ``--force`` compares other devices, too."""
    from pipeline.launching.sweep_folder import load_config
    from pipeline.reporting.compare import ComparedSweep, compare
    from pipeline.reporting.compare_figure import comparison_dir, write_comparison_figures
    from pipeline.reporting.compare_screen import show_comparison
    from pipeline.reporting.files import sweeps_dir

    config = compose(line)
    if len(line.names) < 2:
        raise ConfigurationError(
            f"compare takes 2 to {NAMES} sweep names, not {len(line.names)}; "
            f"{command(config, 'clean')} lists the sweeps"
        )
    repeated = [name for name, count in Counter(line.names).items() if count > 1]
    if repeated:
        raise ConfigurationError(f"compare takes each sweep once, not {repeated[0]} again")
    names = [chosen_sweep(replace(line, names=(name,)), config) for name in line.names]
    sweeps = [ComparedSweep.read(sweeps_dir(config.mlruns) / name) for name in names]
    comparison = compare(sweeps, any_device="--force" in line.flags)
    show_comparison(comparison)
    remark = _other_settings([load_config(config.mlruns, name) for name in names])
    if remark is not None:
        print(f"sweetspot: {remark}", file=sys.stderr)
    print()
    for path in write_comparison_figures(comparison_dir(config.mlruns, names), comparison):
        print(path)
    return 0


def _other_settings(configs: Sequence[Config]) -> str | None:
    """Say which settings the times of these sweeps were measured under that are not the same."""
    from pipeline.launching.promotion import measuring_protocol

    if all(set(config.objective.costs) <= set(ANALYTIC_COSTS) for config in configs):
        return None
    protocols = [measuring_protocol(config) for config in configs]
    names = sorted({name for protocol in protocols for name in protocol})
    other = [n for n in names if any(p.get(n) != protocols[0].get(n) for p in protocols)]
    if not other:
        return None
    return (
        f"these sweeps measured their costs with other settings ({', '.join(other)}): their times "
        "do not compare"
    )
