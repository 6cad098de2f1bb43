"""Learning curves of networks drawn at random from the default space, for the simulator.

    make bench ARGS=recording

Trains the two references and ``NETWORKS`` further networks to their end, one after the other,
on 20,000 images for 8 epochs, and keeps each one's validation accuracy after every epoch in
``benchmarks/curves``. It takes about an hour of one core; ended early, it goes on where it was.
Data: the complete Fashion-MNIST where it can be had; the short mode records four networks of
the embedded digits to see that it works.
"""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.trial import EpochResult, Recipe, TrialSpecification, derived_seed
from pipeline.data.dataset import DataDescription
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock
from pipeline.testing.curves import Curve, add_curve, start_recording

if TYPE_CHECKING:
    from pipeline.training.session import TrainingSession

CURVES = Path(__file__).parent / "curves"
NETWORKS = 110
EPOCHS = 8
COSTS = ("epoch_seconds", "latency_ms", "parameters", "macs")
#: 20,000 images to train on, 8,000 to validate with.
SETTINGS = ("data.limit=28000", "data.validation=0.285714", f"training.epochs={EPOCHS}")
DIGITS = ("data=digits", f"training.epochs={EPOCHS}")


def main(short: bool) -> None:
    """Record what is missing; ``short`` records a few networks of the digits and forgets them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.jsonl" if short else CURVES / "fashion_mnist.jsonl"
        settings = DIGITS if short else ("data=fashion_mnist", *SETTINGS)
        for done, curve in enumerate(record(path, settings, 4 if short else NETWORKS), start=1):
            print(f"{done}: {curve.architecture} {curve.val_accuracy[-1]:.4f}", flush=True)


def record(
    path: Path,
    overrides: tuple[str, ...],
    networks: int,
    turn: AbstractContextManager[object] | None = None,
) -> Iterator[Curve]:
    """Record the references and ``networks`` others; yield each curve that was missing.

    Parameters
    ----------
    turn
        Entered for every network, for whoever shares the machine.
    """
    from benchmarks.measured import load, open_session, settings
    from pipeline.core.architecture import REFERENCES
    from pipeline.search.dice import Dice
    from pipeline.search.space import SearchSpace

    config = settings("measuring=quick", *overrides)
    turn = turn or nullcontext()
    with tempfile.TemporaryDirectory() as locks:
        with turn:
            data = load(config)
            # Nobody has to be quiet: the curves are what counts here, not the costs.
            session = open_session(config, QuietLock("recording", Path(locks)), data)
        description = data.description
        space = SearchSpace(config.space, description.image_shape, len(description.classes))
        wanted: list[tuple[Architecture, Recipe, str | None]] = [
            (REFERENCES[name], config.training.recipe, name) for name in REFERENCES
        ]
        wanted += [(*space.draw(Dice(number)), None) for number in range(networks)]
        known = len(start_recording(path, _origin(config, session, description)).curves)
        for number, (architecture, recipe, reference) in enumerate(wanted[known:], start=known):
            trial = TrialSpecification(
                number=number,
                architecture=architecture,
                recipe=recipe,
                seed=derived_seed("recording", number),
                reference=reference,
            )
            with turn:
                curve = _train(session, trial)
            add_curve(path, curve)
            yield curve


def _train(session: "TrainingSession", trial: TrialSpecification) -> Curve:
    observer = _Writer()
    trained = session.run(trial, observer, Clocks())
    return Curve(
        architecture=trial.architecture,
        recipe=trial.recipe,
        reference=trial.reference,
        costs={name: observer.costs[name] for name in COSTS},
        val_accuracy=tuple(round(epoch.val_accuracy, 6) for epoch in trained.epochs),
        val_loss=tuple(round(epoch.val_loss, 5) for epoch in trained.epochs),
    )


def _origin(
    config: Config, session: "TrainingSession", description: DataDescription
) -> dict[str, Any]:
    """Return what every curve of a recording has in common."""
    return {
        "data": description.name,
        "fingerprint": description.fingerprint,
        "image_shape": list(description.image_shape),
        "classes": len(description.classes),
        "train": description.train,
        "validation": description.validation,
        "epochs": config.training.epochs,
        "precision": session.precision,
    }


class _Writer:
    """Keeps what a network costs, and lets every training go on to its end."""

    def __init__(self) -> None:
        self.costs: dict[str, float] = {}

    def measured(
        self, costs: dict[str, float], measurements: dict[str, float], summary: str
    ) -> None:
        self.costs = costs

    def epoch_ended(self, result: EpochResult, costs: dict[str, float]) -> None:
        pass

    def between_executions(self) -> None:
        pass
