"""``sweetspot promote``: put a sweep's sweet spot into use, if it is better than what is."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep, with_data, with_tracking
from pipeline.config import command

FLAGS = ("--force",)
NAMES = 1


def run(line: CommandLine) -> int:
    """Promote a sweet spot to the champion of its data; status 1 where it is not better.

    ``--force`` promotes it whatever the gate says.
    """
    from pipeline.launching.promotion import promote
    from pipeline.launching.sweep_folder import load_config

    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    config = with_tracking(line, composed, with_data(line, composed, config))
    promotion = promote(config, force="--force" in line.flags)
    if promotion.outcome == "refused":
        print(f"sweetspot: {promotion.sentence}; --force promotes it anyway", file=sys.stderr)
        return 1
    print(promotion.sentence)
    if promotion.outcome == "promoted":
        print()
        for what, words in _next_steps(str(config.sweep_name)).items():
            print(f"{what + ':':<20}{command(config, *words)}")
    return 0


def _next_steps(sweep: str) -> dict[str, tuple[str, ...]]:
    return {
        "classify pictures": ("predict", "PICTURE", "..."),
        "answer requests": ("serve",),
        "write it as ONNX": ("export", sweep),
        "take it back": ("rollback",),
    }
