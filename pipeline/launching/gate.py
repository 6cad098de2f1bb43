"""A gate before a server of this machine: whoever comes from elsewhere is asked for a password.

The server itself listens on 127.0.0.1 alone. The gate takes one request a connection, checks its
password (HTTP's Basic scheme, RFC 7617) and where it comes from, and passes it on; the answer
goes back as it comes. Nothing is encrypted: between machines that do not trust the network
between them, an SSH tunnel or a proxy with TLS belongs before it.
"""

import asyncio
import base64
import binascii
import hmac
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.core.errors import StorageError

USER = "sweetspot"
LOOPBACK = "127.0.0.1"
_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD_BYTES = 65_536
_PIECE_BYTES = 65_536
#: A request's head has to be there after so long.
_HEAD_SECONDS = 30.0
#: Whoever gives a wrong password waits: one cannot try many.
_WRONG_SECONDS = 1.0
#: Headers that are the connection's, or that the server must not see as they come.
_OURS = (b"authorization", b"connection", b"host", b"keep-alive", b"origin", b"upgrade")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The head of a request: its first line, and its headers in their order."""

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this name, which is lower-case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def head(self, server: str) -> bytes:
        """Return the head as the server is to see it."""
        own = [(b"Host", server.encode()), (b"Connection", b"close")]
        if self.header(b"origin") is not None:
            own.append((b"Origin", f"http://{server}".encode()))
        kept = [item for item in self.headers if item[0].lower() not in _OURS]
        lines = [self.line, *(name + b": " + value for name, value in [*own, *kept])]
        return b"\r\n".join(lines) + _HEAD_END


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on right now."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def check_port(host: str, port: int) -> None:
    """Raise StorageError where nobody can listen at an address."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise _taken(host, port, error) from None


def _taken(host: str, port: int, error: OSError) -> StorageError:
    # Python adds the address to some of these errors, and asyncio does in words of its own.
    known = error.errno is not None and not isinstance(error, socket.gaierror)
    why = os.strerror(error.errno or 0) if known else error.strerror or str(error)
    return StorageError(
        f"port {port} of {host} cannot be had ({why}), choose another with port= or host="
    )


class Gate:
    """Lets those in who know the password.

    Parameters
    ----------
    server_port
        Of the server on 127.0.0.1.
    password
        Of the user ``sweetspot``.
    """

    def __init__(self, server_port: int, password: str) -> None:
        self.server_port = server_port
        self._server = f"{LOOPBACK}:{server_port}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._expected = f"{USER}:{password}".encode()

    def run(self, host: str, port: int, ready: Callable[[int], None] = lambda port: None) -> None:
        """Listen until the process is told to stop.

        Parameters
        ----------
        port
            0 takes a free one.
        ready
            Called with the port once the gate is open.

        Raises
        ------
        StorageError
            The address cannot be had.
        """
        asyncio.run(self._listen(host, port, ready))

    async def _listen(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        try:
            server = await asyncio.start_server(self._met, host, port, limit=_LONGEST_HEAD_BYTES)
        except OSError as error:
            raise _taken(host, port, error) from None
        ready(server.sockets[0].getsockname()[1])
        try:
            await asyncio.get_running_loop().create_future()  # until Ctrl-C cancels it
        finally:
            # Not by serve_forever(), which from Python 3.12 on waits for whoever is connected.
            server.close()
            for task in self._tasks:
                task.cancel()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._meet(reader, writer))
        self._tasks.add(task)  # the loop itself does not hold it
        task.add_done_callback(self._tasks.discard)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        try:
            request = await self._read(reader)
            if request is None:
                await _refuse(writer, "400 Bad Request")
            elif not self._knows_password(request):
                if request.header(b"authorization") is not None:
                    await asyncio.sleep(_WRONG_SECONDS)
                await _refuse(
                    writer, "401 Unauthorized", 'WWW-Authenticate: Basic realm="sweetspot"'
                )
            elif not _is_from_here(request):
                await _refuse(writer, "403 Forbidden")
            else:
                await self.forward(request, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has left, or the server has
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = await asyncio.wait_for(reader.readuntil(_HEAD_END), _HEAD_SECONDS)
        except (TimeoutError, asyncio.LimitOverrunError):
            return None
        line, *rest = head[: -len(_HEAD_END)].split(b"\r\n")
        headers = [header.partition(b":") for header in rest]
        if any(not colon or name != name.strip() for name, colon, _ in headers):
            return None
        return Request(
            line=line, headers=tuple((name, value.strip()) for name, _, value in headers)
        )

    def _knows_password(self, request: Request) -> bool:
        scheme, _, said = (request.header(b"authorization") or b"").partition(b" ")
        try:
            given = base64.b64decode(said.strip(), validate=True)
        except binascii.Error:
            return False
        return scheme.lower() == b"basic" and hmac.compare_digest(given, self._expected)

    async def forward(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass a request on that may be, and its answer back."""
        try:
            from_server, to_server = await asyncio.open_connection(LOOPBACK, self.server_port)
        except OSError:
            await _refuse(writer, "502 Bad Gateway")
            return
        to_server.write(request.head(self._server))
        body = asyncio.create_task(_pump(reader, to_server))
        try:
            await _pump(from_server, writer)
        finally:
            body.cancel()
            await asyncio.gather(body, return_exceptions=True)
            to_server.close()


def _is_from_here(request: Request) -> bool:
    """Whether no page of another site sent this: a browser adds the password all by itself."""
    origin = request.header(b"origin")
    if origin is None:
        return True
    try:
        sender = urlsplit(origin.decode("latin-1")).netloc
    except ValueError:
        return False
    return sender == (request.header(b"host") or b"").decode("latin-1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, status: str, *headers: str) -> None:
    lines = (f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close")
    writer.write("\r\n".join(lines).encode() + _HEAD_END)
    await writer.drain()
