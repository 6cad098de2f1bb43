"""How soon a sweep has the hypervolume that the script people write reaches in 25 minutes.

    make bench ARGS=front_time

Every competitor searches the same architectures on the same split for the same two objectives, the
validation accuracy and log10 of the multiply-accumulates, start-up included; each trains as its
users would, ours with the default recipe of the space, the others with Keras' batches of 32 and a
learning rate that is searched. A network counts with the accuracy that it has after each of its
epochs, from then on, whether or not it is trained any further:

- ours, `sweetspot sweep objective=macs`;
- plain Optuna and Keras, with TPE and with NSGA-II;
- KerasTuner's Hyperband;
- Syne Tune's MO-ASHA with two workers.

The hypervolume owes much to the cheapest networks. So it is told as well when a search has beaten
the whole front of the plain script: for each of its members a network that costs no more and is at
least as accurate.

A run is kept in ``benchmarks/results/front_time/MACHINE`` as soon as it is over, one file a
competitor and seed, and is not run again: the benchmark may be ended at any time, and goes on.
Data: the complete Fashion-MNIST where it can be had, else digits; the short mode runs each for a
minute.
"""

import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_files import AUTO, RESULTS, keep, machine_word, today
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.front import hypervolume
from pipeline.core.journey import ImageShape, macs
from pipeline.core.summary import HYPERVOLUME_COST_FACTOR
from pipeline.data.loading import load_training, resolve
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
OURS, PLAIN = "sweetspot", "plain TPE"
#: What a run's networks are counted after; of a run that does not say so it is their training.
EPOCHS = "epochs"
#: NSGA-II is run once: it is no sampler for so few trials.
ONCE = ("plain NSGA-II",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A network after an epoch: when, counted from the start, and how accurate it was."""

    seconds: float
    architecture: str
    accuracy: float


def main(short: bool, data: str = AUTO) -> None:
    """Run what is missing and compare what is there; ``short`` compares single minutes."""
    seconds, seeds = (60.0, SEEDS[:1]) if short else (60 * MINUTES, SEEDS)
    ensure_peers()
    with tempfile.TemporaryDirectory() as folder:
        pieces = Path(folder) / "pieces" if short else pieces_here(data)
        images, shape, classes = export(Path(folder) / "data.npz", data)
        for seed in seeds:
            for name in (PLAIN, OURS, *(peer for peer in PEERS if peer != PLAIN)):
                if seed == seeds[0] or name not in ONCE:
                    run(name, seed, seconds, images, pieces, data=data)
        runs = read_pieces(pieces)
    rows, lines = compare(runs, shape, classes, seconds)
    print("\n".join(lines))
    kept = keep("front_time", {"rows": rows, "runs": runs}, lines, short=short, data=data)
    draw(runs, shape, classes, seconds, kept.with_suffix(".png"))
    print(kept)


def pieces_here(data: str = AUTO) -> Path:
    """Return where this machine's runs are kept: only those of one machine are compared."""
    folder = RESULTS / "front_time" / machine_word()
    return folder if data == AUTO else folder / data


def draw(
    runs: Sequence[dict[str, Any]], shape: ImageShape, classes: int, seconds: float, path: Path
) -> None:
    """Draw the hypervolume over time, a line a run; dashed is where the plain script ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate((OURS, *PEERS)):
        own = [run["found"] for run in runs if run["name"] == name]
        for which, found in enumerate(own):
            volumes = course(found, shape, classes, seconds)
            if not volumes:
                continue
            times, heights = zip(*volumes, (seconds, volumes[-1][1]), strict=True)
            label = name if which == 0 else None
            axes.step(times, heights, where="post", color=f"C{number}", label=label)
            if name == PLAIN:
                axes.axhline(heights[-1], color=f"C{number}", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("hypervolume (accuracy, log10 MACs)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


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


def export(path: Path, name: str) -> tuple[Path, ImageShape, int]:
    """Write the split that our sweep trains with; return where, the image shape and classes."""
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


def run(name: str, seed: int, seconds: float, images: Path, pieces: Path, *, data: str) -> None:
    """Run one competitor with one seed, unless its result is there.

    Parameters
    ----------
    images
        What peers train with, see ``export``; ours reads the data by their name.
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


def course(
    found: Sequence[Sequence[Any]], shape: ImageShape, classes: int, most: float
) -> list[tuple[float, float]]:
    """Return the hypervolume after each network that was found within ``most`` seconds."""
    worst = HYPERVOLUME_COST_FACTOR * macs(REFERENCES["cnn"], shape, classes)
    reference = (1.0 / classes, math.log10(worst))
    points: list[tuple[float, float]] = []
    volumes = []
    for seconds, point in _points(found, shape, classes, most):
        points.append(point)
        volumes.append((seconds, hypervolume(points, reference)))
    return volumes


def _points(
    found: Sequence[Sequence[Any]], shape: ImageShape, classes: int, most: float
) -> list[tuple[float, tuple[float, float]]]:
    """Return when each network was found, its accuracy and log10 of its work, in that order."""
    return [
        (
            float(seconds),
            (accuracy, math.log10(macs(Architecture.parse(architecture), shape, classes))),
        )
        for seconds, architecture, accuracy in sorted(map(tuple, found))
        if seconds <= most
    ]


def time_to_beat(
    goal: Sequence[Sequence[Any]],
    found: Sequence[Sequence[Any]],
    shape: ImageShape,
    classes: int,
    most: float,
) -> float | None:
    """Return the seconds until all that another search found is beaten; None where it is not.

    A network is beaten by one that is at least as accurate and costs no more.
    """
    left = [point for _, point in _points(goal, shape, classes, most)]
    for seconds, (accuracy, work) in _points(found, shape, classes, most):
        left = [theirs for theirs in left if theirs[0] > accuracy or theirs[1] < work]
        if not left:
            return seconds
    return None


def time_to(volumes: Sequence[tuple[float, float]], goal: float) -> float | None:
    """Return the seconds until a hypervolume is reached; None where it is not."""
    return next((seconds for seconds, volume in volumes if volume >= goal), None)


def compare(
    runs: Sequence[dict[str, Any]], shape: ImageShape, classes: int, seconds: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return, a row a competitor, its seconds to the plain script's hypervolume, seed by seed."""
    courses = {(r["name"], r["seed"]): course(r["found"], shape, classes, seconds) for r in runs}
    goals = {
        seed: volumes[-1][1]
        for (name, seed), volumes in courses.items()
        if name == PLAIN and volumes
    }
    found = {(r["name"], r["seed"]): r["found"] for r in runs}
    rows: list[dict[str, Any]] = []
    for name in (OURS, *PEERS):
        own = {s: c for (n, s), c in sorted(courses.items()) if n == name and s in goals and c}
        # Compared with ours seed by seed, where that has run.
        both = [seed for seed in own if courses.get((OURS, seed))]
        ours = {seed: courses[OURS, seed] for seed in both}
        beaten = {
            seed: time_to_beat(found[PLAIN, seed], found[name, seed], shape, classes, seconds)
            for seed in own
        }
        times = {seed: time_to(own[seed], goals[seed]) for seed in own}
        ends = {seed: time_to(own[seed], own[seed][-1][1]) for seed in own}
        ours_there = {seed: time_to(ours[seed], own[seed][-1][1]) for seed in both}
        rows.append(
            {
                "name": name,
                "seeds": list(own),
                "seconds": list(times.values()),
                "ratio": _median(_ratio(times[s], time_to(ours[s], goals[s])) for s in both),
                "seconds_to_its_end": list(ends.values()),
                "ours_to_its_end": list(ours_there.values()),
                "ratio_to_its_end": _median(_ratio(ends[s], ours_there[s]) for s in both),
                "seconds_to_beat_all": list(beaten.values()),
                "hypervolume": [volumes[-1][1] for volumes in own.values()],
                "networks": [_networks(found[name, seed], seconds) for seed in own],
            }
        )
    lines = [
        f"Seconds to the hypervolume that the plain script with TPE reaches in {seconds / 60:.0f} "
        "minutes, seed by seed. The ratios to ours are medians over the seeds that both have run.",
        "",
        "| search | networks | hypervolume at the end | seconds to the plain script's | against "
        "ours | seconds to its own | ours to that | ratio | seconds to beat all of the plain "
        "script's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
    ]
    rougher = [f"{r['name']}, seed {r['seed']}" for r in runs if r.get("counts") != EPOCHS]
    if rougher:
        lines += [
            "",
            f"Counted when a training had ended, not after each epoch: {'; '.join(rougher)}.",
        ]
    return rows, lines


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of values that are all known; None where one is not, or there are none."""
    known = list(values)
    if not known or None in known:
        return None
    return statistics.median(value for value in known if value is not None)


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return None if theirs is None or ours is None else theirs / ours


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["name"],
        ", ".join(map(str, row["networks"])) or "not run",
        ", ".join(f"{volume:.4f}" for volume in row["hypervolume"]) or "–",
        _seconds(row["seconds"]),
        _times(row["ratio"]),
        _seconds(row["seconds_to_its_end"]),
        _seconds(row["ours_to_its_end"]),
        _times(row["ratio_to_its_end"]),
        _seconds(row["seconds_to_beat_all"]),
    )
    return f"| {' | '.join(cells)} |"


def _seconds(values: Sequence[float | None]) -> str:
    return ", ".join("never" if v is None else f"{v:.0f}" for v in values) or "–"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1f}×"


def _networks(found: Sequence[Sequence[Any]], most: float) -> int:
    return len({architecture for seconds, architecture, _ in found if seconds <= most})
