"""How long a machine's calibration takes, and how far what it decides is from the best.

    make bench ARGS=calibration

The import of what workers need is part of its time, though a sweep reads its configuration and its
data meanwhile. Then every way is measured: each layout of workers, by precision and steps a call.
"""

import sys
import time

from benchmarks.results_files import keep
from benchmarks.ways import chosen_way, plain_way, rates_of_ways
from pipeline.launching.calibrating import calibrate
from pipeline.launching.rate_processes import processes
from pipeline.measuring.machine import this_machine


def main(short: bool) -> None:
    """Run the benchmark; it is short."""
    machine = this_machine()
    start = time.perf_counter()
    calibration = calibrate(machine, processes)
    seconds = time.perf_counter() - start
    print(f"{calibration.sentence()}, {seconds:.0f} s in all", file=sys.stderr, flush=True)
    tried = rates_of_ways(machine, calibration.answer)
    best = max(tried, key=lambda way: way.images_per_second)
    chosen = chosen_way(tried, calibration.answer)
    share = chosen.images_per_second / best.images_per_second
    result = {
        "seconds": seconds,
        "auto_against_best": share,
        "calibration": calibration.to_json(),
        "tried": [plain_way(way) for way in tried],
    }
    lines = [
        f"A calibration takes **{seconds:.0f} s**, the import of TensorFlow included. "
        f"{calibration.sentence()}: **{share:.0%}** of the best of the ways below (at least: 90%).",
        "",
        "| workers | threads | precision | XLA | steps a call | images a second |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {way.workers} | {way.threads} | {way.precision} | "
            f"{'on' if way.jit_compile else 'off'} | {way.steps_per_execution} | "
            f"{way.images_per_second:,.0f} |"
            for way in tried
        ),
    ]
    print("\n".join(lines))
    print(keep("calibration", result, lines, short=short))
