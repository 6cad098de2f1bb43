"""``sweetspot clean``: see what sweeps hold; free, remove or rename one everywhere at once."""

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import checked_name
from pipeline.core.errors import ConfigurationError
from pipeline.core.places import looking_at

FLAGS = ()
NAMES = 0
_ACTIONS = ("free", "remove", "rename")


def run(line: CommandLine) -> int:
    """List the sweeps, or do what ``free=NAME``, ``remove=NAME`` or ``rename=OLD:NEW`` says.

    What a removal, a restoration, a bundle or an export that was killed has left goes each time.
    """
    from pipeline.launching.leftovers import remove_leftovers, remove_unfinished
    from pipeline.reporting.listing import show_sweeps

    actions = [w for w in line.overrides if w.partition("=")[0] in _ACTIONS]
    rest = tuple(word for word in line.overrides if word not in actions)
    config = compose(CommandLine(command=line.command, hydra=line.hydra, overrides=rest))
    if len(actions) > 1:
        raise ConfigurationError(f"clean does one thing at a time, not {' and '.join(actions)}")
    with looking_at(config.mlruns):
        left = remove_leftovers(config.mlruns)
    if left:
        print(f"{left / 1e6:.1f} MB freed of removals and restorations that were broken off")
    if left := remove_unfinished(config.mlruns):
        print(f"{left / 1e6:.1f} MB freed of bundles and exports that were broken off")
    if not actions:
        show_sweeps(config.mlruns)
        return 0
    from pipeline.launching.housekeeping import free_sweep, remove_sweep, rename_sweep

    action, _, value = actions[0].partition("=")
    if action == "free":
        freed = free_sweep(config, _checked(value))
        print(f"{value}: {freed / 1e6:.1f} MB freed, all that it has found is kept")
        return 0
    if action == "remove":
        freed = remove_sweep(config, _checked(value), print)
        print(f"removed {value}: {freed / 1e6:.1f} MB freed")
        return 0
    old, colon, new = value.partition(":")
    if not colon:
        raise ConfigurationError(f"rename takes OLD:NEW, not {value!r}")
    rename_sweep(config, _checked(old), _checked(new), print)
    print(f"renamed {old} to {new}")
    return 0


def _checked(name: str) -> str:
    try:
        return checked_name(name)
    except ValueError as error:
        raise ConfigurationError(f"sweep name: {error}") from error
