"""What a sweep's time goes to that is not training, evaluation or measuring.

    make bench ARGS=overhead

Runs a real sweep of 24 trials with its default settings, but without finalists, and on a machine
that is calibrated before. All the time that its workers could have worked is workers times wall
time, from before the command starts until it has ended: interpreter, imports, report and mirror
included. What the workers' clocks show of training, evaluation and measuring is work, and so is
what follows the last trial: the sweet spot and the references are evaluated on the test images, and
compared at equal batch size. The rest is told apart. A worker that waits, waits for another one
that measures; so of the wall time there is less in which nobody works, and that is told as well.
Data: the complete Fashion-MNIST where it can be had, else digits.
"""

import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results_files import AUTO, keep
from benchmarks.running import calibrated, run_sweep
from pipeline.core.trial import TrialRecord
from pipeline.reporting.comparison import COMPARISON_NAME
from pipeline.reporting.wording import counted
from pipeline.tracking.event_log import read, training_log_paths
from pipeline.tracking.story import trial_story

FINAL = "test images and comparison"
WORK = ("training", "first_step", "evaluation", "measuring", FINAL)
TRIALS, SHORT_TRIALS = 24, 6
REACH, AIM = 0.03, 0.01


@dataclass(frozen=True, kw_only=True)
class WorkerTrial:
    """A trial and the worker that ended it."""

    worker: str
    record: TrialRecord


def main(short: bool, data: str = AUTO) -> None:
    """Run the benchmark; ``short`` trains a few small networks of the embedded digits."""
    quick = ["data=digits", "space=small", "training=quick"] if short else [f"data={data}"]
    trials = SHORT_TRIALS if short else TRIALS
    with tempfile.TemporaryDirectory() as folder:
        auto = calibrated(folder)
        began = time.time()
        sweep_dir = run_sweep(folder, "overhead", *quick, f"search.trials={trials}")
        ended = time.time()
        done = read_trials(sweep_dir)
        comparison = sweep_dir / COMPARISON_NAME
        if not comparison.exists():
            raise RuntimeError("the sweep has no sweet spot")
        compared = comparison.stat().st_mtime
    parts = where_time_goes(done, began, compared, ended)
    idle = idle_at_most(done, began, compared, ended)
    total = sum(parts.values())
    outside = total - sum(parts[name] for name in WORK)
    rows = [
        {"worker": trial.worker, "started": _started(trial.record) - began,
         **outside_of(trial.record)}
        for trial in done
    ]  # fmt: skip
    median = statistics.median(row["outside_seconds"] for row in rows)
    workers = len({trial.worker for trial in done})
    lines = [
        f"A sweep of {len(done)} trials, {counted(workers, 'worker')} with "
        f"{counted(auto.threads, 'thread')} each, at most {auto.steps_per_execution} steps a call, "
        f"{ended - began:.0f} s: "
        f"**{outside / total:.1%}** of the workers' time is not training, evaluation or "
        "measuring.",
        "",
        "| what | seconds of all workers | share |",
        "| --- | --- | --- |",
        *(f"| {name} | {seconds:.1f} | {seconds / total:.1%} |" for name, seconds in parts.items()),
        "",
        f"Within a trial {median:.2f} s (median) are none of it. Of the wall time nobody trains, "
        f"evaluates or measures for at most {idle:.1f} s, **{idle / (ended - began):.1%}** (at "
        f"most: {REACH:.0%}, aim {AIM:.0%}).",
    ]
    print("\n".join(lines))
    result = {
        "workers": workers,
        "threads": auto.threads,
        "jit_compile": auto.jit_compile,
        "steps_per_execution": auto.steps_per_execution,
        "wall_seconds": ended - began,
        "seconds": parts,
        "outside_share": outside / total,
        "idle_seconds": idle,
        "idle_share": idle / (ended - began),
        "median_outside_seconds": median,
        "trials": rows,
    }
    print(keep("overhead", result, lines, short=short, data=data))


def read_trials(sweep_dir: Path) -> list[WorkerTrial]:
    """Return the trials of a sweep that is over, with their workers."""
    stories = [trial_story(read(path)) for path in training_log_paths(sweep_dir).values()]
    return [WorkerTrial(worker=s.worker, record=s.record) for s in stories if s is not None]


def where_time_goes(
    trials: Sequence[WorkerTrial], began: float, compared: float, ended: float
) -> dict[str, float]:
    """Return what the workers' seconds between two moments went to; they add up to all of them.

    Beside the clocks: ``start-up``, until a worker's first trial starts; ``between trials``;
    ``rest of a trial``, on no clock; ``end``, after a worker's last trial. The sweep is so short
    that no worker's process is replaced by another.

    Parameters
    ----------
    compared
        When the evaluation behind the last trial was over, which that trial's worker does.
    """
    last = max(_ended(trial.record) for trial in trials)
    by_worker: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        by_worker[trial.worker].append(trial.record)
    parts = {name: 0.0 for name in WORK}
    further: dict[str, float] = defaultdict(float)
    for records in by_worker.values():
        records.sort(key=_started)
        further["start-up"] += _started(records[0]) - began
        end = _ended(records[-1])
        if end == last:
            parts[FINAL] += compared - end
            end = compared
        further["end"] += ended - end
        for before, after in itertools.pairwise(records):
            further["between trials"] += _started(after) - _ended(before)
        for record in records:
            for name, seconds in record.clocks.items():
                into = parts if name in parts else further
                into[name] += seconds
            further["rest of a trial"] += (
                _ended(record) - _started(record) - sum(record.clocks.values())
            )
    return parts | {name: seconds for name, seconds in further.items() if seconds}


def idle_at_most(
    trials: Sequence[WorkerTrial], began: float, compared: float, ended: float
) -> float:
    """Return a bound of the wall seconds in which no worker trains, evaluates or measures.

    In such a moment every worker does something else, or nothing, and none waits: who waits, waits
    for another one that works. So it is no longer than that takes the worker with the least of it.
    """
    last = max(trials, key=lambda trial: _ended(trial.record)).worker
    elsewhere = []
    for worker in {trial.worker for trial in trials}:
        own = [trial for trial in trials if trial.worker == worker]
        done = compared if worker == last else max(_ended(trial.record) for trial in own)
        parts = where_time_goes(own, began, done, ended)
        elsewhere.append(sum(s for name, s in parts.items() if name not in {*WORK, "waiting"}))
    return min(elsewhere)


def _started(record: TrialRecord) -> float:
    assert record.started is not None
    return record.started


def _ended(record: TrialRecord) -> float:
    assert record.ended is not None
    return record.ended


def outside_of(record: TrialRecord) -> dict[str, Any]:
    """Return a trial's wall time, and what of it is none of the work a sweep is for."""
    wall = _ended(record) - _started(record)
    return {
        "trial": record.number,
        "architecture": record.specification.architecture.notation,
        "wall_seconds": wall,
        "outside_seconds": wall - sum(record.clocks.get(name, 0.0) for name in WORK),
        "clocks": record.clocks,
    }
