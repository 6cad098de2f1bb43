"""Networks measured as trials measure them, and not trained.

Importing this module imports Keras.
"""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.trial import TrialSpecification
from pipeline.data.dataset import TrainingData
from pipeline.data.loading import load_training, resolve
from pipeline.measuring.automatic import automatic, settled_training
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock
from pipeline.training.session import TrainingSession


def settings(*overrides: str) -> Config:
    """Return the configuration that a sweep with these settings would have here."""
    return compose(CommandLine(command="sweep", overrides=overrides))


def load(config: Config) -> TrainingData:
    """Return the images that a sweep with these settings would train with here."""
    return load_training(resolve(config.data, lambda text: print(text, file=sys.stderr)))


def open_session(
    config: Config, quiet: QuietLock, data: TrainingData | None = None
) -> TrainingSession:
    """Return a session of one thread, as a worker on a CPU has it."""
    training = settled_training(config.training, automatic(config))
    return TrainingSession(
        data or load(config),
        training,
        config.measuring,
        config.objective,
        precision=training.precision,
        threads=1,
        quiet=quiet,
    )


def specification(config: Config, notation: str) -> TrialSpecification:
    """Return a trial of this architecture with the default recipe."""
    return TrialSpecification(
        number=0,
        architecture=Architecture.parse(notation),
        recipe=config.training.recipe,
        seed=0,
    )


def measure(session: TrainingSession, trial: TrialSpecification) -> dict[str, float]:
    """Measure a network and return costs, measurements and clocks (``clock_NAME``) by name."""
    clocks = Clocks()
    costs, measurements = session.measure(trial, clocks)
    return measurements | costs | {f"clock_{name}": s for name, s in clocks.seconds().items()}
