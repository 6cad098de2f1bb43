"""Tab completion in bash: commands first, then Hydra's groups, options and settings."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from pipeline.core.errors import ConfigurationError


def complete(arguments: Sequence[str], commands: Sequence[str]) -> int:
    """Answer ``-sc install=bash``, ``-sc uninstall=bash`` and the shell's ``-sc query=bash``.

    The shell hands the line over in ``COMP_LINE``. Its first word after the program is a
    command; Hydra completes the rest as if neither that nor our flags and bare words were there.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action not in ("install=bash", "uninstall=bash", "query=bash"):
        raise ConfigurationError(
            f"-sc takes install=bash, uninstall=bash or query=bash, not {action!r}"
        )
    if action == "query=bash":
        # Somebody is typing there, and what is wrong with the line is said once it is run.
        with suppress(Exception):
            _answer(os.environ.get("COMP_LINE", ""), commands)
    else:
        _ask_hydra(action)
    return 0


def _answer(line: str, commands: Sequence[str]) -> None:
    _, _, rest = line.lstrip().partition(" ")
    command, space, settings = rest.lstrip().partition(" ")
    if not space:
        print(" ".join(name for name in commands if name.startswith(command)))
        return
    *earlier, word = settings.split(" ")
    if word.startswith("-"):
        return
    # Hydra takes a program off the line again, but not one of every path.
    os.environ["COMP_LINE"] = " ".join(["sweetspot", *filter(_is_hydras, earlier), word])
    _ask_hydra("query=bash")


def _is_hydras(word: str) -> bool:
    is_setting = word.startswith(("~", "+")) or ("=" in word and not word.startswith("-"))
    return is_setting or word in ("--multirun", "-m")


def _ask_hydra(action: str) -> None:
    from pipeline.commands.compose import hand_to_hydra

    sys.stdout.flush()
    hand_to_hydra(["-sc", action])
