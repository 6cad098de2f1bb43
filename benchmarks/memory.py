"""What a worker's process holds in memory, trial after trial.

    make bench ARGS=memory

1. One process trains 100 small networks of the embedded digits for real, as a worker does: claims,
   measuring, event logs, models and summary included. It is not replaced on the way, as a sweep's
   would be. Resident memory is read after every trial.
2. A sweep of as many such trials with one worker, whose process is replaced, mirrored to MLflow as
   sweeps are. What all processes of the sweep hold together is read from outside, several times a
   second: what they share counts once.
"""

import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results_files import keep
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.core.trial import TrialSpecification
from pipeline.data.dataset import TrainingData
from pipeline.launching.planning import create_folder, plan_sweep
from pipeline.launching.sweep_folder import load_config
from pipeline.launching.worker import TRIALS_A_PROCESS
from pipeline.measuring.clocks import Clocks
from pipeline.reporting.progress import read_records

if TYPE_CHECKING:
    from pipeline.core.observer import TrialObserver
    from pipeline.launching.keras_trainer import KerasTrainer
    from pipeline.launching.trainer import Trainer
    from pipeline.training.session import TrainedTrial

TRIALS, SHORT_TRIALS = 100, 14
#: TensorFlow's own pools and caches fill at first; what grows after it is a leak.
FIRST = 10
MIB = 1024**2
READ_SECONDS = 0.3


def main(short: bool) -> None:
    """Run the benchmark; ``short`` trains a few networks only."""
    trials = SHORT_TRIALS if short else TRIALS
    with tempfile.TemporaryDirectory() as folder:
        resident = train(Path(folder) / "one", trials)
        swept = sweep(Path(folder) / "replaced", trials)
    report(resident, swept, short)


def report(resident: Sequence[float], swept: Sequence[float], short: bool) -> None:
    """Keep what was measured.

    Parameters
    ----------
    resident
        MiB of the process that is not replaced, after each trial.
    swept
        MiB of all of a sweep's processes, the most during each trial.
    """
    slope = slope_after(resident, FIRST)
    highest = highest_of_each(swept, TRIALS_A_PROCESS)
    replaced = " → ".join(f"{mib:.0f}" for mib in highest)
    growth = f": **{highest[-1] - highest[0]:+.0f} MiB from the first worker to the last**"
    lines = [
        f"One process, {len(resident)} trials: {resident[0]:.0f} MiB resident after the first, "
        f"{resident[FIRST - 1]:.0f} after {FIRST}, {resident[-1]:.0f} after the last. After the "
        f"first {FIRST} it grows by **{slope:.2f} MiB a trial**.",
        "",
        f"A sweep replaces a worker's process after {TRIALS_A_PROCESS} trials. All processes of "
        f"a sweep of {len(swept)} trials with one worker, what they share counted once, the most "
        f"MiB in each worker's time: {replaced}{growth if len(highest) > 1 else ''}.",
    ]
    print("\n".join(lines))
    result = {
        "resident_mib": list(resident),
        "mib_a_trial_after_first": slope,
        "first": FIRST,
        "replaced_after": TRIALS_A_PROCESS,
        "sweep_mib": list(swept),
        "highest_mib_of_each_worker": highest,
    }
    kept = keep("memory", result, lines, short=short)
    draw(resident, swept, slope, kept.with_suffix(".png"))
    print(kept)


def highest_of_each(values: Sequence[float], size: int) -> list[float]:
    """Return the highest of each run of ``size`` values."""
    return [max(values[start : start + size]) for start in range(0, len(values), size)]


def sweep(mlruns: Path, trials: int) -> list[float]:
    """Return the most MiB of all processes of a sweep together during each of its trials."""
    words = [sys.executable, "-m", "pipeline", "sweep", *overrides(mlruns, trials),
             "launch.workers=1"]  # fmt: skip
    most: dict[int, float] = {}
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        for mib in _held(process):
            ended = _ended(mlruns / "sweeps" / "memory")
            # Before the first worker has its first trial there is only what it is forked from.
            most[ended] = max(mib, most.get(ended, 0.0))
        if process.wait() != 0:
            raise RuntimeError(f"the sweep ended with status {process.returncode}")
    # Two trials that ended between two readings had the same memory, as far as anybody knows.
    filled: list[float] = []
    for trial in range(trials):
        filled.append(most.get(trial, filled[-1] if filled else 0.0))
    return filled


def _held(process: "subprocess.Popen[bytes]") -> Iterator[float]:
    """Yield what the process and all below it hold, in MiB, until it ends."""
    import psutil

    root = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0.0
        for one in (root, *_below(root)):
            try:
                held = one.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            # Linux counts shared pages in parts; elsewhere only what is a process's own is known.
            total += getattr(held, "pss", held.uss) / MIB
        yield total
        time.sleep(READ_SECONDS)


def _below(root: Any) -> list[Any]:
    import psutil

    try:
        below: list[Any] = root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return below


def _ended(sweep_dir: Path) -> int:
    try:
        return sum(one.outcome is not None for one in read_records(sweep_dir))
    except StorageError:  # it has no folder yet
        return 0


def train(folder: Path, trials: int) -> list[float]:
    """Return the resident MiB of a worker's process after each of so many trials."""
    plan = plan_sweep(settings(folder, trials), print)
    create_folder(plan)
    written = folder / "resident.json"
    process = multiprocessing.get_context("spawn").Process(
        target=_work, args=(folder, str(plan.config.sweep_name), trials, written)
    )
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"the worker ended with status {process.exitcode}")
    resident: list[float] = json.loads(written.read_text())
    return resident


def settings(mlruns: Path, trials: int) -> Config:
    """Return the configuration of a sweep of small networks that train for an epoch."""
    words = (*overrides(mlruns, trials), "tracking=off")
    return compose(CommandLine(command="sweep", overrides=words))


def overrides(mlruns: Path, trials: int) -> tuple[str, ...]:
    """Return the settings of such a sweep, as they are written behind its command."""
    return ("data=digits", "space=small", "search=random", "objective=macs", "measuring=quick",
            "training.epochs=1", f"search.trials={trials}", "search.rungs.enabled=false",
            "finalists=off", "calibrate=false", "launch.threads=1", "sweep_name=memory",
            f"mlruns={mlruns}")  # fmt: skip


def _work(mlruns: Path, sweep: str, trials: int, written: Path) -> None:
    """Be a worker that nobody replaces."""
    from pipeline.launching import worker
    from pipeline.launching.devices import lock_name
    from pipeline.launching.keras_trainer import KerasTrainer
    from pipeline.measuring.quiet import QuietLock

    config = load_config(mlruns, sweep)
    resident: list[float] = []

    def build(data: TrainingData, threads: int) -> "Trainer":
        trainer = KerasTrainer(config, data, threads, QuietLock(lock_name()))
        return _Weighed(trainer, resident)

    worker.TRIALS_A_PROCESS = trials + 1
    worker.work(config, build)
    written.write_text(json.dumps(resident))


@dataclass(frozen=True)
class _Weighed:
    """A trainer that notes the resident memory after each trial."""

    trainer: "KerasTrainer"
    resident: list[float]

    def run(
        self,
        specification: TrialSpecification,
        observer: "TrialObserver",
        clocks: Clocks,
        checkpoint: Path | None = None,
    ) -> "TrainedTrial":
        import psutil

        trained = self.trainer.run(specification, observer, clocks, checkpoint)
        self.resident.append(psutil.Process().memory_info().rss / MIB)
        return trained

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


def slope_after(values: Sequence[float], first: int) -> float:
    """Return by how much a value grows on the next one, all but the first ones fitted by a line."""
    rest = values[first:]
    return statistics.linear_regression(range(len(rest)), rest).slope


def draw(resident: Sequence[float], swept: Sequence[float], slope: float, path: Path) -> None:
    """Draw the memory over the trials, of the one process and of the sweep."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    numbers = range(1, len(resident) + 1)
    axes.plot(numbers, resident, marker=".", label=f"one process: {slope:.2f} MiB a trial")
    axes.plot(
        range(1, len(swept) + 1), swept, marker=".",
        label=f"a sweep, its worker replaced after {TRIALS_A_PROCESS} trials",
    )  # fmt: skip
    axes.set_xlim(0, len(resident) + 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("trials")
    axes.set_ylabel("memory, MiB")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
