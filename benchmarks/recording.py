"""Learning curves of networks drawn at random from the default space, for the simulator.

    make bench ARGS=recording

Trains the two references and ``NETWORKS`` further networks to their end, one on each core at a
time, on 20,000 images for 8 epochs, and keeps each one's validation accuracy after every epoch
in ``benchmarks/curves``. It takes about two hours of one core; ended early, it goes on where it
was, as long as the default recipe is the same. Data: the complete Fashion-MNIST, or what ``data=``
names. Each of ``seeds=`` is a recording of its own, with other networks and other trainings, so
that settings which were chosen by one can be judged by another. The short mode records four
networks of the embedded digits to see that it works.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.observing import SilentObserver
from benchmarks.results_files import AUTO
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.trial import Recipe, TrialSpecification, derived_seed
from pipeline.data.loading import load_training, resolve
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.machine import default_workers
from pipeline.measuring.quiet import QuietLock
from pipeline.search.dice import Dice
from pipeline.search.space import SearchSpace
from pipeline.testing.curves import Curve, add_curve, read_recording, start_recording

if TYPE_CHECKING:
    from pipeline.training.session import TrainingSession

CURVES = Path(__file__).parent / "curves"
NETWORKS = 100
EPOCHS = 8
COSTS = ("epoch_seconds", "latency_ms", "parameters", "macs")
#: 20,000 images to train on, 8,000 to validate with; the digits are no more than 1,797.
SPLIT = ("data.limit=28000", "data.validation=0.285714")


def curves_of(data: str, seed: int = 0) -> Path:
    """Return where a recording is kept; ``auto`` is Fashion-MNIST."""
    name = "fashion_mnist" if data == AUTO else data
    return CURVES / f"{name}{f'-seed-{seed}' if seed else ''}.jsonl"


def main(short: bool, data: str = AUTO, seeds: Sequence[int] = (0,)) -> None:
    """Record what is missing; ``short`` records a few networks of the digits and forgets them."""
    if short:
        with tempfile.TemporaryDirectory() as folder:
            _record_all(Path(folder) / "digits.jsonl", 4, 0, "data=digits")
        return
    name = "fashion_mnist" if data == AUTO else data
    for seed in seeds:
        split = () if data == "digits" else SPLIT
        _record_all(curves_of(data, seed), NETWORKS, seed, f"data={name}", *split)


def _record_all(path: Path, networks: int, seed: int, *given: str) -> None:
    """Record what is missing of one recording, with a process a core.

    Raises
    ------
    RuntimeError
        It ended early, or what is there was recorded with other data or by another recipe than
        today's.
    """
    settings = (*given, f"training.epochs={EPOCHS}")
    config = compose(CommandLine(command="sweep", overrides=settings))
    data = load_training(resolve(config.data, lambda text: print(text, file=sys.stderr)))
    try:
        start_recording(path, _origin(config, data.description))
    except ValueError as error:
        raise RuntimeError(f"{error}; move it away to record anew") from None
    processes = default_workers()
    arguments = [str(path), *map(str, (networks, seed, processes))]
    # Keras must not be imported before a process knows how many threads it has.
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.recording", *arguments, str(share), *settings]
        )
        for share in range(processes)
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError("recording ended early; the same command goes on")
    print(f"{path.name}: {len(read_recording(path).curves)} networks")


def record(
    path: Path, networks: int, seed: int, processes: int, share: int, *overrides: str
) -> None:
    """Record every network of this process' share that is missing, and print each.

    The references and ``networks`` others count as one list, dealt out to ``processes``. Another
    ``seed`` draws other networks and trains with other random numbers.
    """
    from benchmarks.measured import load, open_session, settings

    config = settings("measuring=quick", *overrides)
    data = load(config)
    description = data.description
    space = SearchSpace(config.space, description.image_shape, len(description.classes))
    wanted: list[tuple[Architecture, Recipe, str | None]] = [
        (REFERENCES[name], config.training.recipe, name) for name in REFERENCES
    ]
    wanted += [(*space.draw(Dice(seed * networks + number)), None) for number in range(networks)]
    known = {(curve.architecture, curve.recipe) for curve in read_recording(path).curves}
    with tempfile.TemporaryDirectory() as locks:
        # Nobody has to be quiet: the curves are what counts here, not the costs.
        session = open_session(config, QuietLock("recording", Path(locks)), data)
        for number in range(share, len(wanted), processes):
            architecture, recipe, reference = wanted[number]
            if (architecture, recipe) in known:
                continue
            trial = TrialSpecification(
                number=number,
                architecture=architecture,
                recipe=recipe,
                seed=derived_seed("recording", seed * len(wanted) + number),
                reference=reference,
            )
            curve = _train(session, trial)
            add_curve(path, curve)
            print(f"{number}: {architecture} {curve.val_accuracy[-1]:.4f}", flush=True)


def _train(session: "TrainingSession", trial: TrialSpecification) -> Curve:
    observer = _Writer()
    trained = session.run(trial, observer, Clocks())
    costs = observer.costs | trained.costs
    return Curve(
        architecture=trial.architecture,
        recipe=trial.recipe,
        reference=trial.reference,
        precision=session.precision,
        costs={name: costs[name] for name in COSTS},
        val_accuracy=tuple(round(epoch.val_accuracy, 6) for epoch in trained.epochs),
        val_loss=tuple(round(epoch.val_loss, 5) for epoch in trained.epochs),
    )


def _origin(config: Config, description: DataDescription) -> dict[str, Any]:
    """Return what every curve of a recording has in common."""
    return {
        "data": description.name,
        "fingerprint": description.fingerprint,
        "image_shape": list(description.image_shape),
        "classes": len(description.classes),
        "train": description.train,
        "validation": description.validation,
        "epochs": config.training.epochs,
        "learning_rate": config.training.learning_rate,
        "adam_beta_2": config.training.adam_beta_2,
        "averaging": config.training.averaging,
        "averaged_epochs": config.training.averaged_epochs,
    }


class _Writer(SilentObserver):
    """Keeps what is known before training."""

    def __init__(self) -> None:
        self.costs: dict[str, float] = {}

    def measured(
        self,
        costs: dict[str, float],
        measurements: dict[str, float],
        summary: str,
        *,
        again: bool = False,
    ) -> None:
        """Keep the costs."""
        self.costs = costs


if __name__ == "__main__":
    target, count, which, among, own, *given = sys.argv[1:]
    record(Path(target), int(count), int(which), int(among), int(own), *given)
