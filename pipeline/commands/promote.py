"""``sweetspot promote``: put a sweep's sweet spot into use, if it is better than what is."""

import shlex
import sys
from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep

if TYPE_CHECKING:
    from pipeline.launching.promotion import Promotion

FLAGS = ("--force",)
NAMES = 1


def run(line: CommandLine) -> int:
    """Promote a sweet spot to the champion of its data; status 1 where it is not better.

    ``--force`` promotes it whatever the gate says.
    """
    from pipeline.launching.planning import load_config
    from pipeline.launching.promotion import promote

    composed = compose(line)
    config = load_config(composed.mlruns, chosen_sweep(line, composed))
    tracking = composed.tracking.model_copy(update={"enabled": True})
    promotion = promote(
        config.model_copy(update={"tracking": tracking}), force="--force" in line.flags
    )
    if not promotion.is_champion:
        print(f"sweetspot: {promotion.sentence}; --force promotes it anyway", file=sys.stderr)
        return 1
    print(promotion.sentence)
    if promotion.promoted:
        print(f"\n{_next_steps(promotion)}")
    return 0


def _next_steps(promotion: "Promotion") -> str:
    from pipeline.tracking.registry import registry_environment

    environment = " ".join(
        f"{name}={shlex.quote(value)}"
        for name, value in registry_environment(promotion.registry.config).items()
    )
    uri = f"models:/{promotion.registry.name}@champion"
    return (
        "classify pictures:  sweetspot predict PICTURE\n"
        "take it back:       sweetspot rollback\n"
        f"serve it:           {environment} mlflow models serve -m {uri} --env-manager local"
    )
