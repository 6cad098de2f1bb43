"""From ``sweetspot sweep`` to the first training step, against ``import tensorflow`` alone.

    make bench ARGS=start_up

Both in fresh processes, in turn, from before the process is started. A sweep begins with the two
references, which train an epoch each. What counts is the first step that a trial's network is
trained for. It belongs to its measuring, which puts the weights back afterwards: a protocol that
takes the time it takes, on purpose. The first step of an epoch, behind the measuring of all
networks that are begun with, is told as well. The calibration, once a machine, is not part of it.
Data: the complete Fashion-MNIST where it can be had, else digits.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks.results_files import keep
from benchmarks.running import run_sweep
from pipeline.core.trial import TrialRecord
from pipeline.tracking.event_log import Event, read, sweep_log_path, training_log_paths
from pipeline.tracking.events import EpochEnded, Measured, SessionStarted, Started, content_of
from pipeline.tracking.story import trial_record

REPEATS = 7
REACH, AIM = 1.4, 1.15
IMPORT = "import time, tensorflow; print(time.time())"
#: The moments on the way, in order.
MOMENTS = {
    "planned": "the sweep is planned",
    "claimed": "a worker has imported, loaded the data and claimed a trial",
    "stepped": "first training step of a trial's network, which begins its measuring",
    "trained": "first step of an epoch, behind the measuring",
}


def main(short: bool) -> None:
    """Run the benchmark; ``short`` has two turns, with the embedded digits."""
    data, repeats = ("digits", 2) if short else ("auto", REPEATS)
    imports, sweeps = [], []
    for turn in range(repeats + 1):
        seconds, moments = import_seconds(), sweep_seconds(data)
        if turn:  # the first one reads the files from the disk
            imports.append(seconds)
            sweeps.append(moments)
    ratios = {
        name: statistics.median(
            moments[name] / alone for moments, alone in zip(sweeps, imports, strict=True)
        )
        for name in MOMENTS
    }
    alone = statistics.median(imports)
    lines = [
        f"{repeats} turns, medians. `import tensorflow` alone: {alone:.2f} s. From `sweetspot "
        f"sweep` to the first training step: **{ratios['stepped']:.2f} times** that (at most: "
        f"{REACH}, aim {AIM}); to the first step of an epoch, behind the measuring: "
        f"{ratios['trained']:.2f} times.",
        "",
        "| since the command | seconds | against the import |",
        "| --- | --- | --- |",
        *(
            f"| {what} | {statistics.median(moments[name] for moments in sweeps):.2f} | "
            f"{ratios[name]:.2f} |"
            for name, what in MOMENTS.items()
        ),
    ]
    print("\n".join(lines))
    result = {"import_seconds": imports, "sweep_seconds": sweeps, "ratios": ratios}
    print(keep("start_up", result, lines, short=short))


def import_seconds() -> float:
    """Return the seconds from before a process starts until it has imported TensorFlow."""
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], check=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return float(done.stdout) - start


def sweep_seconds(data: str) -> dict[str, float]:
    """Return the seconds to each moment of a sweep of the two references."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        sweep_dir = run_sweep(
            folder, "start_up", f"data={data}", "calibrate=false", "training.epochs=1",
            "search.trials=2",
        )  # fmt: skip
        began = next(e.time for e in read(sweep_log_path(sweep_dir)) if _is(e, SessionStarted))
        logs = [read(path) for path in training_log_paths(sweep_dir).values()]
    first = [moments(log) for log in logs]
    found = {"planned": began} | {n: min(m[n] for m in first) for n in first[0]}
    return {name: at - start for name, at in found.items()}


def moments(log: Sequence[Event]) -> dict[str, float]:
    """Return when a trial of one epoch was claimed, stepped and trained, from its event log.

    Seconds since 1970. Steps have no events of their own: what its clocks show is taken from
    what ended with them. A trainer that gives way in its epoch began earlier than this says. A
    trial that waited before its first step, and so not the first of a sweep, came to it later.
    """
    record = trial_record(log)
    assert isinstance(record, TrialRecord) and len(record.history) == 1
    clocks = record.clocks
    at = {type(content_of(event)): event.time for event in log}
    measured = next(c for event in log if isinstance(c := content_of(event), Measured))
    since = sum(measured.clocks.get(name, 0.0) for name in ("first_step", "waiting", "measuring"))
    return {
        "claimed": at[Started],
        "stepped": at[Measured] - since,
        "trained": at[EpochEnded] - clocks["training"] - clocks["evaluation"],
    }


def _is(event: Event, kind: type) -> bool:
    return isinstance(content_of(event), kind)
