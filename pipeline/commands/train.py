"""``sweetspot train``: train and measure one network by hand."""

from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.commands.sweep import prepare_workers, run_each, run_sweep
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.config import Config

FLAGS = ()
NAMES = 0


def run(line: CommandLine) -> int:
    """Train one network, or each of several with ``--multirun``; return the worst status."""
    prepare_workers(line)
    # Hydra takes half a second, in which the worker's libraries are being imported already.
    from pipeline.commands.compose import compose_each

    return run_each(compose_each(line), _train)


def _train(config: "Config") -> int:
    from pipeline.reporting.console import open_view
    from pipeline.reporting.trial_page import show_trial

    if config.launch.kind == "slurm":
        raise ConfigurationError(
            "launch=slurm is for sweep; train works where it is started, so put srun before it"
        )
    # A sweep of one: the same worker, the same measuring, the same tracking, no references, no
    # final round, and nothing to begin with but this network.
    search = config.search.model_copy(update={"trials": 1, "first": ()})
    launch = config.launch.model_copy(update={"workers": 1})
    finalists = config.finalists.model_copy(update={"limit": 0})
    update = {
        "search": search,
        "launch": launch,
        "finalists": finalists,
        "references": False,
        "warm_start": None,
    }
    with open_view() as view:
        run = run_sweep(config.model_copy(update=update), view)
    if run.has_result:
        show_trial(run.folder, 0)
    return run.status
