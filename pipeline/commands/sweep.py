"""``sweetspot sweep``: search for the sweet spot, from the first image to the last sentence."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.core.errors import AGAIN_STATUS, SIGNAL_STATUS, ConfigurationError
from pipeline.launching.forking import prepare

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.reporting.console import ProgressView

FLAGS = ("--dry-run", "--scheduled")
NAMES = 0


def run(line: CommandLine) -> int:
    """Run the sweep, or each of several with ``--multirun``; return the worst status.

    ``--dry-run`` says what would be done, and about how long it takes, and creates nothing;
    ``--scheduled`` is for cron and its like.
    """
    if {"--dry-run", "--scheduled"} <= line.flags:
        raise ConfigurationError("--dry-run and --scheduled exclude each other, choose one")
    if "--dry-run" in line.flags:
        return run_each(composed(line), _dry_run)
    run_one = _scheduled if "--scheduled" in line.flags else _sweep
    prepare_workers(line)
    return run_each(composed(line), run_one)


def composed(line: CommandLine) -> "list[Config]":
    """Return what each run is asked; several have names of their own."""
    # Hydra takes half a second, in which the workers' libraries are being imported already.
    from pipeline.commands.compose import compose_each

    configs = compose_each(line)
    names = [config.sweep_name for config in configs if config.sweep_name is not None]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigurationError(
            f"sweep_name={twice[0]} with --multirun would put several sweeps under one name; "
            "leave it out, each gets its own"
        )
    return configs


def prepare_workers(line: CommandLine) -> None:
    """Have the workers' libraries imported while the command finds out what it is asked."""
    if "launch=slurm" not in line.overrides:
        prepare()


def run_each(configs: "Iterable[Config]", run_one: "Callable[[Config], int]") -> int:
    """Run the configurations one after the other and return the worst status."""
    worst = 0
    for config in configs:
        worst = max(worst, run_one(config))
        # Told to stop, or a peer told to leave: the others are not wanted either.
        if worst > SIGNAL_STATUS or worst == AGAIN_STATUS:
            break
    return worst


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _dry_run(config: "Config") -> int:
    from pipeline.launching.estimate import estimate
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.plan import show_plan

    if on_cluster := config.launch.kind == "slurm":
        from pipeline.launching.cluster import script_of, settled_precision

        config = settled_precision(config, _say)
    plan = plan_sweep(config, _say)
    show_plan(plan.config.sweep_name or "", plan.exists, plan.description, estimate(plan))
    if on_cluster:
        print(f"\nThe array of jobs:\n\n{script_of(plan)}", end="")
    return 0


def _sweep(config: "Config") -> int:
    from pipeline.reporting.console import open_view
    from pipeline.reporting.result import show_sweep

    with open_view() as view:
        run = run_sweep(config, view)
    if run.has_result:
        show_sweep(run.folder)
    return run.status


def _scheduled(config: "Config") -> int:
    """Run for a scheduler: no progress, no waiting for another run, one line at the end."""
    from pipeline.launching.notify import summary_message
    from pipeline.reporting.console import RemarksView

    with RemarksView(sys.stderr) as view:
        run = run_sweep(config, view, patient=False)
    if run.has_result:
        print(summary_message(run.folder, run.status)["line"])
    return run.status


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run ended; ``has_result`` says whether there is something to show for it."""

    status: int
    folder: Path
    has_result: bool = True


def run_sweep(config: "Config", view: "ProgressView", *, patient: bool = True) -> Run:
    """Run one sweep, wherever it trains, and tell whoever wants to hear of its end.

    Parameters
    ----------
    patient
        Whether to wait where the sweep is being run by somebody else; else, as a scheduler's run
        does, for a storage server that is away.
    """
    if config.launch.kind == "slurm":
        return _run_on_cluster(config, view, patient=patient)
    from pipeline.launching.calibrating import settle

    settle(config, _say)
    from pipeline.launching.notify import failure_told, tell_end
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.files import SUMMARY_NAME
    from pipeline.reporting.progress import ProgressReader

    plan = plan_sweep(config, _say)
    reader = ProgressReader(plan.config.sweep_dir)

    def show() -> None:
        view.update(reader.read())

    if config.launch.kind == "peer":
        from pipeline.launching.peers import Peer

        peer = Peer(plan=plan, say=view.note, show=show, patient=patient, sets_up=True)
        with failure_told(plan.config, view.note, lambda: peer.ended):
            status = peer.run()
        ended = peer.ended
    else:
        from pipeline.launching.local import LocalSupervisor

        local = LocalSupervisor(plan=plan, say=view.note, show=show, patient=patient)
        with failure_told(plan.config, view.note):
            status = local.run()
        ended = True
    if ended:
        tell_end(plan.config, status, view.note)
    # Who was told to leave before anything had ended has nothing to show.
    folder = plan.config.sweep_dir
    return Run(status=status, folder=folder, has_result=(folder / SUMMARY_NAME).exists())


def _run_on_cluster(config: "Config", view: "ProgressView", *, patient: bool) -> Run:
    from pipeline.launching.cluster import ClusterSweep, settled_precision
    from pipeline.launching.notify import failure_told, tell_end
    from pipeline.launching.planning import plan_sweep
    from pipeline.reporting.files import SUMMARY_NAME
    from pipeline.reporting.progress import ProgressReader

    plan = plan_sweep(settled_precision(config, _say), _say)
    folder = plan.config.sweep_dir
    reader = ProgressReader(folder)

    def show() -> None:
        progress = reader.read()
        if progress.active:
            view.update(progress)

    sweep = ClusterSweep(plan=plan, say=view.note, show=show, patient=patient)
    with failure_told(plan.config, view.note, lambda: not sweep.is_left):
        status = sweep.run()
    if status is None:
        return Run(status=0, folder=folder, has_result=False)
    if sweep.ended:
        tell_end(plan.config, status, view.note)
    return Run(status=status, folder=folder, has_result=(folder / SUMMARY_NAME).exists())
