"""``sweetspot train``: train and measure one network by hand."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.commands.sweep import composed, prepare_workers, run_each, run_sweep
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.config import Config

FLAGS = ()
NAMES = 0


def run(line: CommandLine) -> int:
    """Train one network, or each of several with ``--multirun``; return the worst status."""
    prepare_workers(line)
    return run_each(_composed(line), _train)


def _composed(line: CommandLine) -> "list[Config]":
    # There are no references, so that a single trial is enough.
    configs = composed(replace(line, overrides=(*line.overrides, "++references=false")))
    for config in configs:
        _refuse_unused(line, config)
    return configs


def _refuse_unused(line: CommandLine, config: "Config") -> None:
    """Refuse what somebody says and one training does not do; what conf/ says is no matter."""
    unused = {
        "search.trials": config.search.trials != 1,
        "search.first": bool(config.search.first),
        "launch.workers": config.launch.workers != 1,
        "finalists": config.finalists.limit > 0 and "finalists=off" not in line.overrides,
        "warm_start": config.warm_start is not None,
    }
    for setting in line.said:
        section = setting.partition(".")[0]
        if unused.get(setting) or (section == "finalists" and unused[section]):
            raise ConfigurationError(
                f"{setting} is for sweep; train trains one network, which architecture= names"
            )


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
    update = {"search": search, "launch": launch, "finalists": finalists, "warm_start": None}
    with open_view() as view:
        run = run_sweep(config.model_copy(update=update), view)
    if run.has_result:
        show_trial(run.folder, 0)
    return run.status
