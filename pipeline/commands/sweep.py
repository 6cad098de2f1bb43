"""``sweetspot sweep``: search for the sweet spot, from the first image to the last sentence."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose_each
from pipeline.config import Config
from pipeline.core.errors import ConfigurationError

#: A status above this is 128 plus the number of the signal that told us to stop.
SIGNAL_STATUS = 128
FLAGS = ("--dry-run",)
NAMES = 0


def run(line: CommandLine) -> int:
    """Run the sweep, or each of several with ``--multirun``; return the worst status.

    ``--dry-run`` says what would be done, and about how long it takes, and creates nothing.
    """
    configs = compose_each(line)
    names = [config.sweep_name for config in configs if config.sweep_name is not None]
    if len(configs) > 1 and names:
        raise ConfigurationError(
            f"sweep_name={names[0]} with --multirun would put several sweeps under one name; "
            "leave it out, each gets its own"
        )
    return run_each(configs, _dry_run if "--dry-run" in line.flags else _sweep)


def run_each(configs: Iterable[Config], run_one: Callable[[Config], int]) -> int:
    """Run the configurations one after the other and return the worst status."""
    worst = 0
    for config in configs:
        worst = max(worst, run_one(config))
        if worst > SIGNAL_STATUS:  # told to stop: the others are not wanted either
            break
    return worst


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _dry_run(config: Config) -> int:
    from pipeline.launching.estimate import estimate
    from pipeline.launching.planning import plan_sweep
    from pipeline.launching.results import data_summary
    from pipeline.reporting.plan import show_plan

    plan = plan_sweep(config, _say)
    data = data_summary(plan.description)
    show_plan(plan.config.sweep_name or "", plan.exists, data, estimate(plan))
    return 0


def _sweep(config: Config) -> int:
    from pipeline.reporting.result import show_sweep

    status, folder = run_sweep(config)
    show_sweep(folder)
    return status


def run_sweep(config: Config) -> tuple[int, Path]:
    """Run one sweep with live progress; return its status and its folder."""
    from pipeline.launching.local import LocalSupervisor
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.console import open_view
    from pipeline.reporting.progress import ProgressReader

    plan = plan_sweep(config, _say)
    folder = plan.config.sweep_dir
    reader = ProgressReader(folder)
    with open_view() as view:
        supervisor = LocalSupervisor(
            plan=plan, say=view.note, show=lambda: view.update(reader.read())
        )
        return supervisor.run(), folder
