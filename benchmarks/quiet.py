"""What the locks buy: latency alone, beside others that give way, and beside others.

    make bench ARGS=quiet

Others train the `cnn` reference, one process a core, as workers do. The same network is measured
in turn (a) while they are stopped, (b) while they train and it takes the device's lock, so that
they give way, and (c) while they train and it takes a lock that they do not know. Data: the
complete Fashion-MNIST where it can be had, else digits.
"""

import multiprocessing
import os
import signal
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.results_files import keep
from pipeline.core.architecture import REFERENCES
from pipeline.measuring.machine import this_machine

NETWORK = "64k3-d128"
CNN = REFERENCES["cnn"].notation
REPEATS = 9
CONDITIONS = ("alone", "giving way", "not giving way")
COSTS = ("latency_ms", "latency_256_ms", "epoch_seconds")

Samples = dict[str, list[dict[str, float]]]


def main(short: bool) -> None:
    """Run the benchmark; ``short`` uses the embedded digits and measures twice."""
    data, repeats = ("digits", 2) if short else ("auto", REPEATS)
    others = max(2, this_machine().cores)
    with tempfile.TemporaryDirectory() as folder, _training(others, data, Path(folder)) as workers:
        found = _measure(data, repeats, Path(folder), workers)
    medians = {
        condition: {cost: _median(samples, cost) for cost in COSTS}
        for condition, samples in found.items()
    }
    alone, locked, unlocked = (medians[condition] for condition in CONDITIONS)
    waiting = _median(found["giving way"], "clock_waiting")
    lines = [
        f"`{NETWORK}` measured {repeats} times in each condition, in turn, beside {others} "
        f"processes that train `{CNN}` on {this_machine().cores} cores.",
        "",
        "Median latency at batch 1 while others train, against alone: with the locks "
        f"**{_change(locked, alone, 'latency_ms')}** (at most: 5%), without "
        f"**{_change(unlocked, alone, 'latency_ms')}**.",
        "",
        f"The measurer waited {waiting:.2f} s (median, two turns) for the others to give way.",
        "",
        "| cost | alone | giving way | change | not giving way | change |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {cost} | {alone[cost]:.4g} | {locked[cost]:.4g} | {_change(locked, alone, cost)} | "
            f"{unlocked[cost]:.4g} | {_change(unlocked, alone, cost)} |"
            for cost in COSTS
        ),
    ]
    print("\n".join(lines))
    result = {"others": others, "median": medians, "waiting_seconds": waiting, "samples": found}
    print(keep("quiet", result, lines, short=short))


def _measure(data: str, repeats: int, folder: Path, others: Sequence[BaseProcess]) -> Samples:
    from benchmarks.measured import measure, open_session, settings, specification
    from pipeline.measuring.quiet import QuietLock

    config = settings(f"data={data}")
    known = open_session(config, QuietLock("device", folder / "known"))
    unknown = open_session(config, QuietLock("device", folder / "unknown"))
    trial = specification(config, NETWORK)
    measure(known, trial)  # the first in a process is slower
    found: Samples = {condition: [] for condition in CONDITIONS}
    for repeat in range(repeats):
        first = repeat % len(CONDITIONS)  # so that no condition always follows the same one
        for condition in CONDITIONS[first:] + CONDITIONS[:first]:
            # A process that is stopped keeps its lock: alone, nobody waits for it either.
            _signal(others, signal.SIGSTOP if condition == "alone" else signal.SIGCONT)
            session = known if condition == "giving way" else unknown
            found[condition].append(measure(session, trial))
    return found


@contextmanager
def _training(count: int, data: str, folder: Path) -> Iterator[list[BaseProcess]]:
    """Run processes that train until the block ends."""
    context = multiprocessing.get_context("spawn")
    ready = [context.Event() for _ in range(count)]
    processes: list[BaseProcess] = [
        context.Process(target=train, args=(data, folder / "known", event), daemon=True)
        for event in ready
    ]
    try:
        for process in processes:
            process.start()
        for process, event in zip(processes, ready, strict=True):
            while not event.wait(1.0):
                if not process.is_alive():
                    raise RuntimeError("a process that was to train has ended")
        yield processes
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def train(data: str, locks: Path, ready: Event) -> None:
    """Train the ``cnn`` reference until this process is ended."""
    from benchmarks.measured import open_session, settings, specification
    from benchmarks.observing import SilentObserver
    from pipeline.measuring.clocks import Clocks
    from pipeline.measuring.quiet import QuietLock

    class Observer(SilentObserver):
        def between_executions(self) -> None:
            ready.set()

    config = settings(f"data={data}", "measuring=quick", "training.epochs=100000")
    session = open_session(config, QuietLock("device", locks))
    session.run(specification(config, CNN), Observer(), Clocks())


def _signal(processes: Sequence[BaseProcess], number: int) -> None:
    for process in processes:
        assert process.pid is not None
        os.kill(process.pid, number)


def _median(samples: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(sample[name] for sample in samples)


def _change(these: dict[str, float], those: dict[str, float], cost: str) -> str:
    return f"{these[cost] / those[cost] - 1.0:+.1%}"
