"""Servers of other projects: one becomes this process, or gets a gate before it."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress

from pipeline.commands.addresses import PASSWORD_VARIABLE, Address
from pipeline.launching.gate import LOOPBACK, USER, Gate, free_port

_LEAVING_SECONDS = 10.0


def become_server(
    address: Address,
    command: Callable[[str, int], list[str]],
    environment: Mapping[str, str],
    said: str,
) -> int:
    """Serve at an address until Ctrl-C.

    Parameters
    ----------
    command
        From host and port the words that start the server.
    said
        The line that says what is served and where.
    """
    clean = {name: value for name, value in environment.items() if name != PASSWORD_VARIABLE}
    if address.password is None:
        print(said, flush=True)
        words = command(address.host, address.port)
        os.execve(words[0], words, clean)
    port = free_port()
    process = subprocess.Popen(command(LOOPBACK, port), env=clean, start_new_session=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that it ends too
    try:
        Gate(port, address.password).run(
            address.host, address.port, lambda _: print(f"{said}, as {USER}", flush=True)
        )
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return 0
