"""Images a second while the ``cnn`` reference is trained: a sweep's workers against Keras' fit.

    make bench ARGS=throughput

Both use all cores. The sweep trains the reference's architecture again and again, and all of its
time counts from the first trial's start to the last one's end: building, measuring, evaluation,
event logs and the mirror to MLflow included. Keras is measured three times before and after it, and
the median counts. The share of the machine's peak is that of a matrix product in the precision that
the sweep has trained with.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peak import DTYPES, operations_a_second
from benchmarks.results_files import AUTO, keep
from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import macs
from pipeline.launching.planning import load_config
from pipeline.measuring.machine import default_workers
from pipeline.reporting.progress import read_records

TURNS = 3
IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10


def main(short: bool, data: str = AUTO) -> None:
    """Run the benchmark; ``short`` trains fewer epochs."""
    turns, images, epochs = (1, 5_000, 1) if short else (TURNS, 15_000, 4)
    before = [plain_keras(images) for _ in range(turns)]
    swept = sweep(epochs, data)
    after = [plain_keras(images) for _ in range(turns)]
    plain = statistics.median([*before, *after])
    work = 6.0 * macs(REFERENCES["cnn"], IMAGE_SHAPE, CLASSES)
    peaks = {d: operations_a_second(d) for d in ("float32", DTYPES[swept["precision"]])}
    shares = {dtype: swept["images_per_second"] * work / rate for dtype, rate in peaks.items()}
    used = DTYPES[swept["precision"]]
    result = {
        "plain_keras_images_per_second": [*before, *after],
        **swept,
        "ratio": swept["images_per_second"] / plain,
        "matrix_product_gflops": {dtype: rate / 1e9 for dtype, rate in peaks.items()},
        "share_of_matrix_product_rate": shares,
        "share_of_used_precision": shares[used],
    }
    lines = [
        "| what | images a second |",
        "| --- | --- |",
        f"| Keras `fit`, batch 32, float32 (median of {len(before)} before and after; "
        f"{min(*before, *after):,.0f} to {max(*before, *after):,.0f}) | {plain:,.0f} |",
        f"| a sweep of {swept['trials']} trials, {swept['workers']} workers, all of its time | "
        f"{swept['images_per_second']:,.0f} |",
        f"| the same, training steps alone | {swept['training_images_per_second']:,.0f} |",
        "",
        f"**{result['ratio']:.1f} times** Keras' `fit`; trained with {swept['precision']}, "
        + ", ".join(
            f"{'**' if dtype == used else ''}{share:.1%}{'**' if dtype == used else ''} of the "
            f"rate of a {dtype} matrix product here ({peaks[dtype] / 1e9:,.0f} GFLOP/s)"
            for dtype, share in shares.items()
        )
        + ".",
    ]
    print("\n".join(lines))
    print(keep("throughput", result, lines, short=short, data=data))


def plain_keras(images: int) -> float:
    """Return the images a second of the script that people write."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.plain_keras", str(images)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(json.loads(done.stdout.splitlines()[-1])["images_per_second"])


def sweep(epochs: int, data: str, *overrides: str) -> dict[str, Any]:
    """Train the reference's architecture in a sweep, twice a worker, so many epochs each."""
    workers = default_workers()
    trials = 2 * workers  # beside the dnn reference, which every sweep begins with
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pipeline", "sweep", f"mlruns={folder}", "calibrate=false",
             f"data={data}", f"architecture={REFERENCES['cnn'].notation}",
             f"training.epochs={epochs}", f"search.trials={trials + 1}",
             "search.rungs.enabled=false", "finalists=off", "sweep_name=throughput", *overrides],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        sweep_dir = Path(folder) / "sweeps" / "throughput"
        records = [r for r in read_records(sweep_dir) if r.specification.reference != "dnn"]
        description = json.loads((sweep_dir / "description.json").read_text())
        precision = load_config(Path(folder), "throughput").training.precision
    images = sum(len(record.history) for record in records) * description["train"]
    started = min(record.started for record in records if record.started is not None)
    ended = max(record.ended for record in records if record.ended is not None)
    training = sum(record.clocks["training"] for record in records)
    return {
        "trials": trials,
        "workers": workers,
        "precision": precision,
        "epochs": epochs,
        "seconds": ended - started,
        "val_accuracy": [record.val_accuracy for record in records],
        "images_per_second": images / (ended - started),
        "training_images_per_second": images / training * workers,
    }
