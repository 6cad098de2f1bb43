import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import mlflow
import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from benchmarks.results_files import keep
from pipeline.commands import cli
from pipeline.core.trial import TrialRecord
from pipeline.launching.presence import living
from pipeline.testing.postgres_server import PostgresServer, find_programs
from pipeline.tracking.event_log import read, trial_log_paths
from pipeline.tracking.story import trial_story

SERVICES_REQUIRED = os.environ.get("SWEETSPOT_REQUIRE_SERVICES") == "1"


QUICK_MEASURING = (
    "calibrate=false", "measuring.batch_sizes=[1]", "measuring.warmup_seconds=0.05",
    "measuring.seconds=0.1",
)  # fmt: skip


class Command:
    """Runs ``sweetspot`` in processes of their own, with results under one folder."""

    def __init__(self, mlruns: Path) -> None:
        self.mlruns = mlruns

    def words(self, command: str, *arguments: str) -> list[str]:
        # Measuring what the machine does best, and each network to a narrow interval while
        # everybody else has to wait, would take longer than most of what is tested.
        trains = command in ("sweep", "train")
        quick = QUICK_MEASURING if trains else ()
        return [sys.executable, "-m", "pipeline", command, *quick, *arguments,
                f"mlruns={self.mlruns}"]  # fmt: skip

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.words(*arguments), cwd=self.mlruns.parent, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(
        self, *arguments: str, status: int = 0, timeout: float = 850
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.words(*arguments), cwd=self.mlruns.parent, text=True, capture_output=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def here(self, *arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command that trains nothing in this process, which has imported all it needs."""
        out, errors = io.StringIO(), io.StringIO()
        with chdir(self.mlruns.parent), redirect_stdout(out), redirect_stderr(errors):
            found = cli.main(self.words(*arguments)[3:])
        assert found == status, out.getvalue() + errors.getvalue()
        return subprocess.CompletedProcess(arguments, found, out.getvalue(), errors.getvalue())

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
        return process.communicate(timeout=600)

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work under this folder."""
        workers, found = self.workers(), []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            number = int(entry.parent.name)
            if number in workers or (str(self.mlruns) in text and number != os.getpid()):
                found.append(text)
        return found

    def workers(self) -> list[int]:
        """Return the process numbers of the workers that run under this folder."""
        names = [
            name
            for folder in (self.mlruns / "sweeps").glob("*")
            for name in living(folder, "workers")
        ]
        return sorted(int(name.rpartition("-")[2].partition(".")[0]) for name in names)


class Account:
    """Every trial of a sweep that is over: in Optuna, in the event logs, in MLflow."""

    def __init__(self, command: Command) -> None:
        self.command = command

    def attempts(self, sweep: str, url: str | None) -> list[optuna.trial.FrozenTrial]:
        """Return what Optuna has, from the journal or the server at ``url``."""
        if url is None:
            path = self.command.mlruns / "optuna.journal"
            journal = JournalStorage(JournalFileBackend(str(path)))
            return optuna.load_study(study_name=sweep, storage=journal).get_trials()
        server = RDBStorage(url.replace("postgresql:", "postgresql+psycopg:"))
        found = optuna.load_study(study_name=sweep, storage=server).get_trials()
        server.engine.dispose()
        return found

    def records(self, sweep: str) -> list[TrialRecord]:
        """Return what the event logs say of each trial."""
        paths = trial_log_paths(self.command.folder(sweep))
        stories = [trial_story(read(paths[number])) for number in sorted(paths)]
        return [story.record for story in stories if story is not None]

    def epochs(self, sweep: str) -> int:
        """Return how many epochs were trained, those included that were trained again."""
        paths = trial_log_paths(self.command.folder(sweep)).values()
        return sum(event.kind == "epoch" for path in paths for event in read(path))

    def check(
        self, sweep: str, url: str | None, *, trials: int, epochs: int, lost: int
    ) -> dict[int, tuple[str, float]]:
        """Check that every trial is complete, once; return its network and accuracy by number.

        Parameters
        ----------
        lost
            How many epochs may have been trained again.
        """
        found = self.attempts(sweep, url)
        complete = [t for t in found if t.state is TrialState.COMPLETE]
        assert sorted(t.user_attrs["number"] for t in complete) == list(range(trials))
        assert {t.state for t in found} <= {TrialState.COMPLETE, TrialState.FAIL}
        counts = self.command.summary(sweep)["trials"]
        assert counts["complete"] == sum(counts.values()) == trials
        assert self.command.processes() == []
        records = self.records(sweep)
        assert [record.number for record in records] == list(range(trials))
        for record in records:
            assert [result.epoch for result in record.history] == list(range(1, epochs + 1))
        assert self.epochs(sweep) <= trials * epochs + lost
        return {
            record.number: (record.specification.architecture.notation, record.val_accuracy or 0.0)
            for record in records
        }

    def runs(self, sweep: str) -> list[mlflow.entities.Run]:
        """Return the sweep's runs in MLflow, its own included."""
        client = mlflow.MlflowClient(f"sqlite:///{self.command.mlruns / 'mlflow.db'}")
        experiments = [each.experiment_id for each in client.search_experiments()]
        return client.search_runs(experiments, f"tags.sweep = '{sweep}'", max_results=1000)

    def check_mirror(self, sweep: str, trials: int) -> None:
        """Check that MLflow has each trial once, and that none of its runs is left running."""
        runs = self.runs(sweep)
        assert len(runs) == trials + 1
        assert {run.info.status for run in runs} == {"FINISHED"}
        numbers = [int(run.data.tags["trial"]) for run in runs if run.data.tags["kind"] == "trial"]
        assert sorted(numbers) == list(range(trials))


@pytest.fixture(scope="module")
def account(command) -> Account:
    return Account(command)


@pytest.fixture
def fresh_account(tmp_path) -> Account:
    """Return the account of a command that has run nothing yet."""
    return Account(Command(tmp_path / "mlruns"))


@pytest.fixture(params=["journal", "postgres"])
def storage(request, postgres, monkeypatch) -> tuple[str, str | None]:
    """Return each kind of storage, and its address where it has one."""
    if request.param == "journal":
        return "journal", None
    url = postgres.new_database()
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    return "postgres", url


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Command:
    return Command(tmp_path_factory.mktemp("home") / "mlruns")


@pytest.fixture
def no_workers(monkeypatch):
    """Let a sweep that is run ``here`` import nothing for workers, as it will have none."""
    monkeypatch.setattr("pipeline.commands.sweep.prepare", lambda: None)


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
            "mean_storage_seconds": sum(ordered) / len(ordered),
            "median_storage_seconds": ordered[len(ordered) // 2],
            "p90_storage_seconds": ordered[len(ordered) * 9 // 10],
        }
        keep_campaign(
            name,
            result,
            f"{what}. Storage time a trial, workers that do nothing else, all in one process: mean "
            f"**{result['mean_storage_seconds']:.3f} s**, median "
            f"{result['median_storage_seconds']:.3f} s, 90th percentile "
            f"{result['p90_storage_seconds']:.3f} s.",
        )

    return keep_seconds
