import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from pipeline.core.errors import StorageError
from pipeline.launching.holder import SweepBusy
from pipeline.launching.notify import failure_told, summary_message, tell_end
from pipeline.launching.results import SweepResults
from pipeline.search.study import SweepStudy


@pytest.fixture
def tell(plan, replan):
    """Tell how a sweep without a trial ended; return what was said to the user."""

    def tell(**settings):
        url = settings.pop("url", None)
        notify = settings | ({} if url is None else {"url": SecretStr(url)})
        config = replan(plan, notify={"seconds": 60.0} | notify).config
        SweepResults(config, plan.description).refresh(SweepStudy(config, plan.space))
        said: list[str] = []
        tell_end(config, 1, said.append)
        return said

    return tell


class Server(HTTPServer):
    """Keeps what is posted to it, and answers as it is told."""

    status = 200
    silent: threading.Event | None = None

    def __init__(self):
        self.received = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook?key=s3cret"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.received.append(json.loads(self.rfile.read(length)))
        if self.server.silent is not None:
            self.server.silent.wait(30)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        if server.silent is not None:
            server.silent.set()
        server.shutdown()
        thread.join()


def test_nobody_is_told_where_nobody_is_named(tell):
    assert tell() == []


def test_a_webhook_gets_the_summary(tell, server):
    assert tell(url=server.url) == []
    (message,) = server.received
    assert (message["sweep"], message["status"]) == (message["summary"]["sweep"], 1)
    assert message["line"].startswith(f"{message['sweep']}: FAILED; 0 of 0 trials complete")


def test_a_webhook_in_a_file_or_a_variable(tell, server, tmp_path, monkeypatch):
    file = tmp_path / "url"
    file.write_text(server.url + "\n")
    monkeypatch.setenv("SWEETSPOT_NOTIFY_URL", "http://127.0.0.1:1/wrong")
    assert tell(url_file=file) == []
    monkeypatch.setenv("SWEETSPOT_NOTIFY_URL", server.url)
    assert tell() == []
    assert len(server.received) == 2


def test_what_goes_wrong_is_said_without_the_secret(tell, server, tmp_path):
    server.status = 500
    (said,) = tell(url=server.url)
    assert said.startswith("notify.url: 127.0.0.1 was not told: it answered 500; the sweep itself")
    (said,) = tell(url="http://127.0.0.1:1/s3cret")
    assert "127.0.0.1 was not told: Connection refused" in said
    file = tmp_path / "url"
    file.write_text("s3cret")
    (said,) = tell(url_file=file)
    assert "must be a URL" in said and "s3cret" not in said
    (said,) = tell(url_file=tmp_path / "missing")
    assert "cannot be read (No such file or directory)" in said


def test_a_silent_webhook_is_left_in_time(tell, server):
    server.silent = threading.Event()
    (said,) = tell(url=server.url, seconds=0.2)
    # Either the request ends by itself or it is left, whatever comes first.
    ended = ("was not told: TimeoutError", "was not told: timed out")
    assert any(words in said for words in (*ended, "did not answer within notify.seconds=0.2"))
    assert "s3cret" not in said


def test_a_program_reads_the_summary(tell, tmp_path):
    assert tell(command=("/bin/sh", "-c", f"cat > {tmp_path}/told")) == []
    assert json.loads((tmp_path / "told").read_text())["schema_version"] == 1


@pytest.mark.parametrize(
    ("command", "seconds", "said"),
    [
        (("/no/such/program",), 60, "could not be started (No such file or directory)"),
        (("/bin/sh", "-c", "exit 3"), 60, "/bin/sh ended with status 3"),
        (("/bin/sh", "-c", "sleep 60"), 0.2, "took longer than notify.seconds=0.2 and was ended"),
    ],
)
def test_a_program_that_fails_is_said(tell, command, seconds, said):
    (sentence,) = tell(command=command, seconds=seconds)
    assert sentence.startswith("notify.command: ") and said in sentence


@pytest.mark.parametrize(
    ("error", "has_ended", "told"),
    [
        (StorageError("the disk is full"), True, 2),
        (StorageError("the disk is full"), False, None),  # other peers go on
        (SweepBusy("somebody else runs it"), True, None),
    ],
)
def test_a_run_that_breaks_is_told_of(plan, replan, tmp_path, *, error, has_ended, told):
    command = ("/bin/sh", "-c", f"cat > {tmp_path}/told")
    config = replan(plan, notify={"command": command}).config
    said: list[str] = []
    with (
        pytest.raises(type(error)),
        failure_told(config, said.append, lambda: has_ended),
    ):
        raise error
    assert said == []
    path = tmp_path / "told"
    assert (json.loads(path.read_text())["status"] if path.exists() else None) == told


def test_a_sweep_without_a_summary_has_a_line_too(tmp_path):
    message = summary_message(tmp_path / "early", 143)
    assert message["line"] == "early: stopped before its end, no trial ended"
    assert message["summary"] is None


def test_an_address_that_cannot_be_asked_for_costs_a_sentence(tell):
    (said,) = tell(url="http://hooks..example.org/s3cret")
    assert said.startswith("notify.url: hooks..example.org was not told: Unicode")
    assert "s3cret" not in said
