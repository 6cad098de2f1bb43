"""The ``cnn`` reference on a GPU: shared by trials, by precision, with and without XLA.

    make bench ARGS=gpu

Everything runs in one go on one device: the script that people write (Keras' ``fit``, batch 32,
float32) before and after; 1, 2, 4 and 8 processes that train side by side in each precision; one
that trains without XLA; what ``auto`` decides and how far that is from the best of these; and real
sweeps for a few minutes, by their workers. With ``KERAS_BACKEND=jax`` all of it runs on JAX, where
XLA off means operation by operation.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peak import DTYPES, operations_a_second, training_operations
from benchmarks.results_files import AUTO, NotHereError, keep
from benchmarks.running import export_images, run_sweep
from benchmarks.throughput import plain_rates
from benchmarks.ways import chosen_way, plain_way, rates_of_ways
from pipeline.core.architecture import REFERENCES
from pipeline.core.trial import Outcome
from pipeline.launching.calibrating import calibrate
from pipeline.launching.rate_processes import processes
from pipeline.measuring.automatic import Calibration, Tried, keep_calibration
from pipeline.measuring.backends import backend_name
from pipeline.measuring.machine import this_machine
from pipeline.reporting.progress import read_records

TURNS, IMAGES, MINUTES = 3, 50_000, 1.2
WORKERS = (1, 2, 4)


def main(short: bool, data: str = AUTO) -> None:
    """Run the benchmark, where there is a GPU."""
    machine = this_machine()
    if not machine.gpus:
        raise NotHereError("there is no GPU here")
    turns, images, minutes = (1, 10_000, 0.5) if short else (TURNS, IMAGES, MINUTES)
    with tempfile.TemporaryDirectory() as folder:
        path, shape, classes = export_images(Path(folder) / "data.npz", data)
        before = plain_rates(path, images, turns)
        calibration = calibrate(machine, processes)
        print(calibration.sentence(), file=sys.stderr, flush=True)
        tried = rates_of_ways(machine, calibration.answer)
        swept = [sweep(calibration, workers, minutes, data) for workers in WORKERS]
        plain = [*before, *plain_rates(path, images, turns)]
    peaks = {name: operations_a_second(dtype) for name, dtype in DTYPES.items()}
    work = training_operations(REFERENCES["cnn"], shape, classes)
    result, lines = tell(plain, calibration, tried, swept, peaks=peaks, work=work)
    print("\n".join(lines))
    print(keep("gpu", result, lines, short=short, data=data))


def sweep(calibration: Calibration, workers: int, minutes: float, data: str) -> dict[str, Any]:
    """Run a sweep with what was calibrated; return what it did and where its time went."""
    with tempfile.TemporaryDirectory() as folder:
        keep_calibration(Path(folder), calibration)
        sweep_dir = run_sweep(
            folder, "gpu", f"data={data}", f"launch.workers={workers}", "search.trials=10000",
            f"search.minutes={minutes}",
        )  # fmt: skip
        records = [r for r in read_records(sweep_dir) if r.ended is not None]
        images = json.loads((sweep_dir / "description.json").read_text())["train"]
    if not records:
        raise RuntimeError(f"no trial of {workers} workers has ended within {minutes} minutes")
    started = min(record.started for record in records if record.started is not None)
    seconds = max(record.ended for record in records if record.ended is not None) - started
    clocks: dict[str, float] = {}
    for record in records:
        for name, own in record.clocks.items():
            clocks[name] = clocks.get(name, 0.0) + own
    best = max(records, key=lambda record: record.val_accuracy or 0.0)
    trained = sum(len(record.history) for record in records) * images
    return {
        "workers": workers,
        "minutes": minutes,
        "trials": len(records),
        "outcomes": {o.value: sum(r.outcome is o for r in records) for o in Outcome},
        "seconds": seconds,
        "clocks": clocks,
        "images_per_second": trained / seconds,
        "best": best.specification.architecture.notation,
        "best_val_accuracy": best.val_accuracy,
    }


def tell(
    plain: Sequence[float],
    calibration: Calibration,
    tried: Sequence[Tried],
    swept: Sequence[dict[str, Any]],
    *,
    peaks: dict[str, float],
    work: float,
) -> tuple[dict[str, Any], list[str]]:
    """Return what was found as plain values and as Markdown.

    Parameters
    ----------
    peaks
        Operations a second of a matrix product, by precision.
    work
        Operations of a training step, an image.
    """
    answer = calibration.answer
    best = max(tried, key=lambda way: way.images_per_second)
    chosen = chosen_way(tried, answer)
    share = chosen.images_per_second / best.images_per_second
    used = best.images_per_second * work / peaks[best.precision]
    result = {
        "backend": backend_name(),
        "plain_keras_images_per_second": list(plain),
        "tried": [plain_way(way) for way in tried],
        "calibration": calibration.to_json(),
        "auto_against_best": share,
        "ratio": chosen.images_per_second / median(plain),
        "matrix_product_gflops": {name: rate / 1e9 for name, rate in peaks.items()},
        "share_of_matrix_product_rate": used,
        "sweeps": list(swept),
    }
    lines = [
        f"Images a second of the cnn reference, on {backend_name()}.",
        "",
        "| processes | precision | XLA | steps a call | images a second | against Keras |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| Keras `fit`, batch 32 (median of {len(plain)}; {min(plain):,.0f} to {max(plain):,.0f}) "
        f"| float32 | as Keras decides | 1 | {median(plain):,.0f} | 1 |",
        *_rows(tried, median(plain)),
        "",
        f"{calibration.sentence()}; that is {share:.0%} of the best here, "
        f"**{result['ratio']:.1f} times** Keras' `fit`.",
        "",
        f"The best is {used:.2%} of the rate of a matrix product in its precision "
        f"({peaks[best.precision] / 1e12:,.1f} TFLOP/s).",
        "",
        "Sweeps of the default space with these settings, by their workers; the networks differ:",
        "",
        "| workers | trials | in seconds | images a second | the best | of its trials' time |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_sweep_row(own) for own in swept),
    ]
    return result, lines


def _sweep_row(swept: dict[str, Any]) -> str:
    whole = sum(swept["clocks"].values())
    parts = ", ".join(
        f"{name.replace('_', ' ')} {seconds / whole:.0%}"
        for name, seconds in sorted(swept["clocks"].items(), key=lambda item: -item[1])
        if seconds >= 0.005 * whole
    )
    accuracy = swept["best_val_accuracy"]
    best = "–" if accuracy is None else f"{swept['best']}, {accuracy:.2%}"
    return (
        f"| {swept['workers']} | {swept['trials']} | {swept['seconds']:.0f} "
        f"| {swept['images_per_second']:,.0f} | {best} | {parts} |"
    )


def _rows(tried: Sequence[Tried], plain: float) -> Iterator[str]:
    for way in tried:
        xla = "on" if way.jit_compile else "off"
        yield (
            f"| {way.workers} | {way.precision} | {xla} | {way.steps_per_execution} "
            f"| {way.images_per_second:,.0f} | {way.images_per_second / plain:.1f} |"
        )
