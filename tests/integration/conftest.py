import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.results_files import keep
from pipeline.testing.postgres_server import PostgresServer, find_programs
from pipeline.tracking.event_log import read, trial_log_paths

SERVICES_REQUIRED = os.environ.get("SWEETSPOT_REQUIRE_SERVICES") == "1"


class Command:
    """Runs ``sweetspot`` in processes of their own, with results under one folder."""

    def __init__(self, mlruns: Path) -> None:
        self.mlruns = mlruns

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pipeline", *arguments, f"mlruns={self.mlruns}"]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.words(*arguments), cwd=self.mlruns.parent, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(
        self, *arguments: str, status: int = 0, timeout: float = 280
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.words(*arguments), cwd=self.mlruns.parent, text=True, capture_output=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def summary(self, sweep: str) -> dict:
        return json.loads((self.folder(sweep) / "summary.json").read_text())

    def folder(self, sweep: str) -> Path:
        return self.mlruns / "sweeps" / sweep

    def wait_for_epoch(self, process, sweep: str, *, trial: int, attempt: int = 0) -> None:
        """Wait until the trial's log has an epoch of this attempt."""
        while process.poll() is None:
            path = trial_log_paths(self.folder(sweep)).get(trial)
            for event in read(path) if path else ():
                if event.kind == "epoch" and event.values["attempt"] == attempt:
                    return
            time.sleep(0.05)
        pytest.fail("the sweep ended before: " + "".join(process.communicate()))

    def stop(self, process, number: int = signal.SIGINT) -> tuple[str, str]:
        process.send_signal(number)
        return process.communicate(timeout=120)

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work under this folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.mlruns) in text and int(entry.parent.name) != os.getpid():
                found.append(text)
        return found


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Command:
    return Command(tmp_path_factory.mktemp("home") / "mlruns")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own."""
    programs = find_programs()
    if programs is None:
        sentence = "initdb and pg_ctl are missing: install Debian's package postgresql"
        if SERVICES_REQUIRED:
            pytest.fail(sentence)
        pytest.skip(sentence)
    server = PostgresServer(programs)
    yield server
    server.close()


@pytest.fixture
def keep_campaign():
    """Write what a campaign showed to a dated file, in a sentence and in values."""

    def keep_sentence(name: str, result: dict, sentence: str) -> None:
        keep(name, result, [sentence])

    return keep_sentence


@pytest.fixture
def keep_result(keep_campaign):
    """Write the storage time of a campaign's trials to a dated file."""

    def keep_seconds(name: str, seconds: list[float], what: str) -> None:
        ordered = sorted(seconds)
        result = {
            "trials": len(ordered),
            "median_storage_seconds": ordered[len(ordered) // 2],
            "p90_storage_seconds": ordered[len(ordered) * 9 // 10],
        }
        keep_campaign(
            name,
            result,
            f"{what}. Storage time a trial, all workers at once in one process: median "
            f"**{result['median_storage_seconds']:.3f} s**, 90th percentile "
            f"{result['p90_storage_seconds']:.3f} s.",
        )

    return keep_seconds
