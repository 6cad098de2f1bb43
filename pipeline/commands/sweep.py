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
    """Run the sweep, or each of several with ``--multirun``; return the worst status."""
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

    if on_cluster := config.launch.kind == "slurm":
        from pipeline.launching.cluster import script_of, settled_precision

        config = settled_precision(config, _say)
    plan = plan_sweep(config, _say)
    data = data_summary(plan.description)
    show_plan(plan.config.sweep_name or "", plan.exists, data, estimate(plan))
    if on_cluster:
        print(f"\nThe array of jobs:\n\n{script_of(plan)}", end="")
    return 0


def _sweep(config: Config) -> int:
    from pipeline.reporting.result import show_sweep

    if config.launch.kind == "slurm":
        return _sweep_on_cluster(config)
    status, folder = run_sweep(config)
    show_sweep(folder)
    return status


def run_sweep(config: Config) -> tuple[int, Path]:
    """Run one sweep on this machine with live progress; return its status and its folder."""
    from pipeline.launching.local import LocalSupervisor
    from pipeline.launching.peers import Peer
    from pipeline.launching.planning import create_folder, plan_sweep
    from pipeline.reporting.console import open_view
    from pipeline.reporting.progress import ProgressReader

    plan = plan_sweep(config, _say)
    folder = plan.config.sweep_dir
    reader = ProgressReader(folder)
    kind = LocalSupervisor
    if config.launch.kind == "peer":
        create_folder(plan)
        kind = Peer
    with open_view() as view:
        supervisor = kind(plan=plan, say=view.note, show=lambda: view.update(reader.read()))
        return supervisor.run(), folder


def _sweep_on_cluster(config: Config) -> int:
    from pipeline.launching.cluster import ClusterSweep, settled_precision
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.console import open_view
    from pipeline.reporting.files import SUMMARY_NAME
    from pipeline.reporting.progress import ProgressReader
    from pipeline.reporting.result import show_sweep

    plan = plan_sweep(settled_precision(config, _say), _say)
    reader = ProgressReader(plan.config.sweep_dir)

    def show() -> None:
        progress = reader.read()
        if progress.active:
            view.update(progress)

    with open_view() as view:
        status = ClusterSweep(plan=plan, say=view.note, show=show).run()
    if status is None:
        return 0
    if (plan.config.sweep_dir / SUMMARY_NAME).exists():
        show_sweep(plan.config.sweep_dir)
    return status
