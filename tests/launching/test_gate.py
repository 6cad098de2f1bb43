import base64
import http.server
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from pipeline.core.errors import StorageError
from pipeline.launching.gate import Gate

PASSWORD = "correct horse"
RIGHT = "Basic " + base64.b64encode(f"sweetspot:{PASSWORD}".encode()).decode()
WRONG = "Basic " + base64.b64encode(b"sweetspot:wrong").decode()


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with what it got."""

    seen: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        type(self).seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        answer = b"answer " * 20_000
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def seen(monkeypatch):
    found: list[tuple[str, dict[str, str], bytes]] = []
    monkeypatch.setattr(Server, "seen", found, raising=False)
    monkeypatch.setattr("pipeline.launching.gate._WRONG_SECONDS", 0.0)
    return found


@contextmanager
def opened(port):
    """Open a gate before a server's port; yield the gate's."""
    ports, ready = [], threading.Event()

    def say(port):
        ports.append(port)
        ready.set()

    gate = Gate(port, PASSWORD)
    threading.Thread(target=gate.run, args=("127.0.0.1", 0, say), daemon=True).start()
    assert ready.wait(30)
    yield ports[0]


@pytest.fixture
def port(seen):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with opened(server.server_port) as gate_port:
            yield gate_port
        server.shutdown()


def ask(port, headers, body=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/page?x=1", body, headers)
    with connection.getresponse() as answer:
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize(
    "said",
    [{}, {"Authorization": WRONG}, {"Authorization": "Basic ?"}, {"Authorization": RIGHT[:-4]}],
)
def test_without_the_password_nobody_comes_in(port, seen, said):
    status, headers, answer = ask(port, said, b"body")
    assert (status, answer) == (401, b"")
    assert headers["WWW-Authenticate"].startswith("Basic ")
    assert seen == []


def test_with_the_password_a_request_goes_through_and_its_answer_comes_back(port, seen):
    body = bytes(range(256)) * 1000
    status, _, answer = ask(port, {"Authorization": RIGHT, "X-Mine": "a: b"}, body)
    assert (status, answer) == (201, b"answer " * 20_000)
    ((path, headers, received),) = seen
    assert (path, received, headers["x-mine"]) == ("/page?x=1", body, "a: b")
    assert "authorization" not in headers  # the server has no need of it
    assert headers["host"].startswith("127.0.0.1:") and headers["host"] != f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("origin", "status"), [("http://127.0.0.1:{}", 201), ("http://evil", 403), ("http://[", 403)]
)
def test_another_sites_page_cannot_use_the_password(port, seen, origin, status):
    headers = {"Authorization": RIGHT, "Origin": origin.format(port)}
    assert ask(port, headers)[0] == status
    assert len(seen) == (status == 201)


def test_what_is_no_request_is_refused(port, seen):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    connection.sock.sendall(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 400 ")
    connection.close()
    assert seen == []


def test_a_server_that_is_gone_is_said(seen):
    with socket.socket() as gone:  # nobody else gets the port, and nobody listens there
        gone.bind(("127.0.0.1", 0))
        with opened(gone.getsockname()[1]) as gate_port:
            assert ask(gate_port, {"Authorization": RIGHT})[0] == 502


def test_an_address_that_cannot_be_had_is_said(port):
    # In a thread of its own: where a browser's tests ran before, an event loop is running in this.
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(Gate(1, PASSWORD).run, "127.0.0.1", port)
        with pytest.raises(StorageError, match=rf"port {port} of 127.0.0.1 cannot be had"):
            run.result(timeout=30)
