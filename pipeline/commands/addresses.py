"""The settings ``host=`` and ``port=`` of commands that serve; they are no part of ``conf/``."""

import getpass
import ipaddress
import os
import sys
from dataclasses import dataclass, field

from pipeline.commands.arguments import CommandLine
from pipeline.core.errors import ConfigurationError
from pipeline.core.numbers import whole_number

PASSWORD_VARIABLE = "SWEETSPOT_PASSWORD"
_LOOPBACK = "127.0.0.1"
_LARGEST_PORT = 65535
_SHORTEST_PASSWORD = 8


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens.

    Parameters
    ----------
    password
        What others have to give; None where only this machine is let in.
    """

    host: str
    port: int
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address for a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def split_address(line: CommandLine, default_port: int) -> tuple[Address, CommandLine]:
    """Return the address and the command line without it; the last one given counts.

    A host that is not this machine's own loopback needs a password: that in
    ``SWEETSPOT_PASSWORD``, or else the one that is typed at the terminal.

    Raises
    ------
    ConfigurationError
        It is no port's number or no IP address, or there is no password.
    """
    said_port, line = line.taking("port")
    said_host, line = line.taking("host")
    port = said_port or str(default_port)
    number = whole_number(port)
    if not number or number > _LARGEST_PORT:
        raise ConfigurationError(f"port must be a number from 1 to {_LARGEST_PORT}, not {port!r}")
    host = said_host or _LOOPBACK
    try:
        address = ipaddress.ip_address(_LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise ConfigurationError(
            f"host must be an IP address of this machine, such as 127.0.0.1 or 0.0.0.0 (all of "
            f"them), not {host!r}"
        ) from None
    password = None if address.is_loopback else _password(host)
    return Address(host=str(address), port=number, password=password), line


def _password(host: str) -> str:
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None and sys.stdin.isatty():
        try:
            password = getpass.getpass(f"host={host} lets others in; the password for them: ")
        except EOFError:  # Ctrl-D, which leaves the line open
            print(file=sys.stderr)
    if password is None:
        raise ConfigurationError(
            f"host={host} lets others in, so they have to give a password: set {PASSWORD_VARIABLE}"
        )
    if len(password) < _SHORTEST_PASSWORD or not password.isprintable():
        raise ConfigurationError(
            f"the password for others needs at least {_SHORTEST_PASSWORD} printable characters "
            "(it is not shown here)"
        )
    return password
