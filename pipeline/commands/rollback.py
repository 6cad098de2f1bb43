"""``sweetspot rollback``: bring the previous champion back."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose

FLAGS = ()
NAMES = 0


def run(line: CommandLine) -> int:
    """Make the previous champion of ``data=`` the champion again, and say so."""
    from pipeline.tracking.champions import still_served
    from pipeline.tracking.registry import Registry, the_champions_data

    config = compose(line)
    registry = Registry(config=config, data=the_champions_data(config))
    now, before = registry.roll_back()
    print(
        f"The champion of {registry.data} is {now.title} again, no longer {before.title}; "
        f"{still_served(before.number)}."
    )
    return 0
