"""How soon a sweep has the hypervolume that the script people write reaches in 25 minutes.

    make bench ARGS=front_time

Every competitor searches the same architectures on the same split for the same two objectives, the
validation accuracy and log10 of the multiply-accumulates, start-up included; each trains as its
users would, ours with the default recipe of the space, the others with Keras' batches of 32 and a
learning rate that is searched. Ours takes what is usually best on such a machine
(``calibrate=false``): no machine's answer is in the runs that are kept. Calibrating first would
add its seconds, once a machine; what it comes to with them is told as well. A network counts with
the accuracy that it has after each of its epochs, from then on, whether or not it is trained any
further:

- ours, `sweetspot sweep objective=macs`;
- plain Optuna and Keras, with TPE and with NSGA-II;
- KerasTuner's Hyperband;
- Syne Tune's MO-ASHA with two workers.

The hypervolume owes much to the cheapest networks. So it is told as well when a search has beaten
the whole front of the plain script: for each of its members a network that costs no more and is at
least as accurate.

A run is kept in ``benchmarks/results/front_time/MACHINE`` as soon as it is over, one file a
competitor and seed, and is not run again: the benchmark may be ended at any time, and goes on. To
run one again, delete its file. Without ``seeds=`` there are three, two hours each.
Data: the complete Fashion-MNIST, or what ``data=`` names; the short mode runs each for a minute,
on digits where there is no Fashion-MNIST.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fronts import EPOCHS, OURS, PLAIN, compare, draw
from benchmarks.results_files import (
    AUTO,
    RESULTS,
    keep,
    machine_word,
    newest_of_each,
    today,
)
from benchmarks.running import export_images
from pipeline.launching.provenance import git_commit
from pipeline.measuring.machine import describe_device
from pipeline.tracking.event_log import Event, read, training_log_paths
from pipeline.tracking.events import EpochEnded, Started, content_of

MINUTES, SEEDS = 25.0, (0, 1, 2)
PEERS = {
    "plain TPE": ("plain_optuna", "tpe"),
    "plain NSGA-II": ("plain_optuna", "nsga2"),
    "KerasTuner Hyperband": ("hyperband",),
    "Syne Tune MO-ASHA": ("moasha",),
}
#: NSGA-II is run once: it is no sampler for so few trials.
ONCE = ("plain NSGA-II",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A network after an epoch: when, counted from the start, and how accurate it was."""

    seconds: float
    architecture: str
    accuracy: float


def main(short: bool, data: str = AUTO, seeds: Sequence[int] = SEEDS) -> None:
    """Run what is missing and compare what is there; ``short`` compares single minutes."""
    seconds, seeds = (60.0, seeds[:1]) if short else (60 * MINUTES, seeds)
    # What is kept from one time to the next has to be of the same images.
    trained = "fashion_mnist" if data == AUTO and not short else data
    ensure_peers()
    with tempfile.TemporaryDirectory() as folder:
        pieces = Path(folder) / "pieces" if short else pieces_here(data)
        images, shape, classes = export_images(Path(folder) / "data.npz", trained)
        for seed in seeds:
            for name in (PLAIN, OURS, *(peer for peer in PEERS if peer != PLAIN)):
                if seed == SEEDS[0] or name not in ONCE:
                    run(name, seed, seconds, images, pieces, data=trained)
        runs = read_pieces(pieces)
    calibration = calibration_here()
    rows, lines = compare(runs, shape, classes, seconds, calibration)
    print("\n".join(lines))
    result = {"calibration_seconds": calibration, "rows": rows, "runs": runs}
    kept = keep("front_time", result, lines, short=short, data=data)
    device = describe_device()
    where = f"{trained}, {device['name']}, {device['cores']} cores"
    draw(runs, shape, classes, seconds, kept.with_suffix(".png"), where=where)
    print(kept)


def pieces_here(data: str = AUTO) -> Path:
    """Return where this machine's runs are kept: only those of one machine are compared."""
    folder = RESULTS / "front_time" / machine_word()
    return folder if data == AUTO else folder / data


def calibration_here() -> float | None:
    """Return the seconds of a calibration of this machine, as its benchmark has measured them."""
    here = describe_device()["name"]
    found = (r for r in newest_of_each("calibration") if r["device"]["name"] == here)
    return next((float(result["seconds"]) for result in found), None)


def ensure_peers() -> None:
    """Install what the peers need from its lock file, unless it is there."""
    if all(importlib.util.find_spec(name) for name in ("keras_tuner", "syne_tune", "tensorboard")):
        return
    lock = Path(__file__).parent.parent / "requirements" / "peers.txt"
    print("Installing the peers, once ...", file=sys.stderr, flush=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-deps",
         "--require-hashes", "--requirement", str(lock)],
        check=True,
    )  # fmt: skip


def run(name: str, seed: int, seconds: float, images: Path, pieces: Path, *, data: str) -> None:
    """Run one competitor with one seed, unless its result is there.

    Parameters
    ----------
    images
        What peers train with, see ``running.export_images``; ours reads the data by their name.
    """
    piece = pieces / f"{name.lower().replace(' ', '-')}-{seed}.json"
    if piece.exists():
        return
    print(f"{name}, seed {seed}: {seconds / 60:.0f} minutes ...", file=sys.stderr, flush=True)
    if name == OURS:
        found = search_with_ours(name, seed, seconds, data)
    else:
        found = search_with_peer(name, seed, seconds, images)
    values = {
        "name": name,
        "seed": seed,
        "seconds": seconds,
        "device": describe_device(),
        "date": today(),
        "counts": EPOCHS,
        "commit": git_commit(),
        "found": [[round(f.seconds, 2), f.architecture, f.accuracy] for f in found],
    }
    pieces.mkdir(parents=True, exist_ok=True)
    piece.write_text(json.dumps(values) + "\n")


def search_with_ours(name: str, seed: int, seconds: float, data: str) -> list[Found]:
    """Run our own sweep for so long."""
    with tempfile.TemporaryDirectory() as folder:
        return sweep_for(seconds, Path(folder), name, f"data={data}", f"search.seed={seed}")


def sweep_for(seconds: float, mlruns: Path, name: str, *overrides: str) -> list[Found]:
    """Run a sweep for accuracy against multiply-accumulates; return what it has trained."""
    start = time.time()
    _run_for(
        [sys.executable, "-m", "pipeline", "sweep", "objective=macs", f"mlruns={mlruns}",
         "calibrate=false", "search.trials=100000", f"search.minutes={seconds / 60}",
         "finalists=off", f"sweep_name={name}", *overrides],
        seconds,
    )  # fmt: skip
    logs = [read(path) for path in training_log_paths(mlruns / "sweeps" / name).values()]
    return [
        Found(
            seconds=event.time - start,
            architecture=architecture,
            accuracy=content.result.val_accuracy,
        )
        for architecture, log in ((_architecture(log), log) for log in logs)
        for event in log
        if isinstance(content := content_of(event), EpochEnded)
    ]


def _architecture(log: Sequence[Event]) -> str:
    """Return the network of a log; nothing where it has not even begun."""
    return next(
        (
            content.specification.architecture.notation
            for event in log
            if isinstance(content := content_of(event), Started)
        ),
        "",
    )


def search_with_peer(name: str, seed: int, seconds: float, images: Path) -> list[Found]:
    """Run a peer for so long; it writes down what it has after each epoch."""
    module, *options = PEERS[name]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        start = time.time()
        _run_for(
            [sys.executable, "-m", f"benchmarks.peers.{module}", str(images), str(log),
             str(seconds), str(seed), *options],
            seconds, Path(folder),
        )  # fmt: skip
        lines = log.read_text().splitlines() if log.exists() else []
    found = [json.loads(line) for line in lines]
    return [
        Found(
            seconds=line["time"] - start,
            architecture=line["architecture"],
            accuracy=line["accuracy"],
        )
        for line in found
    ]


def _run_for(command: Sequence[str], seconds: float, folder: Path | None = None) -> None:
    """Run a search, in a folder; one that has not ended a while after its time is ended."""
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), *_python_path()))}
    process = subprocess.Popen(
        command, env=environment, stdout=sys.stderr, start_new_session=True, cwd=folder
    )
    try:
        process.wait(seconds + 120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 15)
        process.wait(60)
    if process.returncode not in (0, -15, 128 + 15):
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def read_pieces(pieces: Path) -> list[dict[str, Any]]:
    """Return every run that is there."""
    return [json.loads(path.read_text()) for path in sorted(pieces.glob("*.json"))]
