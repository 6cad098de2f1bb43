"""Whether the same networks cost the same again, in another process.

    make bench ARGS=repeatability

Six networks are measured in five processes, one after the other, each with its own start of
TensorFlow, and their costs told as in five sweeps: at the pace that the first one found. Data: the
complete Fashion-MNIST where it can be had, else digits.
"""

import multiprocessing
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path

from benchmarks.results_files import keep
from pipeline.core.architecture import REFERENCES

CNN = REFERENCES["cnn"].notation
NETWORKS = ("d128", "8k3-d32", "32k3-d64", "64k3-d128", "32k5s-64k3-d128", CNN)
PROCESSES = 5
#: Networks so far apart must never change places.
APART = 1.2
COSTS = ("latency_ms", "latency_256_ms", "epoch_seconds")
#: What the clock showed, whatever the machine's pace was.
CLOCKED = ("latency_measured_ms", "latency_256_measured_ms", "epoch_measured_seconds")
RATIOS = ("latency_ratio", "latency_256_ratio", "step_ratio")

Measured = Mapping[str, Mapping[str, float]]


def main(short: bool) -> None:
    """Run the benchmark; ``short`` measures the embedded digits in two processes."""
    data, processes = ("digits", 2) if short else ("auto", PROCESSES)
    context = multiprocessing.get_context("spawn")
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(processes):
            with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
                runs.append(process.submit(measure_all, data, Path(folder)).result())
    spreads = {
        ratio: {name: spread([run[name][ratio] for run in runs]) for name in NETWORKS}
        for ratio in RATIOS
    }
    flips = {cost: flipped(runs, cost) for cost in (*COSTS, *CLOCKED)}
    deviations = {
        ratio: statistics.median(
            deviation([run[name][ratio] for run in runs]) for name in NETWORKS if name != CNN
        )
        for ratio in RATIOS
    }
    medians = {
        ratio: statistics.median(found[name] for name in NETWORKS if name != CNN)
        for ratio, found in spreads.items()
    }
    lines = [
        f"{len(NETWORKS)} networks in {processes} processes. Spread: largest less smallest of the "
        "processes, as a share of their median.",
        "",
        "How the ratio to the `cnn` reference varies (median over the networks that are not that "
        "reference): latency at batch 1 by "
        f"**{deviations['latency_ratio']:.1%}** (standard deviation; spread "
        f"{medians['latency_ratio']:.1%}), at batch 256 by "
        f"**{deviations['latency_256_ratio']:.1%}** ({medians['latency_256_ratio']:.1%}), a "
        f"training step by **{deviations['step_ratio']:.1%}** ({medians['step_ratio']:.1%}); at "
        "most: 5%.",
        "",
        "Pairs of networks at least 20% apart whose order flips in some process: "
        + ", ".join(f"{cost} **{len(flips[cost])}**" for cost in COSTS)
        + " (at most: 0); by what the clock showed, without the reference: "
        + ", ".join(f"{cost} {len(flips[cost])}" for cost in CLOCKED)
        + ".",
        "",
        "| network | " + " | ".join(f"{cost}, median | spread" for cost in COSTS) + " | "
        + " | ".join(f"{ratio}, median | spread" for ratio in RATIOS) + " |",
        "| --- |" + " --- |" * (2 * len(COSTS + RATIOS)),
        *(row(name, runs) for name in NETWORKS),
    ]  # fmt: skip
    print("\n".join(lines))
    result = {
        "median_deviation": deviations,
        "median_spread": medians,
        "spread": spreads,
        "flips": flips,
        "processes": runs,
    }
    print(keep("repeatability", result, lines, short=short))


def measure_all(data: str, folder: Path) -> Measured:
    """Measure every network in this process; values by name by network."""
    # Only the processes that measure load TensorFlow.
    from benchmarks.measured import measure, open_session, settings, specification
    from pipeline.core.pace import at_pace, measured_pace
    from pipeline.launching.devices import lock_name
    from pipeline.launching.pace import DevicePace
    from pipeline.measuring.machine import describe_device
    from pipeline.measuring.quiet import QuietLock

    config = settings(f"data={data}")
    session = open_session(config, QuietLock(lock_name()))
    device = DevicePace(folder, describe_device())
    found = {}
    for name in NETWORKS:
        values = measure(session, specification(config, name))
        costs, values = at_pace(values, values, device.known_or(measured_pace(values)))
        found[name] = values | costs
    return found


def spread(values: Sequence[float]) -> float:
    """Return largest less smallest as a share of the median."""
    return (max(values) - min(values)) / statistics.median(values)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation as a share of the mean."""
    return statistics.stdev(values) / statistics.fmean(values)


def flipped(runs: Sequence[Measured], cost: str) -> list[tuple[str, str]]:
    """Return the pairs at least ``APART`` by their medians that change places in some run."""
    median = {name: statistics.median(run[name][cost] for run in runs) for name in NETWORKS}
    ordered = sorted(NETWORKS, key=median.__getitem__)
    return [
        (low, high)
        for low, high in combinations(ordered, 2)
        if median[high] >= APART * median[low]
        and any(run[low][cost] >= run[high][cost] for run in runs)
    ]


def row(name: str, runs: Sequence[Measured]) -> str:
    """Return a network's line of the table."""
    cells = []
    for what in (*COSTS, *RATIOS):
        values = [run[name][what] for run in runs]
        cells += [f"{statistics.median(values):.4g}", f"{spread(values):.1%}"]
    return f"| `{name}` | " + " | ".join(cells) + " |"
