"""Whether the same networks cost the same again, in another process.

    make bench ARGS=repeatability

Six networks are measured in five processes, one after the other, each with its own start of
TensorFlow. Data: the complete Fashion-MNIST where it can be had, else digits.
"""

import multiprocessing
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations

from benchmarks.results_files import keep

NETWORKS = ("d128", "8k3-d32", "32k3-d64", "64k3-d128", "32k5s-64k3-d128", "64k3-64k3-d128")
CNN = "64k3-64k3-d128"
PROCESSES = 5
#: Networks so far apart must never change places.
APART = 1.2
COSTS = ("latency_ms", "latency_256_ms", "epoch_seconds")
RATIOS = ("latency_ratio", "latency_256_ratio", "epoch_ratio")

Measured = Mapping[str, Mapping[str, float]]


def main(short: bool) -> None:
    """Run the benchmark; ``short`` measures the embedded digits in two processes."""
    data, processes = ("digits", 2) if short else ("auto", PROCESSES)
    context = multiprocessing.get_context("spawn")
    runs: list[Measured] = []
    for _ in range(processes):
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
            runs.append(process.submit(measure_all, data).result())
    spreads = {
        ratio: {name: spread([run[name][ratio] for run in runs]) for name in NETWORKS}
        for ratio in RATIOS
    }
    flips = {cost: flipped(runs, cost) for cost in COSTS}
    medians = {ratio: statistics.median(found.values()) for ratio, found in spreads.items()}
    lines = [
        f"{len(NETWORKS)} networks in {processes} processes. Spread: largest less smallest of the "
        "processes, as a share of their median.",
        "",
        "Spread of the ratio to the `cnn` reference, median over networks: latency at batch 1 "
        f"**{medians['latency_ratio']:.1%}**, at batch 256 **{medians['latency_256_ratio']:.1%}** "
        f"(at most: 5%); epoch time {medians['epoch_ratio']:.1%}.",
        "",
        "Pairs of networks at least 20% apart whose order flips in some process: "
        + ", ".join(f"{cost} **{len(found)}**" for cost, found in flips.items())
        + " (at most: 0).",
        "",
        "| network | " + " | ".join(f"{cost}, median | spread" for cost in COSTS) + " | "
        + " | ".join(f"{ratio}, median | spread" for ratio in RATIOS) + " |",
        "| --- |" + " --- |" * (2 * len(COSTS + RATIOS)),
        *(row(name, runs) for name in NETWORKS),
    ]  # fmt: skip
    print("\n".join(lines))
    result = {"median_spread": medians, "spread": spreads, "flips": flips, "processes": runs}
    print(keep("repeatability", result, lines))


def measure_all(data: str) -> Measured:
    """Measure every network in this process; values by name by network."""
    # Only the processes that measure load TensorFlow.
    from benchmarks.measured import measure, open_session, settings, specification
    from pipeline.launching.devices import lock_name
    from pipeline.measuring.quiet import QuietLock

    config = settings(f"data={data}")
    session = open_session(config, QuietLock(lock_name()))
    found = {name: measure(session, specification(config, name)) for name in NETWORKS}
    for values in found.values():
        values["epoch_ratio"] = values["epoch_seconds"] / found[CNN]["epoch_seconds"]
    return found


def spread(values: Sequence[float]) -> float:
    """Return largest less smallest as a share of the median."""
    return (max(values) - min(values)) / statistics.median(values)


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
