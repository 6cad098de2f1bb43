"""After the search: test is read for the sweet spot and the references, once each.

Readings are kept in the sweep's event log; asking again reads the kept ones.
"""

import io
import json
from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.outcome import OutOfMemory
from pipeline.core.trial import Outcome, Recipe
from pipeline.launching.results import SweepResults, model_path
from pipeline.launching.sessions import Sessions
from pipeline.launching.sweep_folder import load_description, unchanged_test
from pipeline.launching.trainer import Trainer
from pipeline.measuring.machine import describe_device
from pipeline.reporting.compare import LABELS_NAME, answers_name, device_name
from pipeline.reporting.comparison import COMPARISON_NAME, read_comparison
from pipeline.reporting.files import write_atomically
from pipeline.reporting.kept_maps import KeptMaps, kept_maps_name, one_class
from pipeline.reporting.mistakes import Mistakes, mistakes_name
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, read, sweep_log_path, trial_log_path
from pipeline.tracking.events import TestRead, record
from pipeline.tracking.story import trial_story


def evaluate(config: Config, study: SweepStudy, results: SweepResults, trainer: Trainer) -> None:
    """Read test where that is due, compare at equal batch size, and rewrite the summary.

    A network trained by hand is nobody's sweet spot: test is not read for it.

    Raises
    ------
    DataError
        The images are gone, or no longer those that were trained with.
    """
    if not config.references:
        return
    with FileLock(config.sweep_dir / "evaluation.lock"):
        summary = results.refresh(study)
        reasons = _due(summary)
        known = Sessions.read(config.sweep_dir).test_readings
        unread = {number: why for number, why in reasons.items() if number not in known}
        earlier = [number for number in known if number not in reasons]
        spot = summary["sweet_spot"]
        if earlier and spot is not None and spot["trial"] in unread:
            unread[spot["trial"]] += f", in place of trial {earlier[-1]}"
        if unread:
            convolutional = {
                item.number for item in study.records() if item.specification.architecture.depth
            }
            _read_test(config, trainer, unread, convolutional)
        if summary["sweet_spot"] is not None:
            _compare(config, study, summary, trainer)
        results.refresh(study)


def is_due(sweep_dir: Path, summary: dict[str, Any]) -> bool:
    """Whether the sweet spot or a reference has no test reading yet, or they are not compared."""
    spot = summary["sweet_spot"]
    if spot is not None and read_comparison(sweep_dir, spot["trial"]) is None:
        return True
    readings = Sessions.read(sweep_dir).test_readings
    return any(number not in readings for number in _due(summary))


def _due(summary: dict[str, Any]) -> dict[int, str]:
    """Return the trials that test is read for, with the reason."""
    due = {
        reference["trial"]: f"the {name} reference"
        for name, reference in summary["references"].items()
        if reference["val_accuracy"] is not None
    }
    sweet_spot = summary["sweet_spot"]
    if sweet_spot is not None:
        due.setdefault(sweet_spot["trial"], f"the sweet spot by the rule {sweet_spot['rule']}")
    return due


def _read_test(
    config: Config, trainer: Trainer, unread: dict[int, str], convolutional: Set[int]
) -> None:
    """Read test for the trials in ``unread``, and keep what a report shows of it.

    Three of the images are kept with what convolutional networks make of them. Showing them
    reads no accuracy, and comes after everything has been chosen.
    """
    test = unchanged_test(config, load_description(config.sweep_dir))
    shown = one_class(test.labels)
    # What was predicted is kept: sweeps are compared on the same images, without reading again.
    _keep(config.sweep_dir / LABELS_NAME, test.labels)
    with EventLog(sweep_log_path(config.sweep_dir)) as log:
        for number, why in unread.items():
            path = model_path(config.sweep_dir, number)
            probabilities = trainer.probabilities(path, test.images)
            labels = probabilities.argmax(axis=1).astype(np.int64)
            _keep(config.sweep_dir / answers_name(number), labels)
            mistakes = Mistakes.worst(test.images, test.labels, probabilities)
            mistakes.write(config.sweep_dir / mistakes_name(number))
            if number in convolutional:
                maps = trainer.feature_maps(path, test.images[shown])
                kept = KeptMaps.of(maps, shown, int(test.labels[0]))
                kept.write(config.sweep_dir / kept_maps_name(number))
            correct = int((labels == test.labels).sum())
            record(
                log,
                TestRead(
                    trial=number,
                    accuracy=correct / len(test.labels),
                    correct=correct,
                    images=len(test.labels),
                    reason=why,
                ),
            )


def _keep(path: Path, labels: NDArray[np.int64]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, labels, allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def _compare(config: Config, study: SweepStudy, summary: dict[str, Any], trainer: Trainer) -> None:
    """Compare sweet spot and references at the sweet spot's batch size.

    What was trained with its recipe has been measured; the others are measured now. Where one of
    them needs more memory for it than there is, nothing is compared: it is good to
    know, and no reason to end a sweep that is done with an error.
    """
    number = summary["sweet_spot"]["trial"]
    if read_comparison(config.sweep_dir, number) is not None:
        return
    records = {item.number: item for item in study.records()}
    chosen = records[number].specification
    references = {
        item.specification.reference: item.specification
        for item in records.values()
        if item.specification.reference is not None and item.outcome is Outcome.COMPLETE
    }
    steps: dict[Architecture, float] = {}
    try:
        for trial in (chosen, *references.values()):
            # A reference that is the sweet spot is not measured against itself.
            if trial.architecture not in steps:
                known = _known_ratio(config, trial.number, chosen.recipe)
                steps[trial.architecture] = (
                    trainer.step_ratio(trial.architecture, chosen.recipe)
                    if known is None
                    else known
                )
    except OutOfMemory:
        references = {}
    ratios = {
        name: steps[reference.architecture] / steps[chosen.architecture]
        for name, reference in references.items()
    }
    comparison = {
        "trial": number,
        "batch_size": chosen.recipe.batch_size,
        "references": {name: {"epoch_ratio_equal_batch": ratio} for name, ratio in ratios.items()},
    }
    write_atomically(config.sweep_dir / COMPARISON_NAME, json.dumps(comparison, indent=1) + "\n")


def _known_ratio(config: Config, number: int, recipe: Recipe) -> float | None:
    """Return how many times the reference's a trial's step took, with a recipe, on such a device.

    None where that was not measured.
    """
    story = trial_story(read(trial_log_path(config.sweep_dir, number)))
    if story is None or story.record.specification.recipe != recipe:
        return None
    devices = (describe_device(), story.measured_on or story.device, story.device)
    if len({device_name(device) for device in devices}) > 1:
        return None
    return story.record.measurements.get("step_ratio")
