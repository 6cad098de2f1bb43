"""Images a second while the ``cnn`` reference is trained: a sweep's workers against Keras' fit.

    make bench ARGS=throughput

Both use all cores. The sweep trains the reference's architecture again and again, as often as a
sweep has trials and for as many epochs as a trial has where nobody says otherwise, and all of its
time counts, from the command's start to its end: imports, building, measuring, evaluation, event
logs, the mirror to MLflow and the other reference's training included. The machine's calibration,
once, comes before that. Keras is measured three times before and after, by its training steps
alone, and the median counts. The share of the machine's peak is that of a matrix product in the
precision that the sweep has trained with.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peak import DTYPES, operations_a_second, training_operations
from benchmarks.results_files import AUTO, keep
from benchmarks.running import calibrated, export_images, plain_keras, run_sweep
from pipeline.core.architecture import REFERENCES
from pipeline.launching.sweep_folder import load_config
from pipeline.reporting.progress import read_records
from pipeline.reporting.wording import counted

TURNS, TRIALS, EPOCHS = 3, 16, 8


def main(short: bool, data: str = AUTO) -> None:
    """Run the benchmark; ``short`` trains fewer trials and epochs."""
    turns, images, trials, epochs = (1, 5_000, 2, 1) if short else (TURNS, 15_000, TRIALS, EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        path, shape, classes = export_images(Path(folder) / "data.npz", data)
        before = plain_rates(path, images, turns)
        swept = train_reference(epochs, data, trials=trials)
        after = plain_rates(path, images, turns)
    plain = statistics.median([*before, *after])
    work = training_operations(REFERENCES["cnn"], shape, classes)
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
        f"| a sweep of {swept['trials']} trials, {counted(swept['workers'], 'worker')} with "
        f"{counted(swept['threads'], 'thread')} each, at most {swept['steps_per_execution']} steps "
        f"a call, all of its time | {swept['images_per_second']:,.0f} |",
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


def plain_rates(data: Path, images: int, turns: int) -> list[float]:
    """Return the images a second of the script that people write, turn by turn."""
    return [float(plain_keras("rate", data, images)["images_per_second"]) for _ in range(turns)]


def train_reference(epochs: int, data: str, *overrides: str, trials: int = 2) -> dict[str, Any]:
    """Train the reference's architecture in a sweep, so many epochs each.

    The machine is calibrated before.

    Parameters
    ----------
    trials
        At least; the same number for each worker, and two for each at least.

    Returns
    -------
    dict
        Of these trainings, beside which every sweep trains the ``dnn`` reference, the seconds from
        the first one's start to the last one's end as ``trained_seconds``. ``seconds`` are those
        of the whole command; the images of the ``dnn`` are not counted in its rate.
    """
    with tempfile.TemporaryDirectory() as folder:
        auto = calibrated(folder)
        workers = auto.workers
        trials = workers * max(2, -(-trials // workers))
        began = time.time()
        sweep_dir = run_sweep(
            folder, "throughput", f"data={data}",
            f"architecture={REFERENCES['cnn'].notation}", f"training.epochs={epochs}",
            f"search.trials={trials + 1}", "search.rungs.enabled=false", *overrides,
        )  # fmt: skip
        seconds = time.time() - began
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
        "threads": auto.threads,
        "jit_compile": auto.jit_compile,
        "steps_per_execution": auto.steps_per_execution,
        "precision": precision,
        "epochs": epochs,
        "seconds": seconds,
        "trained_seconds": ended - started,
        "val_accuracy": [record.val_accuracy for record in records],
        "images_per_second": images / seconds,
        "training_images_per_second": images / training * workers,
    }
