"""``sweetspot worker``: train trials of a sweep that is set up."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Work for the sweep with the settings it was started with; ``launch`` may differ."""
    from pipeline.launching.planning import load_config
    from pipeline.launching.worker import work

    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    return work(config.model_copy(update={"launch": composed.launch}))
