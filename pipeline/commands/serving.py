"""Servers of other projects: one becomes this process, or gets a gate before it."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from pipeline.commands.addresses import PASSWORD_VARIABLE, Address
from pipeline.core.errors import StorageError
from pipeline.launching.gate import LOOPBACK, USER, Gate, check_port, free_port

_LEAVING_SECONDS = 10.0


def become_server(
    address: Address,
    command: Callable[[str, int], list[str]],
    environment: Mapping[str, str],
    said: str,
) -> int:
    """Serve at an address until Ctrl-C, or the terminal is gone.

    Parameters
    ----------
    command
        From host and port the words that start the server.
    said
        The line that says what is served and where.
    """
    clean = {name: value for name, value in environment.items() if name != PASSWORD_VARIABLE}
    if address.password is None:
        check_port(address.host, address.port)
        print(said, flush=True)
        words = command(address.host, address.port)
        os.execve(words[0], words, clean)
    port = free_port()
    process = subprocess.Popen(command(LOOPBACK, port), env=clean, start_new_session=True)
    # As Ctrl-C, so that it ends too. Who starts it with nohup wants it to outlive the terminal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    leaving = threading.Event()
    threading.Thread(target=_leave_with, args=(process, leaving), daemon=True).start()
    try:
        Gate(port, address.password).run(
            address.host, address.port, lambda _: print(f"{said}, as {USER}", flush=True)
        )
    except KeyboardInterrupt:
        if process.poll() is None:
            raise
        raise StorageError(
            f"the server behind the gate has ended by itself, with status {process.returncode}"
        ) from None
    finally:
        leaving.set()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return 0


def _leave_with(process: "subprocess.Popen[bytes]", leaving: threading.Event) -> None:
    """End this process as Ctrl-C does once the server has gone: a gate to nothing is none."""
    process.wait()
    if not leaving.is_set():
        os.kill(os.getpid(), signal.SIGINT)
