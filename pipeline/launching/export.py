"""A sweep's network written in other formats, checked and measured; the result is kept."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.exports import (
    EXPORT_DIR,
    EXPORTS_SCHEMA_VERSION,
    FORMATS,
    ON_PROCESSOR,
    ExportFormat,
    export_failure,
)
from pipeline.data.dataset import Split, TrainingData
from pipeline.launching.devices import lock_name, shared_device
from pipeline.launching.leftovers import EXPORT_PREFIX, unfinished
from pipeline.launching.networks import SweepNetwork, set_up_backend
from pipeline.launching.sweep_folder import load_description, unchanged_data
from pipeline.measuring.backends import VARIABLE, backend_name
from pipeline.measuring.latency import TimedLatency
from pipeline.measuring.machine import default_threads, describe_device, this_machine
from pipeline.measuring.quiet import QuietLock
from pipeline.measuring.turns import Turns, take_turns
from pipeline.reporting.compare import device_name
from pipeline.reporting.exports import export_file
from pipeline.reporting.files import write_atomically
from pipeline.reporting.listing import folder_bytes, size_of

if TYPE_CHECKING:
    from pipeline.training.backend import Inference

_SUFFIXES: dict[ExportFormat, str] = {
    "onnx": ".onnx",
    "onnx_int8": ".int8.onnx",
    "saved_model": ".saved_model",
}
_CALIBRATION_IMAGES = 500
_LATENCY_BATCH_SIZE = 1


def export(config: Config, network: SweepNetwork) -> dict[str, Any]:
    """Write a network of a sweep in every format; return and keep what came of it.

    What fails its check is not kept. See ``pipeline.core.exports`` for the result.

    Parameters
    ----------
    config
        The sweep's.

    Raises
    ------
    SweetspotError
        The model, its images or the place for the files cannot be used.
    """
    if backend_name() != "tensorflow":
        raise ConfigurationError(
            f"export needs TensorFlow, which reads networks of either backend: leave {VARIABLE} out"
        )
    data = unchanged_data(config, load_description(config.sweep_dir))
    set_up_backend()
    from pipeline.training.exporting import ExportedNetwork

    threads, device = default_threads(), device_name(describe_device())
    exported = ExportedNetwork(network.path, Architecture.parse(network.architecture), threads)
    labels = data.validation.labels
    as_trained = _labels(exported.as_trained, data.validation, exported.images_a_call)
    trained_accuracy = float((as_trained == labels).mean())
    exact = _labels(exported.exact, data.validation, exported.images_a_call)
    image = data.validation.images[:_LATENCY_BATCH_SIZE]
    results: dict[str, Any] = {}
    folder = config.sweep_dir / EXPORT_DIR
    for form in FORMATS:
        with _unfinished(folder) as temporary:
            path = folder / f"{network.trial:04d}{_SUFFIXES[form]}"
            fresh = temporary / path.name
            exported.write(form, fresh, _calibration(data))
            infer = exported.open(form, fresh)
            found = _labels(infer, data.validation, exported.images_a_call)
            result: dict[str, Any] = {
                "bytes": size_of(fresh) if fresh.is_file() else folder_bytes(fresh),
                "accuracy": float((found == labels).mean()),
                "same_labels": float((found == exact).mean()),
                "same_labels_as_trained": float((found == as_trained).mean()),
            }
            result["failure"] = export_failure(
                form,
                same_labels=result[
                    "same_labels_as_trained" if form == "saved_model" else "same_labels"
                ],
                accuracy=result["accuracy"],
                trained_accuracy=trained_accuracy,
            )
            result["latency"] = _latency(config, infer, exported.as_trained, image)
            result["device"] = _processor() if form in ON_PROCESSOR else device
            kept = result["failure"] is None
            _put(fresh, path, kept=kept)
            result["file"] = str(path.relative_to(config.sweep_dir)) if kept else None
            results[form] = result
    outcome = {
        "schema_version": EXPORTS_SCHEMA_VERSION,
        "sweep": network.sweep,
        "trial": network.trial,
        "architecture": network.architecture,
        "device": device,
        "threads": threads,
        "images": len(labels),
        "classes": list(data.description.classes),
        "keras": {
            "precision": config.training.precision,
            "accuracy": trained_accuracy,
            "latency": _latency(config, exported.as_trained, exported.as_trained, image),
        },
        "exports": results,
    }
    kept_at = export_file(config.sweep_dir, network.trial)
    write_atomically(kept_at, json.dumps(outcome, indent=1) + "\n")
    return outcome


def _processor() -> str:
    """Return what runs here that does not run on a GPU."""
    return device_name(describe_device(replace(this_machine(), gpus=())))


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Make a folder for what is not known to be sound yet, below the one that is for exports."""
    with ExitStack() as stack:
        try:
            folder.mkdir(exist_ok=True)
            temporary = stack.enter_context(unfinished(EXPORT_PREFIX, folder))
        except OSError as error:
            raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from error
        yield temporary


def _calibration(data: TrainingData) -> NDArray[np.uint8]:
    """Return training images from everywhere: a folder of pictures comes class by class."""
    count = min(_CALIBRATION_IMAGES, len(data.train))
    chosen = np.linspace(0, len(data.train) - 1, count).astype(np.int64)
    return data.train.images[chosen]


def _labels(infer: "Inference", split: Split, at_once: int) -> NDArray[np.int64]:
    with shared_device():
        batches = [
            infer(split.images[start : start + at_once]).argmax(axis=1)
            for start in range(0, len(split), at_once)
        ]
    return np.concatenate(batches)


def _latency(
    config: Config, infer: "Inference", reference: "Inference", image: NDArray[np.uint8]
) -> dict[str, Any]:
    """Measure one image's latency beside that of the network as it was trained."""
    measuring = config.measuring
    with QuietLock(lock_name()).measuring():
        timed = TimedLatency(
            lambda: infer(image),
            lambda: reference(image),
            batch_size=_LATENCY_BATCH_SIZE,
            warmup_seconds=measuring.warmup_seconds,
        )
        turns = Turns(
            fewest=measuring.turns, seconds=measuring.seconds, tolerance=measuring.tolerance
        )
        take_turns(timed, turns, time.perf_counter)
    return asdict(timed.result(measuring.tolerance))


def _put(fresh: Path, path: Path, *, kept: bool) -> None:
    """Replace what an earlier export has left; nothing stays of one that failed."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kept:
        fresh.replace(path)
