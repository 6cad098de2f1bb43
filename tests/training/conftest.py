"""Tiny images and sessions; Keras is imported once for the whole folder."""

from typing import Any

import numpy as np
import pytest

from pipeline.config import MeasuringConfig, ObjectiveConfig, TrainingConfig
from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.trial import Recipe, TrialSpecification
from pipeline.data.dataset import Split, TrainingData
from pipeline.measuring.clocks import Clocks
from pipeline.measuring.quiet import QuietLock
from pipeline.training.session import TrainingSession

CLASSES = 3


def split(images, seed):
    """Pictures of a bright bar in one of three places, with noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=images)
    pixels = generator.integers(0, 120, size=(images, 8, 8, 1))
    for index, label in enumerate(labels):
        pixels[index, 2 * label : 2 * label + 2] += 100
    return Split(images=pixels.astype(np.uint8), labels=labels.astype(np.int64))


class Observer:
    """Remembers what it hears, and does what it is told to do at a moment."""

    def __init__(self, at_execution=None, at_epoch=None, at_measuring=None, before_training=None):
        self.costs = {}
        self.measurements = {}
        self.summary = ""
        self.epochs = []
        self.training_costs = []
        self.executions = 0
        self.was_last = False
        self._at_execution = at_execution or (lambda observer: None)
        self._at_epoch = at_epoch or (lambda observer: None)
        self.asked = 0
        self._at_measuring = at_measuring or (lambda observer: None)
        self.asked_before = 0
        self._before_training = before_training or (lambda observer: None)

    def measured(self, costs, measurements, summary, *, again=False):
        assert not self.epochs  # what decides is known before a training goes on, or begins
        self.costs, self.measurements, self.summary = costs, measurements, summary
        self.measured_again = again

    def epoch_ended(self, result, costs, *, last=False):
        assert not self.was_last
        self.was_last = last
        self.epochs.append(result)
        self.training_costs.append(costs)
        self._at_epoch(self)

    def between_executions(self):
        self.executions += 1
        self._at_execution(self)

    def between_measurements(self):
        if self.epochs:
            self.asked += 1
            self._at_measuring(self)
        else:
            self.asked_before += 1
            self._before_training(self)


@pytest.fixture(scope="session", autouse=True)
def device(backend):
    """Set the backend up before any test uses it."""
    return backend


@pytest.fixture(scope="session")
def data():
    return TrainingData(
        description=DataDescription(
            name="bars",
            fingerprint="0" * 64,
            train=90,
            validation=50,
            test=0,
            image_shape=(8, 8, 1),
            classes=("top", "middle", "bottom"),
        ),
        train=split(90, seed=1),
        validation=split(50, seed=2),
    )


@pytest.fixture(scope="session")
def session_with(data, tmp_path_factory):
    """Build a session; all in this process are deterministic and have one thread."""
    quiet = QuietLock("cpu", tmp_path_factory.mktemp("locks"))

    def build(target_accuracy=None, costs=("epoch_seconds",), **training):
        settings: dict[str, Any] = {
            "epochs": 2,
            "precision": "float32",
            "deterministic": True,
            "jit_compile": "off",
            "steps_per_execution": 2,
            "batch_size": 16,
            "optimizer": "adam",
            "learning_rate": 0.01,
            "schedule": "one_cycle",
            "evaluation_batch_size": 20,
        } | training
        return TrainingSession(
            data,
            TrainingConfig(**settings),
            MeasuringConfig(
                batch_sizes=(1, 64),  # more than there are validation images
                warmup_seconds=0.01,
                turns=5,
                tolerance=0.05,
                seconds=0.01,
            ),
            ObjectiveConfig(costs=costs, rule="knee", target_accuracy=target_accuracy),
            precision=settings["precision"],
            threads=1,
            quiet=quiet,
        )

    return build


@pytest.fixture(scope="session")
def session(session_with):
    return session_with()


def specification(notation="4k3-d8", *, seed=7, **recipe):
    values: dict[str, Any] = {
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule": "one_cycle",
    }
    return TrialSpecification(
        number=3,
        architecture=Architecture.parse(notation),
        recipe=Recipe(**values | recipe),
        seed=seed,
    )


@pytest.fixture(scope="session")
def trial():
    return specification


@pytest.fixture
def observer():
    return Observer()


@pytest.fixture(scope="session")
def observing():
    return Observer


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture(scope="session")
def long_session(session_with):
    return session_with(epochs=3, patience=3, target_accuracy=0.4)


@pytest.fixture(scope="session")
def undisturbed(long_session, trial, observing):
    """One trial with everything in it, trained to its end."""
    observer, clocks = observing(), Clocks()
    trained = long_session.run(trial("4k3b-d8p0.2", learning_rate=0.1), observer, clocks)
    return trained, observer, clocks
