"""``sweetspot sweep``: search for the sweet spot, from the first image to the last sentence."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose_each
from pipeline.config import Config
from pipeline.core.errors import ConfigurationError, SweetspotError

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
    statuses = []
    for config in configs:
        status = _dry_run(config) if "--dry-run" in line.flags else _sweep(config)
        statuses.append(status)
        if status > 128:  # told to stop: the others are not wanted either
            break
    return max(statuses)


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
    from pipeline.launching.local import LocalSupervisor
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.console import open_view
    from pipeline.reporting.progress import ProgressReader
    from pipeline.reporting.result import show_sweep

    plan = plan_sweep(config, _say)
    folder = plan.config.sweep_dir
    reader = ProgressReader(folder)
    with open_view() as view:
        supervisor = LocalSupervisor(
            plan=plan, say=view.note, show=lambda: view.update(reader.read())
        )
        try:
            status = supervisor.run()
        except SweetspotError:
            view.close()
            raise
    show_sweep(folder)
    return status
