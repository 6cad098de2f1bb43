"""Sweeps run as users run them, and the images of such a sweep for whom it is compared with."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.journey import ImageShape
from pipeline.data.loading import load_training, resolve
from pipeline.launching.calibrating import calibrate
from pipeline.launching.rate_processes import processes
from pipeline.measuring.automatic import Automatic, Calibration, automatic, keep_calibration
from pipeline.measuring.machine import this_machine


def run_sweep(mlruns: Path | str, name: str, *overrides: str) -> Path:
    """Run ``sweetspot sweep`` to its end, without finalists; return the sweep's folder.

    Raises
    ------
    subprocess.CalledProcessError
        It did not end well.
    """
    subprocess.run(
        [sys.executable, "-m", "pipeline", "sweep", f"mlruns={mlruns}", f"sweep_name={name}",
         "finalists=off", *overrides],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    return Path(mlruns) / "sweeps" / name


def calibrated(mlruns: Path | str) -> Automatic:
    """Let sweeps below a folder find this machine calibrated; return what ``auto`` is for them.

    It is measured once a process: call it before what is timed.
    """
    keep_calibration(Path(mlruns), _calibration())
    return automatic(compose(CommandLine(command="sweep", overrides=(f"mlruns={mlruns}",))))


@cache
def _calibration() -> Calibration:
    found = calibrate(this_machine(), processes)
    print(found.sentence(), file=sys.stderr, flush=True)
    return found


def export_images(path: Path, name: str) -> tuple[Path, ImageShape, int]:
    """Write the split that a sweep trains with; return where, the image shape and classes."""
    config = compose(CommandLine(command="sweep", overrides=(f"data={name}",)))
    data = load_training(resolve(config.data, lambda text: print(text, file=sys.stderr)))
    np.savez(
        path,
        train_images=data.train.images,
        train_labels=data.train.labels,
        val_images=data.validation.images,
        val_labels=data.validation.labels,
    )
    return path, data.description.image_shape, len(data.description.classes)


def plain_keras(what: str, data: Path, *numbers: int) -> dict[str, Any]:
    """Return what ``benchmarks.peers.plain_keras`` says, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.plain_keras", what, str(data),
         *map(str, numbers)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
