"""``sweetspot promote``: put a sweep's sweet spot into use, if it is better than what is."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep, with_data, with_tracking
from pipeline.config import program

FLAGS = ("--force",)
NAMES = 1

_NEXT_STEPS = {
    "classify pictures": "predict PICTURE ...",
    "answer requests": "serve",
    "write it as ONNX": "export {sweep}",
    "take it back": "rollback",
}


def run(line: CommandLine) -> int:
    """Promote a sweet spot to the champion of its data; status 1 where it is not better.

    ``--force`` promotes it whatever the gate says.
    """
    from pipeline.launching.planning import load_config
    from pipeline.launching.promotion import promote

    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    config = with_data(line, composed, config)
    promotion = promote(with_tracking(line, composed, config), force="--force" in line.flags)
    if promotion.outcome == "refused":
        print(f"sweetspot: {promotion.sentence}; --force promotes it anyway", file=sys.stderr)
        return 1
    print(promotion.sentence)
    if promotion.outcome == "promoted":
        print()
        for what, command in _NEXT_STEPS.items():
            print(f"{what + ':':<20}{program()} {command.format(sweep=config.sweep_name)}")
    return 0
