import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.tracking.event_log import read, trial_log_paths


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

    def run(self, *arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.words(*arguments), cwd=self.mlruns.parent, text=True, capture_output=True,
            timeout=280, check=False,
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
