"""What a worker's process holds in memory, trial after trial.

    make bench ARGS=memory

One process trains 100 small networks of the embedded digits for real, as a worker does: claims,
measuring, event logs, models and summary included. It is not replaced on the way, as a sweep's
would be. Resident memory is read after every trial.
"""

import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results_files import keep
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.trial import TrialSpecification
from pipeline.data.dataset import TrainingData
from pipeline.launching.planning import create_folder, load_config, plan_sweep
from pipeline.launching.worker import TRIALS_A_PROCESS
from pipeline.measuring.clocks import Clocks

if TYPE_CHECKING:
    from pipeline.launching.keras_trainer import KerasTrainer
    from pipeline.launching.trainer import Observer, Trainer
    from pipeline.training.session import TrainedTrial

TRIALS, SHORT_TRIALS = 100, 14
#: TensorFlow's own pools and caches fill at first; what grows after it is a leak.
FIRST = 10
MIB = 1024**2


def main(short: bool) -> None:
    """Run the benchmark; ``short`` trains a few networks only."""
    trials = SHORT_TRIALS if short else TRIALS
    with tempfile.TemporaryDirectory() as folder:
        resident = train(Path(folder), trials)
    report(resident, short)


def report(resident: Sequence[float], short: bool) -> None:
    """Keep what was measured."""
    slope = slope_after(resident, FIRST)
    grown = slope * TRIALS_A_PROCESS
    lines = [
        f"One process, {len(resident)} trials: {resident[0]:.0f} MiB resident after the first, "
        f"{resident[FIRST - 1]:.0f} after {FIRST}, {resident[-1]:.0f} after the last. After the "
        f"first {FIRST} it grows by **{slope:.2f} MiB a trial**.",
        "",
        f"A sweep replaces a worker's process after {TRIALS_A_PROCESS} trials, so that it grows "
        f"by no more than {max(0.0, grown):.0f} MiB.",
    ]
    print("\n".join(lines))
    result = {
        "resident_mib": resident,
        "mib_a_trial_after_first": slope,
        "first": FIRST,
        "replaced_after": TRIALS_A_PROCESS,
    }
    kept = keep("memory", result, lines, short=short)
    draw(resident, slope, kept.with_suffix(".png"))
    print(kept)


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
    words = ("data=digits", "space=small", "search=random", "objective=macs", "measuring=quick",
             "training.epochs=1", f"search.trials={trials}", "search.rungs.enabled=false",
             "finalists=off", "tracking=off", "calibrate=false", "launch.threads=1",
             "sweep_name=memory", f"mlruns={mlruns}")  # fmt: skip
    return compose(CommandLine(command="sweep", overrides=words))


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
        observer: "Observer",
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


def draw(resident: Sequence[float], slope: float, path: Path) -> None:
    """Draw the memory over the trials."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    numbers = range(1, len(resident) + 1)
    axes.plot(numbers, resident, marker=".", label="after a trial")
    rest = resident[FIRST:]
    middle = statistics.fmean(rest)
    half = slope * (len(rest) - 1) / 2
    ends = [FIRST + 1, len(resident)]
    axes.plot(ends, [middle - half, middle + half], label=f"{slope:.2f} MiB a trial")
    axes.axvline(TRIALS_A_PROCESS, color="grey", linestyle=":", label="a sweep's worker leaves")
    axes.set_xlim(0, len(resident) + 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("trials")
    axes.set_ylabel("resident memory, MiB")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
