"""``sweetspot compare``: several sweeps of the same images side by side, from their files."""

from collections import Counter
from dataclasses import replace

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep
from pipeline.core.errors import ConfigurationError

FLAGS = ("--force",)
NAMES = 8


def run(line: CommandLine) -> int:
    """Print the comparison and write its figures; ``--force`` compares other devices, too."""
    from pipeline.reporting.compare import ComparedSweep, compare
    from pipeline.reporting.compare_figure import comparison_dir, write_comparison_figures
    from pipeline.reporting.compare_screen import show_comparison
    from pipeline.reporting.files import sweeps_dir

    config = compose(line)
    if len(line.names) < 2:
        raise ConfigurationError(
            f"compare takes 2 to {NAMES} sweep names, not {len(line.names)}; sweetspot clean lists "
            "the sweeps"
        )
    repeated = [name for name, count in Counter(line.names).items() if count > 1]
    if repeated:
        raise ConfigurationError(f"compare takes each sweep once, not {repeated[0]} again")
    names = [chosen_sweep(replace(line, names=(name,)), config) for name in line.names]
    sweeps = [ComparedSweep.read(sweeps_dir(config.mlruns) / name) for name in names]
    comparison = compare(sweeps, any_device="--force" in line.flags)
    show_comparison(comparison)
    print()
    for path in write_comparison_figures(comparison_dir(config.mlruns, names), comparison):
        print(path)
    return 0
