"""MLflow's real model server, for tests and benchmarks: started, ready, and stopped again."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from pipeline.launching.gate import LOOPBACK, free_port
from pipeline.tracking.registry import Registry
from pipeline.tracking.serving import checked_champion, serve_command, serve_environment

_START_SECONDS = 600.0


@contextmanager
def served(registry: Registry) -> Iterator[int]:
    """Serve the champion; yield the port when it answers.

    Raises
    ------
    RuntimeError
        The server ended, or does not answer in time.
    """
    port = free_port()
    process = subprocess.Popen(
        serve_command(checked_champion(registry), LOOPBACK, port),
        env=serve_environment(registry),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server has not started")
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
