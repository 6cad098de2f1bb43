"""``sweetspot worker``: train trials of a sweep that is set up."""

import sys
from pathlib import Path

from pipeline.commands.arguments import CommandLine
from pipeline.launching.forking import prepare

FLAGS = ("--peer",)
NAMES = 1


def run(line: CommandLine) -> int:
    """Work for the sweep with the settings it was started with; ``launch`` may differ.

    With ``--peer`` it keeps workers going as the sweep's own ``launch`` says, beside others
    that do the same: this is what a task of a job array runs.
    """
    if "--peer" in line.flags:
        prepare()
    # Hydra takes half a second, in which its workers' libraries are being imported already.
    from pipeline.commands.compose import compose
    from pipeline.commands.sweeps import chosen_sweep

    composed = compose(line)
    name = chosen_sweep(line, composed)
    if "--peer" in line.flags:
        return _take_part(composed.mlruns, name)
    from pipeline.launching.sweep_folder import load_config
    from pipeline.launching.worker import work

    config = load_config(composed.mlruns, name)
    return work(config.model_copy(update={"launch": composed.launch}), alone=True)


def _take_part(mlruns: Path, name: str) -> int:
    from pipeline.launching.notify import failure_told, tell_end
    from pipeline.launching.peers import Peer
    from pipeline.launching.planning import load_plan
    from pipeline.reporting.console import LineView
    from pipeline.reporting.progress import ProgressReader

    plan = load_plan(mlruns, name)
    reader = ProgressReader(plan.config.sweep_dir)
    with LineView(sys.stdout) as view:
        peer = Peer(
            plan=plan, say=view.note, show=lambda: view.update(reader.read()), patient=False
        )
        with failure_told(plan.config, view.note, lambda: peer.ended):
            status = peer.run()
        if peer.ended:
            tell_end(plan.config, status, view.note)
    return status
