"""A real MLflow server behind a password, with what goes wrong on the way to it.

The server has a PostgreSQL database and serves artifacts itself; before it is the project's own
gate, as a proxy that asks for a password would be, and can be slow, answer with an error, or cut
an answer off.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Literal

from pipeline.launching.gate import LOOPBACK, USER, Gate, Request, free_port
from pipeline.tracking.store import ui_environment

PASSWORD = "battery staple"
#: ``slow``: passed on after a while. ``error``: answered with 500, not passed on. ``unheard``:
#: passed on, answered with 500. ``cut``: the answer ends in its middle. ``silent``: no answer.
Trouble = Literal["slow", "error", "unheard", "cut", "silent"]
_START_SECONDS = 600.0


class TroubledGate(Gate):
    """A gate whose way to the server may be troubled.

    Attributes
    ----------
    trouble
        Returns what goes wrong with the next request; None where nothing does.
    slow_seconds
        How long a request takes that is ``slow``.
    requests
        How many were let in.
    """

    trouble: Callable[[], Trouble | None] = staticmethod(lambda: None)
    slow_seconds = 5.0
    requests = 0

    async def forward(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass a request on, or not as it should be."""
        self.requests += 1
        trouble = self.trouble()
        if trouble == "slow":
            await asyncio.sleep(self.slow_seconds)
        if trouble == "silent":
            await reader.read()  # until whoever asked has left
        elif trouble == "error":
            writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        elif trouble in ("unheard", "cut"):
            heard = await self._answer(request, reader)
            middle = heard[: len(heard) // 2]
            lost = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(middle if trouble == "cut" else lost)
            await writer.drain()
        else:
            await super().forward(request, reader, writer)

    async def _answer(self, request: Request, reader: asyncio.StreamReader) -> bytes:
        """Return the server's whole answer."""
        length = int(request.header(b"content-length") or 0)
        body = await reader.readexactly(length)
        from_server, to_server = await asyncio.open_connection(LOOPBACK, self.server_port)
        to_server.write(request.head(f"{LOOPBACK}:{self.server_port}") + body)
        try:
            return await from_server.read()
        finally:
            to_server.close()


class MlflowServer:
    """A server with its artifacts in ``folder`` and its database wherever.

    Parameters
    ----------
    database
        Address of an empty PostgreSQL database, for psycopg.

    Raises
    ------
    RuntimeError
        It does not start.
    """

    def __init__(self, database: str, folder: Path) -> None:
        self._folder = folder
        self.artifacts = folder / "artifacts"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.database = database
        self.gate = TroubledGate(self._port, PASSWORD)
        opened = threading.Event()
        self._ports: list[int] = []

        def ready(port: int) -> None:
            self._ports.append(port)
            opened.set()

        threading.Thread(target=self.gate.run, args=(LOOPBACK, 0, ready), daemon=True).start()
        opened.wait(_START_SECONDS)
        self.start()

    @property
    def uri(self) -> str:
        """The tracking URI; it is the gate's and stays the same over a restart."""
        return f"http://{LOOPBACK}:{self._ports[0]}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which MLflow's client gives user and password."""
        return {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK,
                 "--port", str(self._port), "--workers", "1",
                 "--artifacts-destination", self.artifacts.as_uri()],
                # Not on the command line, which everybody can read.
                env={**ui_environment(), "MLFLOW_BACKEND_STORE_URI": self.database},
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.2)

    def kill(self) -> None:
        """End the server as a crash would; the gate stays and finds nobody."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            # Its children die a moment later, and until then one of them accepts connections.
            deadline = time.monotonic() + _START_SECONDS
            while self._listens() and time.monotonic() < deadline:
                time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._port), timeout=5).close()
        except OSError:
            return False
        return True

    def _is_up(self) -> bool:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
