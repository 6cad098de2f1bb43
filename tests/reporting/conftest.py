"""A sweep's values and its folder, as other rooms produce them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.exports import EXPORTS_SCHEMA_VERSION
from pipeline.core.finalists import Finalist, FinalRound
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import build_summary
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.tracking.event_log import EventLog, sweep_log_path, trial_log_path
from pipeline.tracking.events import (
    Ended,
    EpochEnded,
    Measured,
    SessionEnded,
    SessionStarted,
    Started,
    record,
)

RecordMaker = Callable[..., TrialRecord]
SummaryMaker = Callable[..., dict[str, Any]]


def make_record(
    number: int,
    architecture: str,
    accuracy: float | None,
    seconds: float | None,
    *,
    outcome: Outcome | None = Outcome.COMPLETE,
    reference: str | None = None,
    batch_size: int = 128,
    attempt: int = 0,
    reason: str | None = None,
    **costs: float,
) -> TrialRecord:
    if seconds is not None:
        costs = {"epoch_seconds": seconds, **costs}
        if outcome is Outcome.COMPLETE:  # latency is measured last, on what was trained
            costs = {"latency_ms": seconds / 10, **costs}
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture.parse(architecture),
            recipe=Recipe(
                batch_size=batch_size,
                optimizer="adam",
                learning_rate=1e-3,
                schedule="one_cycle",
            ),
            seed=number,
            reference=reference,
            attempt=attempt,
        ),
        outcome=outcome,
        val_accuracy=accuracy,
        costs=costs,
        reason=reason,
    )


def make_summary(records: Iterable[TrialRecord], **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sweep": "fashion_mnist-standard-a1b2c3",
        "data": DataDescription(
            name="fashion_mnist",
            fingerprint="c0ffee",
            train=50_000,
            validation=10_000,
            test=10_000,
            image_shape=(28, 28, 1),
            classes=tuple("abcdefghij"),
        ),
        "costs": ["epoch_seconds"],
        "records": records,
        "rule": RuleSettings(name="knee"),
        "test_accuracies": {},
        "test_readings": 0,
        "wall_seconds": 61.5,
        "mlflow_run_id": None,
    }
    return build_summary(**(values | changes))


@pytest.fixture
def trial() -> RecordMaker:
    """Return a maker of records."""
    return make_record


@pytest.fixture
def summarise() -> SummaryMaker:
    """Return a maker of summaries."""
    return make_summary


@pytest.fixture
def records() -> list[TrialRecord]:
    """Return a small sweep in which trial 3 is the sweet spot."""
    return [
        make_record(0, "d128", 0.880, 1.0, reference="dnn"),
        make_record(1, "64k3-64k3-d128", 0.912, 7.6, reference="cnn"),
        make_record(2, "8k3-d64", 0.890, 2.0),
        make_record(3, "32k3-64k3-d128", 0.916, 4.0, batch_size=256),
        make_record(4, "128k5sb-d256p0.25", 0.917, 19.0),
        make_record(5, "16k3-d32", 0.700, 1.5, outcome=Outcome.STOPPED, reason="ranked 7 of 8"),
        make_record(6, "256k3-d512", None, None, outcome=Outcome.OUT_OF_MEMORY, reason="no room"),
    ]


def again(record: TrialRecord, accuracy: float, seconds: float) -> TrialRecord:
    """Return a further training of a trial."""
    return replace(
        record,
        specification=replace(record.specification, repetition=1),
        val_accuracy=accuracy,
        costs={"epoch_seconds": seconds, "latency_ms": seconds / 10},
    )


@pytest.fixture
def final_round(records: list[TrialRecord]) -> FinalRound:
    """Return a final round of trials 2 and 3, each trained once more."""
    cheap, dear = records[2], records[3]
    return FinalRound(
        finalists=(
            Finalist(original=cheap, further=(again(cheap, 0.886, 2.2),)),
            Finalist(original=dear, further=(again(dear, 0.912, 4.2),)),
        ),
        settled=True,
    )


class SweepFolder:
    """Writes a sweep's folder the way supervisor and workers do, at a set time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000_000.0
        path.mkdir(parents=True)

    def clock(self) -> float:
        return self.now

    def configure(self, *, trials: int = 8, epochs: int = 5, **search: Any) -> None:
        values = {
            "search": {"trials": trials, "minutes": None, **search},
            "training": {"epochs": epochs},
            "objective": {"costs": ["epoch_seconds"]},
        }
        (self.path / "config.yaml").write_text(yaml.safe_dump(values))

    def session(self, workers: int = 2) -> None:
        started = SessionStarted(workers=workers, host="here", versions={}, git_commit=None)
        self._append(sweep_log_path(self.path), started)

    def leave(self, wall_seconds: float) -> None:
        self._append(
            sweep_log_path(self.path), SessionEnded(wall_seconds=wall_seconds, exit_status=0)
        )

    def start(self, trial: TrialRecord, worker: str = "0") -> None:
        attempt = trial.specification.attempt
        started = Started(
            attempt=attempt, specification=trial.specification, worker=worker, host="here", pid=7
        )
        self._append(trial_log_path(self.path, *trial.specification.run), started)
        measured = Measured(
            attempt=attempt, costs=trial.costs, measurements={}, summary="", journey=()
        )
        self._append(trial_log_path(self.path, *trial.specification.run), measured)

    def epoch(self, trial: TrialRecord, epoch: int, accuracy: float) -> None:
        result = EpochResult(
            epoch=epoch,
            train_loss=0.5,
            train_accuracy=accuracy,
            val_loss=0.5,
            val_accuracy=accuracy,
            epoch_seconds=2.0,
            images_per_second=25_000.0,
        )
        self._append(
            trial_log_path(self.path, *trial.specification.run),
            EpochEnded(attempt=trial.specification.attempt, result=result),
        )

    def end(self, trial: TrialRecord) -> None:
        ended = Ended(attempt=trial.specification.attempt, record=replace(trial, ended=self.now))
        self._append(trial_log_path(self.path, *trial.specification.run), ended)

    def _append(self, path: Path, content: Any) -> None:
        with EventLog(path, clock=self.clock) as log:
            record(log, content)


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """Return an empty sweep's folder to write to."""
    return SweepFolder(tmp_path / "mlruns" / "sweeps" / "demo")


@pytest.fixture
def exported() -> dict[str, Any]:
    """Return what came of an export: one format is kept, another is not."""

    def latency(ms: float, ratio: float, noisy: bool = False) -> dict[str, Any]:
        return {"median_ms": ms, "ratio": ratio, "noisy": noisy}

    return {
        "schema_version": EXPORTS_SCHEMA_VERSION,
        "sweep": "lesson", "trial": 3, "architecture": "8k5-d128", "device": "AMD EPYC",
        "threads": 2, "images": 255, "classes": ["0", "1", "2"],
        "keras": {"precision": "bfloat16", "accuracy": 0.949, "latency": latency(0.3, 1.0)},
        "exports": {
            "onnx": {
                "file": "export/0003.onnx", "bytes": 610_000, "accuracy": 0.949, "same_labels": 1.0,
                "same_labels_as_trained": 0.9961,
                "failure": None, "latency": latency(0.05, 0.1667),
            },
            "onnx_int8": {
                "file": None, "bytes": 160_000, "accuracy": 0.93, "same_labels": 0.97,
                "same_labels_as_trained": 0.96,
                "failure": "eight bits cost 1.90 points of accuracy, more than 0.5",
                "latency": latency(0.6, 2.0, noisy=True),
            },
            "saved_model": {
                "file": "export/0003.saved_model", "bytes": 900_000, "accuracy": 0.949,
                "same_labels": 0.9961, "same_labels_as_trained": 1.0,
                "failure": None, "latency": latency(0.3, 1.0),
            },
        },
    }  # fmt: skip
