"""A sweep's folder as workers and supervisor leave it behind, without any of them."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import PROJECT_ROOT, Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.journey import shape_journey
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import build_summary, ended_trials
from pipeline.core.trial import (
    EpochResult,
    Outcome,
    Recipe,
    TrialRecord,
    TrialSpecification,
)
from pipeline.tracking.event_log import EventLog, sweep_log_path, trial_log_path
from pipeline.tracking.events import (
    Ended,
    EpochEnded,
    Measured,
    ModelKept,
    SessionEnded,
    SessionStarted,
    Started,
    SummaryChanged,
    SweepContent,
    SystemSampled,
    TestRead,
    TrialContent,
    record,
)
from pipeline.tracking.mirror import Mirror, SyncReport
from pipeline.tracking.store import DATABASE, create_store, open_client
from pipeline.tracking.summary_metrics import summary_metrics

DATA = DataDescription(
    name="digits",
    fingerprint="ab" * 32,
    train=1200,
    validation=240,
    test=270,
    image_shape=(28, 28, 1),
    classes=tuple("0123456789"),
)
RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.001, schedule="one_cycle")
START = 1_790_000_000.0


def _specification(
    number: int, architecture: str = "64k3-d128", reference: str | None = None, attempt: int = 0
) -> TrialSpecification:
    return TrialSpecification(
        number=number,
        architecture=Architecture.parse(architecture),
        recipe=RECIPE,
        seed=number + 1,
        reference=reference,
        attempt=attempt,
    )


def _epoch_result(epoch: int, accuracy: float = 0.9) -> EpochResult:
    return EpochResult(
        epoch=epoch,
        train_loss=1 / epoch,
        train_accuracy=accuracy - 0.1 / epoch,
        val_loss=1.1 / epoch,
        val_accuracy=accuracy - 0.15 / epoch,
        epoch_seconds=2.5,
        images_per_second=480.0,
    )


class FakeSweep:
    """Writes what happens to a sweep; each event is one second after the one before."""

    def __init__(self, mlruns: Path, config: Config) -> None:
        assert config.sweep_name is not None
        self.mlruns = mlruns
        self.dir = mlruns / "sweeps" / config.sweep_name
        self.config = config
        self.now = START
        self.records: dict[int, TrialRecord] = {}
        self.readings: dict[int, float] = {}
        (self.dir / "models").mkdir(parents=True)
        (self.dir / "config.yaml").write_text("sweep_name: question\n")

    data = DATA
    specification = staticmethod(_specification)
    epoch_result = staticmethod(_epoch_result)

    def mirror(self) -> Mirror:
        """Return a mirror of this sweep, which is closed by ``with``."""
        return Mirror(self.dir, self.config, self.data)

    def sync(self) -> SyncReport:
        """Mirror once; nothing may go wrong."""
        with self.mirror() as mirror:
            report = mirror.sync()
        missing = report.failure or report.refused
        assert missing is None, report.details or missing
        return report

    def client(self) -> Any:
        return open_client(self.config)

    def runs(self) -> dict[str, Any]:
        """Return the runs as MLflow has them, by trial; the sweep's own is ``sweep``."""
        client = self.client()
        experiment = client.get_experiment_by_name("sweetspot-digits")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return {
            run.data.tags.get("trial", "sweep"): client.get_run(run.info.run_id) for run in runs
        }

    def tick(self) -> float:
        self.now += 1.0
        return self.now

    def trial(self, number: int, *contents: TrialContent, repetition: int = 0) -> None:
        path = trial_log_path(self.dir, number, repetition)
        with EventLog(path, clock=self.tick) as log:
            for content in contents:
                record(log, content)

    def sweep(self, *contents: SweepContent) -> None:
        with EventLog(sweep_log_path(self.dir), clock=self.tick) as log:
            for content in contents:
                record(log, content)

    def begin(self) -> None:
        self.sweep(
            SessionStarted(
                workers=2, host="box", versions={"keras": "3.15.1"}, git_commit="c0ffee1"
            )
        )

    def end(self, exit_status: int = 0) -> None:
        self.sweep(SessionEnded(wall_seconds=self.now - START, exit_status=exit_status))

    def start(self, spec: TrialSpecification, epochs: int = 0, first: int = 1) -> None:
        """Start a trial, measure it and train some epochs."""
        journey = shape_journey(spec.architecture, DATA.image_shape, len(DATA.classes))
        self.trial(
            spec.number,
            Started(
                attempt=spec.attempt,
                specification=spec,
                worker="0",
                host="box",
                pid=4711,
                device={"name": "cpu"},
            ),
            Measured(
                attempt=spec.attempt,
                costs={
                    "epoch_seconds": 2.25 + spec.number,
                    "latency_ms": 1.5,
                    "parameters": float(sum(stage.parameters for stage in journey)),
                    "macs": float(sum(stage.macs for stage in journey)),
                },
                measurements={"latency_p90_ms": 1.75},
                summary="Model: │ dense │",
                journey=journey,
            ),
            repetition=spec.repetition,
        )
        for epoch in range(first, first + epochs):
            self.trial(
                spec.number,
                EpochEnded(
                    attempt=spec.attempt, result=_epoch_result(epoch, 0.9 + spec.number / 1000)
                ),
                SystemSampled(attempt=spec.attempt, metrics={"cpu_utilization_percentage": 50.0}),
                repetition=spec.repetition,
            )

    def finish(
        self,
        spec: TrialSpecification,
        outcome: Outcome = Outcome.COMPLETE,
        epochs: int = 3,
        details: str | None = None,
    ) -> None:
        """End a trial that was started."""
        journey = shape_journey(spec.architecture, DATA.image_shape, len(DATA.classes))
        result = TrialRecord(
            specification=spec,
            outcome=outcome,
            val_accuracy=0.85 + spec.number / 1000,
            costs={
                "epoch_seconds": 2.25 + spec.number,
                "latency_ms": 1.5,
                "train_seconds": 7.5,
                "parameters": float(sum(stage.parameters for stage in journey)),
                "macs": float(sum(stage.macs for stage in journey)),
            },
            clocks={"training": 7.5, "evaluation": 0.5},
            history=tuple(
                _epoch_result(epoch, 0.9 + spec.number / 1000) for epoch in range(1, epochs + 1)
            ),
            reason=None if outcome is Outcome.COMPLETE else f"it was {outcome}",
            started=None,
            ended=self.now,
        )
        if not spec.repetition:
            self.records[spec.number] = result
        ended = Ended(attempt=spec.attempt, record=result, details=details)
        self.trial(spec.number, ended, repetition=spec.repetition)

    def keep_model(self, number: int, content: bytes | None) -> None:
        """Put a model into the sweep's folder, or remove it, as workers do."""
        path = self.dir / "models" / f"{number:04d}.keras"
        if content is None:
            path.unlink()
            self.trial(number, ModelKept(path=None))
        else:
            path.write_bytes(content)
            self.trial(number, ModelKept(path=f"models/{path.name}"))

    def read_test(self, number: int, accuracy: float) -> None:
        self.readings[number] = accuracy
        self.sweep(
            TestRead(
                trial=number,
                accuracy=accuracy,
                correct=round(270 * accuracy),
                images=270,
                reason="it is the sweet spot",
            )
        )

    def summarise(self) -> dict[str, Any]:
        """Rewrite ``summary.json`` as workers do."""
        summary = build_summary(
            sweep=self.dir.name,
            data=DATA,
            costs=["epoch_seconds"],
            records=self.records.values(),
            rule=RuleSettings(name="knee", budget=None),
            test_accuracies=self.readings,
            test_readings=len(self.readings),
            wall_seconds=self.now - START,
            mlflow_run_id=None,
        )
        (self.dir / "summary.json").write_text(json.dumps(summary))
        self.sweep(SummaryChanged(ended=ended_trials(summary), metrics=summary_metrics(summary)))
        return summary

    def references(self) -> None:
        """Run both reference trials to their end, which takes three epochs."""
        for number, (name, architecture) in enumerate(REFERENCES.items()):
            spec = self.specification(number, architecture.notation, reference=name)
            self.start(spec, epochs=3)
            self.finish(spec)


@pytest.fixture(scope="session")
def _composed() -> Config:
    return compose(CommandLine(command="sweep", overrides=("data=digits",)))


@pytest.fixture
def fake_sweep(tmp_path: Path, _composed: Config) -> Callable[..., FakeSweep]:
    """Return a function that makes an empty sweep under ``tmp_path / "mlruns"``."""

    def make(name: str = "question", tracking_uri: str | None = None) -> FakeSweep:
        mlruns = tmp_path / "mlruns"
        tracking = _composed.tracking.model_copy(update={"uri": tracking_uri})
        changes = {"mlruns": mlruns, "sweep_name": name, "tracking": tracking}
        return FakeSweep(mlruns, _composed.model_copy(update=changes))

    return make


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow store that nobody has used; making one takes seconds."""
    mlruns = tmp_path_factory.mktemp("store")
    create_store(mlruns)
    return mlruns / DATABASE


@pytest.fixture
def stored_sweep(fake_sweep: Callable[..., FakeSweep], empty_store: Path) -> FakeSweep:
    """An empty sweep whose MLflow store exists."""
    sweep = fake_sweep()
    shutil.copyfile(empty_store, sweep.mlruns / DATABASE)
    return sweep


@pytest.fixture
def small_sweep(stored_sweep: FakeSweep, keras_file: Path) -> FakeSweep:
    """A sweep of three trials without epochs that is over; two kept their models."""
    sweep = stored_sweep
    sweep.begin()
    for number, architecture in enumerate(("d128", "64k3-64k3-d128", "32k3-d64")):
        spec = sweep.specification(number, architecture)
        sweep.start(spec)
        sweep.finish(spec, epochs=0)
    sweep.keep_model(0, keras_file.read_bytes())
    sweep.keep_model(1, keras_file.read_bytes())
    sweep.summarise()
    sweep.end()
    return sweep


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mirror reads of a saved Keras network, without the seconds TensorFlow takes."""
    path = tmp_path_factory.mktemp("network") / "network.keras"
    image = {"batch_shape": [None, 28, 28, 1], "dtype": "float32"}
    layers = [{"class_name": "InputLayer", "config": image}]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", b"weights")
    return path


@pytest.fixture
def fresh_python() -> Callable[[str], str]:
    """Return a function that runs a line in a new interpreter and returns what it prints."""

    def run(line: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", line],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        )
        return done.stdout

    return run
