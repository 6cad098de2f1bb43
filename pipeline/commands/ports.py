"""The setting ``port=`` of the commands that serve pages; it is no part of ``conf/``."""

from dataclasses import replace

from pipeline.commands.arguments import CommandLine
from pipeline.core.errors import ConfigurationError

_LARGEST = 65535


def split_port(line: CommandLine, default: int) -> tuple[int, CommandLine]:
    """Return the port and the command line without it; the last one given counts.

    Raises
    ------
    ConfigurationError
        It is no port's number.
    """
    given = [word.partition("=")[2] for word in line.overrides if word.startswith("port=")]
    port = given[-1] if given else str(default)
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST):
        raise ConfigurationError(f"port must be a number from 1 to {_LARGEST}, not {port!r}")
    rest = tuple(word for word in line.overrides if not word.startswith("port="))
    return int(port), replace(line, overrides=rest)
