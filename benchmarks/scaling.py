"""How many workers one journal carries: trials an hour with 1, 4, 16, 64 and more workers.

    make bench ARGS=scaling

Each simulated worker does to the journal what a trial does: it asks, tells the costs, reports to
each rung and looks at its peers there, and tells the end. Where it would train it sleeps, 10
seconds a trial. No trial is stopped, so that all take the same time. The study has 100 finished
trials at the start, so that the sampler has something to model; and once more 1,000.

The workers are threads of a few processes, and those of a process share what they have read of
the journal: the cores here could not read it for 64 machines. How busy they were is told.
"""

import itertools
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks import asking
from benchmarks.results_files import keep
from pipeline.config import Config
from pipeline.measuring.machine import this_machine
from pipeline.search.opening import open_storage
from pipeline.search.rungs import rung_epochs
from pipeline.search.space import SearchSpace
from pipeline.search.study import SweepStudy

WORKERS, FURTHER = (1, 4, 16, 64), (128, 256)
TRIAL_SECONDS, EPOCHS, CYCLES = 10.0, 8, 4
PROCESSES = 4
FINISHED = 100
#: Once more behind so many, with so many workers.
MANY_FINISHED, BEHIND_MANY = 1_000, (1, 16, 64)
#: Of what one worker does in its time: below it the storage, not the training, is the limit.
LEAST_EFFICIENCY = 0.85


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """A worker's trial, from before the ask to after the tell; seconds.

    Parameters
    ----------
    claimed, ended
        What the ask took, and the tell.
    """

    seconds: float
    claimed: float
    ended: float


def main(short: bool) -> None:
    """Run the benchmark; ``short`` has 1 and 4 workers and trials of two seconds."""
    trial, cycles = (2.0, 2) if short else (TRIAL_SECONDS, CYCLES)
    rows = _rows(WORKERS[:2] if short else WORKERS + FURTHER, FINISHED, trial, cycles)
    behind = _rows(BEHIND_MANY[:1] if short else BEHIND_MANY, MANY_FINISHED, trial, cycles)
    report(rows, behind, trial, short)


def _rows(
    numbers: Sequence[int], finished: int, trial_seconds: float, cycles: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for workers in numbers:
        if workers in FURTHER and rows[-1]["efficiency"] < LEAST_EFFICIENCY:
            break
        row = measure(workers, finished, trial_seconds, cycles)
        alone = rows[0] if rows else row
        row["efficiency"] = alone["cycle_seconds"] / row["cycle_seconds"]
        rows.append(row)
    return rows


def report(
    rows: Sequence[dict[str, Any]], behind: Sequence[dict[str, Any]], trial: float, short: bool
) -> None:
    """Keep what was measured.

    Parameters
    ----------
    behind
        The rows with ``MANY_FINISHED`` trials at the start.
    """
    carried = most_carried(rows)
    beyond = [row for row in rows if row["efficiency"] < LEAST_EFFICIENCY]
    lines = [
        f"Trials of {trial:g} s, {FINISHED} finished ones behind them, one journal:",
        "",
        *_table(rows),
        "",
        f"The efficiency is at least {LEAST_EFFICIENCY:.0%} up to {carried['workers']} workers, "
        f"**{carried['trials_an_hour']:,.0f} trials an hour**"
        + (
            f"; with {beyond[0]['workers']} the storage is the limit."
            if beyond
            else ", and nobody has tried more."
        ),
        "",
        f"With {MANY_FINISHED:,} finished trials behind them:",
        "",
        *_table(behind),
    ]
    print("\n".join(lines))
    result = {
        "trial_seconds": trial, "finished": FINISHED, "rows": list(rows),
        "carried_workers": carried["workers"], "carried": carried["trials_an_hour"],
        "many_finished": MANY_FINISHED, "rows_behind_many": list(behind),
    }  # fmt: skip
    print(keep("scaling", result, lines, short=short))


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "| workers | trials an hour | efficiency | ask, median ms | tell, median ms "
        "| the cores were busy |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row['workers']} | {row['trials_an_hour']:,.0f} | {row['efficiency']:.1%} | "
            f"{1e3 * row['ask_seconds']:.0f} | {1e3 * row['tell_seconds']:.0f} | "
            f"{row['busy']:.0%} |"
            for row in rows
        ),
    ]


def most_carried(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of the most workers that none below ``LEAST_EFFICIENCY`` stands before."""
    enough = itertools.takewhile(lambda row: row["efficiency"] >= LEAST_EFFICIENCY, rows)
    return list(enough)[-1]


def measure(workers: int, finished: int, trial_seconds: float, cycles: int) -> dict[str, Any]:
    """Return how so many workers get on with a journal of their own."""
    context = multiprocessing.get_context("spawn")
    processes = min(workers, PROCESSES)
    shares = [workers // processes + (n < workers % processes) for n in range(processes)]
    with tempfile.TemporaryDirectory() as folder:
        _begin(Path(folder), finished)
        barrier = context.Barrier(processes + 1)
        found: Queue[tuple[list[Cycle], float]] = context.Queue()
        started = [
            context.Process(
                target=_workers,
                args=(Path(folder), barrier, found),
                kwargs={
                    "count": share,
                    "shift": place / workers,
                    "trial_seconds": trial_seconds,
                    "cycles": cycles,
                },
            )
            for place, share in enumerate(shares)
        ]
        for process in started:
            process.start()
        barrier.wait()
        began = time.perf_counter()
        answers = [found.get() for _ in started]
        seconds = time.perf_counter() - began
        for process in started:
            process.join()
    all_cycles = [cycle for answer, _ in answers for cycle in answer]
    cycle = statistics.fmean(cycle.seconds for cycle in all_cycles)
    return {
        "workers": workers,
        "trials": len(all_cycles),
        "cycle_seconds": cycle,
        "trials_an_hour": 3600 * workers / cycle,
        "ask_seconds": statistics.median(cycle.claimed for cycle in all_cycles),
        "tell_seconds": statistics.median(cycle.ended for cycle in all_cycles),
        "busy": sum(busy for _, busy in answers) / seconds / this_machine().cores,
    }


def _open(folder: Path, count: int) -> tuple[Config, list[SweepStudy]]:
    """Return the study for each of so many workers that share what they read of the journal."""
    config = asking.settings(folder, "search.rungs.enabled=true", f"training.epochs={EPOCHS}")
    config.sweep_dir.mkdir(parents=True, exist_ok=True)
    space = SearchSpace(config.space, asking.IMAGE_SHAPE, asking.CLASSES)
    storage = open_storage(config)
    return config, [SweepStudy(config, space, storage) for _ in range(count)]


def _begin(folder: Path, finished: int) -> None:
    config, (study,) = _open(folder, 1)
    space = SearchSpace(config.space, asking.IMAGE_SHAPE, asking.CLASSES)
    asking.fill(study.storage, config, space, finished)


def _workers(
    folder: Path,
    barrier: Barrier,
    found: "Queue[tuple[list[Cycle], float]]",
    *,
    count: int,
    shift: float,
    trial_seconds: float,
    cycles: int,
) -> None:
    """Be so many workers, one a thread; put their trials and the processor's seconds."""
    config, studies = _open(folder, count)
    rungs = rung_epochs(config.search.rungs, EPOCHS)
    done: list[Cycle] = []

    def run(index: int, study: SweepStudy) -> None:
        # Workers of a sweep that runs for a while do not begin their trials together.
        time.sleep(trial_seconds * (index / count + shift))
        for cycle in range(cycles + 2):
            trial = train(study, f"{index}", rungs, trial_seconds)
            if 0 < cycle <= cycles:  # in the first and the last not everybody is there
                done.append(trial)

    threads = [
        threading.Thread(target=run, args=(index, study)) for index, study in enumerate(studies)
    ]
    barrier.wait()
    busy = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put((done, time.process_time() - busy))


def train(study: SweepStudy, worker: str, rungs: Sequence[int], trial_seconds: float) -> Cycle:
    """Do a trial, but for its training."""
    start = time.perf_counter()
    claim = study.claim(worker)
    assert claim is not None
    claimed = time.perf_counter()
    number = claim.specification.number
    costs, accuracy = asking.costs(number), asking.accuracy(number)
    claim.knows_costs(costs)
    reached: dict[int, float] = {}
    for epoch in range(1, EPOCHS + 1):
        time.sleep(trial_seconds / EPOCHS)
        reached[epoch] = accuracy * (1.0 - 0.5**epoch)
        if epoch in rungs:
            claim.reached_rung(epoch, reached[epoch])
            study.reason_to_stop(claim, epoch, reached, costs)  # whatever it says
    trained = time.perf_counter()
    asking.end_trial(study, claim)
    ended = time.perf_counter()
    return Cycle(seconds=ended - start, claimed=claimed - start, ended=ended - trained)
