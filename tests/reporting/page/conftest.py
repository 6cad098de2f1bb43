"""The values of a report, without files."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.trial import EpochResult, TrialRecord
from pipeline.reporting.compare import Answers
from pipeline.reporting.mistakes import Mistakes
from pipeline.reporting.page.sources import Attempt, ReportSources
from pipeline.tracking.story import TrialStory

CONFIG = """\
search:
  rungs: {enabled: true, first: 1, risk: 0.05, keep: 0.7, peers: 5}
training:
  epochs: 3
storage:
  path: postgresql://someone:secret@host/optuna
"""
NO_IMPORTANCE = {"trials": 0, "best_share": 0.5, "importance": {"val_accuracy": None}}
Maker = Callable[..., ReportSources]


def with_history(record: TrialRecord) -> TrialRecord:
    if record.val_accuracy is None:
        return record
    epochs = 1 if record.outcome == "stopped" else 3
    history = tuple(
        EpochResult(
            epoch=epoch,
            train_loss=1.0 / epoch,
            train_accuracy=record.val_accuracy - 0.1 / epoch,
            val_loss=1.2 / epoch,
            val_accuracy=record.val_accuracy - 0.05 / epoch,
            epoch_seconds=2.0,
            images_per_second=25_000.0,
        )
        for epoch in range(1, epochs + 1)
    )
    return replace(record, history=history, clocks={"training": 6.0, "measuring": 2.0})


def make_sources(
    records: Iterable[TrialRecord], summary: dict[str, Any], **changes: Any
) -> ReportSources:
    stories = [
        TrialStory(
            record=with_history(record), retries=0, worker="w-1", host="here", pid=7, last_time=0.0
        )
        for record in records
    ]
    attempts = [
        Attempt(
            trial=story.record.number, worker="w-1", host="here",
            started=1000.0 + 10 * index, ended=1009.0 + 10 * index, outcome="complete",
        )
        for index, story in enumerate(stories)
    ]  # fmt: skip
    values: dict[str, Any] = {
        "sweep_dir": Path("/runs/sweeps/lesson"),
        "summary": summary,
        "stories": stories,
        "attempts": attempts,
        "sweep_events": [],
        "importance": NO_IMPORTANCE,
        "config_text": CONFIG,
        "written": 1_795_000_000.0,
    }
    return ReportSources(**(values | changes))


def answers_of(images: int, wrong: Iterable[int]) -> Answers:
    labels = np.arange(images, dtype=np.int64) % 10
    predicted = labels.copy()
    for index in wrong:
        predicted[index] = (labels[index] + 1) % 10
    return Answers(predicted=predicted, labels=labels)


def mistakes_of(answers: Answers) -> Mistakes:
    images = np.zeros((len(answers.labels), 8, 8, 1), dtype=np.uint8)
    probabilities = np.full((len(answers.labels), 10), 0.01, dtype=np.float32)
    probabilities[np.arange(len(answers.labels)), answers.predicted] = 0.91
    return Mistakes.worst(images, answers.labels, probabilities)


@pytest.fixture
def make() -> Maker:
    """Return a maker of sources from records and their summary."""
    return make_sources


@pytest.fixture
def sources(records: list[TrialRecord], summarise: Callable[..., dict[str, Any]]) -> ReportSources:
    """Return the sources of the small sweep, its test images read."""
    summary = summarise(records, test_accuracies={0: 0.80, 1: 0.90, 3: 0.95}, test_readings=3)
    summary["data"]["test"] = 100
    answers = {
        0: answers_of(100, range(0, 20)),
        1: answers_of(100, range(0, 10)),
        3: answers_of(100, range(0, 5)),
    }
    mistakes = {number: mistakes_of(known) for number, known in answers.items()}
    return make_sources(records, summary, answers=answers, mistakes=mistakes)
