"""Tab completion in bash: commands first, then Hydra's groups, options and settings."""

import os
import sys
from collections.abc import Sequence

from pipeline.core.errors import ConfigurationError


def complete(arguments: Sequence[str], commands: Sequence[str]) -> int:
    """Answer ``-sc install=bash``, ``-sc uninstall=bash`` and the shell's ``-sc query=bash``.

    The shell hands the line over in ``COMP_LINE``. Its first word after the program is a
    command; Hydra completes the rest as if the command were not there.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action not in ("install=bash", "uninstall=bash", "query=bash"):
        raise ConfigurationError(
            f"-sc takes install=bash, uninstall=bash or query=bash, not {action!r}"
        )
    if action == "query=bash":
        line = os.environ.get("COMP_LINE", "")
        program, _, rest = line.lstrip().partition(" ")
        command, space, settings = rest.lstrip().partition(" ")
        if not space:
            print(" ".join(name for name in commands if name.startswith(command)))
            return 0
        os.environ["COMP_LINE"] = f"{program} {settings.lstrip()}"
    from pipeline.commands.compose import hand_to_hydra

    sys.stdout.flush()
    hand_to_hydra(["-sc", action])
    return 0
