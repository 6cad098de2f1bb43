"""What is secret stays so: a real sweep whose every secret is looked for in every place."""

import base64
import http.server
import threading
import time
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psycopg
import pytest

from pipeline.testing.mlflow_server import PASSWORD, MlflowServer
from pipeline.testing.postgres_server import PASSWORD as DATABASE_PASSWORD

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
TOKEN = "webhook-token-8d1f"
SETTINGS = (
    "data=digits", "training=quick", "measuring=quick", "objective=macs", "search=random",
    "finalists=off", "launch.workers=1", "search.trials=2", "storage=postgres",
)  # fmt: skip


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook that remembers its paths."""

    paths: ClassVar[list[str]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.paths.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    address = postgres.new_database().replace("postgresql:", "postgresql+psycopg:")
    started = MlflowServer(address, tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture
def hook():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{TOKEN}"
        server.shutdown()


def forms(secret: str) -> set[bytes]:
    """Return a secret as it may be written somewhere."""
    pair = base64.b64encode(f"sweetspot:{secret}".encode())
    return {secret.encode(), quote(secret).encode(), pair}


SECRETS = set().union(*(forms(secret) for secret in (TOKEN, PASSWORD, DATABASE_PASSWORD)))


def found_in(content: bytes) -> set[bytes]:
    return {secret for secret in SECRETS if secret in content}


def rows(address: str) -> bytes:
    """Return all that a database holds, as text."""
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        lines = [
            row[0]
            for (table,) in tables
            for row in connection.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()
        ]
    assert lines
    return "\n".join(lines).encode()


def command_lines() -> bytes:
    """Return the command lines of all processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" "))
        except OSError:
            continue  # it has ended
    return b"\n".join(found)


def test_no_secret_is_written_or_shown_anywhere(command, postgres, server, hook, monkeypatch):
    storage = postgres.new_database()
    secret = {"SWEETSPOT_STORAGE_URL": storage, "SWEETSPOT_NOTIFY_URL": hook, **server.environment}
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    name = "discreet"
    process = command.start("sweep", *SETTINGS, f"sweep_name={name}", f"tracking.uri={server.uri}")
    seen = b""
    while process.poll() is None:
        seen += command_lines()
        time.sleep(0.2)
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors
    assert Hook.paths == [f"/{TOKEN}"]  # it was told, so the secrets were all in use
    assert b"multiprocessing.forkserver" in seen and found_in(seen) == set()
    said = output + errors + command.here("status", name).stdout + command.here("sync", name).stdout
    assert found_in(said.encode()) == set()
    files = [path for path in command.mlruns.rglob("*") if path.is_file()]
    files += [path for path in server.artifacts.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert {path: found for path in files if (found := found_in(path.read_bytes()))} == {}
    assert found_in(rows(storage)) == set()
    assert found_in(rows(server.database)) == set()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SWEETSPOT_STORAGE_URL", f"postgresql://me:{quote(DATABASE_PASSWORD)}@127.0.0.1:9/db"),
        ("SWEETSPOT_STORAGE_URL", f"mysql://me:{quote(DATABASE_PASSWORD)}@box/db"),
        ("SWEETSPOT_STORAGE_URL", f"postgresql://me:{quote(DATABASE_PASSWORD)}@[box/db"),
    ],
)
@pytest.mark.usefixtures("no_workers")
def test_no_error_message_shows_one(command, variable, value, monkeypatch, capfd):
    monkeypatch.setenv(variable, value)
    done = command.here("sweep", *SETTINGS, "sweep_name=refused", "tracking=off", status=2)
    assert done.stderr.count("\n") == 1, done.stderr
    # What native code and handlers of logs have written, too.
    written = "".join((done.stdout, done.stderr, *capfd.readouterr()))
    assert found_in(written.encode()) == set()
