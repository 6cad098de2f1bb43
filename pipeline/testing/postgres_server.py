"""A PostgreSQL server of our own, on a free port of 127.0.0.1, for as long as a test needs it."""

import getpass
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from pipeline.launching.gate import free_port

#: Where Debian keeps the programs, which are not on the path; newest first.
_PLACES = "/usr/lib/postgresql/*/bin"
USER, PASSWORD = "sweetspot", "correct horse"
QUOTED_PASSWORD = "correct%20horse"


def find_programs() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``; None where they are not installed."""
    on_path = shutil.which("initdb")
    places = sorted(Path("/").glob(_PLACES[1:]), reverse=True)
    found = [*places, *([Path(on_path).parent] if on_path else [])]
    return next((place for place in found if (place / "pg_ctl").exists()), None)


class PostgresServer:
    """A server with its data in a temporary folder.

    It does not sync to disk: the tests kill the server, not the machine.

    Raises
    ------
    subprocess.CalledProcessError
        It cannot be set up, or does not start.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not below pytest's folder, into which the server's user may not look.
        self._folder = Path(tempfile.mkdtemp(prefix="sweetspot-postgres-"))
        self._databases = 0
        # The server refuses to run as root; Debian's package makes a user for it.
        self._user = "postgres" if os.getuid() == 0 else getpass.getuser()
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(self._folder, self._user)
            shutil.chown(secret, self._user)
        self._run("initdb", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}",
                  "--no-sync", "--encoding=UTF8", "--locale=C")  # fmt: skip
        self.port = free_port()
        settings = (
            f"port={self.port}", "listen_addresses=127.0.0.1", "fsync=off", "max_connections=300",
            f"unix_socket_directories={self._folder}",
        )  # fmt: skip
        with (self._folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, _, value in map(_split, settings))
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._control("start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast`` cuts connections off, ``immediate`` is like a crash."""
        self._control("stop", f"--mode={mode}")

    def restart(self, mode: str = "fast") -> None:
        """Stop the server, and start it again."""
        self._control("restart", f"--mode={mode}")

    def new_database(self) -> str:
        """Return the address of a new, empty database."""
        self._databases += 1
        name = f"sweeps_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Execute one statement in the server's own database, outside any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def url(self, database: str) -> str:
        """Return the address of a database, password included."""
        return f"postgresql://{USER}:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        """Stop the server for good and remove its data."""
        self._control("stop", "--mode=immediate", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *words: str, check: bool = True) -> None:
        self._run("pg_ctl", "--wait", "--timeout=250", f"--log={self._folder / 'log'}", *words,
                  check=check)  # fmt: skip

    def _run(self, program: str, *words: str, check: bool = True) -> None:
        command = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *words]
        if os.getuid() == 0:
            command = ["runuser", "-u", self._user, "--", *command]
        subprocess.run(
            command, check=check, cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def _split(setting: str) -> tuple[str, str, str]:
    return setting.partition("=")
