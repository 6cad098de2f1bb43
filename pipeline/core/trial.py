"""A trial: what is to be trained, and what came of it."""

import hashlib
import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pipeline.core.architecture import Architecture
from pipeline.core.json_values import number_or_none, numbers, text_or_none

Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["one_cycle", "cosine", "constant"]
#: What is done to each training image anew in each epoch; ``training.augmentation`` does it.
Augmentation = Literal[
    "none", "shift", "flip", "cutout", "shift_flip", "shift_cutout", "flip_cutout",
    "shift_flip_cutout",
]  # fmt: skip

#: The share of the mean square of its gradients that Adam keeps from step to step, by Kingma and
#: Ba (2015), in Keras, and in sweeps that name none.
ADAM_BETA_2 = 0.999

#: The batch size at which a recipe's learning rate is the peak itself.
REFERENCE_BATCH_SIZE = 128

#: Costs known from the architecture alone.
ANALYTIC_COSTS = ("parameters", "macs")
#: Costs measured on the untrained network, before its first epoch, where they decide about it.
MEASURED_COSTS = ("epoch_seconds", "latency_ms")
#: Costs known while or after training.
TRAINED_COSTS = ("train_seconds", "time_to_accuracy_seconds", "device_memory_mib")
COSTS = (*MEASURED_COSTS, *TRAINED_COSTS, *ANALYTIC_COSTS)


class Outcome(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CENSORED = "censored"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How an architecture is trained.

    Parameters
    ----------
    batch_size
        Images a step.
    optimizer
        ``adam``, ``sgd`` (with momentum 0.9) or ``rmsprop``.
    learning_rate
        Peak rate at batch size 128; scaled with the square root of the batch size (linearly
        for ``sgd``), so that one value serves every batch size.
    schedule
        Learning rate over the steps of the whole training; see ``training.schedule``.
    augmentation
        How training images vary from epoch to epoch.
    epochs
        Epochs of the whole training; None for the sweep's ``training.epochs``.
    """

    batch_size: int
    optimizer: Optimizer
    learning_rate: float
    schedule: Schedule
    augmentation: Augmentation = "none"
    epochs: int | None = None


def peak_rate(recipe: Recipe) -> float:
    """Return the largest learning rate of a training with this recipe.

    A batch ``k`` times as large has a gradient with ``1/k`` of the noise, so the rate grows with
    it: with the square root for optimisers that divide by the gradient's size (Malladi et al.
    2022), linearly for SGD (Goyal et al. 2017).
    """
    scale = recipe.batch_size / REFERENCE_BATCH_SIZE
    return recipe.learning_rate * (scale if recipe.optimizer == "sgd" else math.sqrt(scale))


class RunKey(NamedTuple):
    """A training of a sweep: the trial's number, and which of its trainings."""

    number: int
    repetition: int = 0

    @property
    def stem(self) -> str:
        """What its files are called: ``0003``, and ``0003-1`` for a finalist's next training."""
        return f"{self.number:04d}" + (f"-{self.repetition}" if self.repetition else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSpecification:
    """Everything that is decided before a trial starts.

    Parameters
    ----------
    number
        The number users see: that of the original, also for a trial queued again.
    seed
        Derived from the sweep's seed and ``number``; decides weights, order and dropout.
    reference
        ``dnn`` or ``cnn`` for the two reference trials, else None.
    attempt
        0 for the original, 1 for its first retry, and so on.
    repetition
        0 for a trial of the search; 1, 2, … for the further trainings of a finalist, each with
        a seed of its own.
    """

    number: int
    architecture: Architecture
    recipe: Recipe
    seed: int
    reference: str | None = None
    attempt: int = 0
    repetition: int = 0

    @property
    def label(self) -> str:
        """A short name for people: ``3 64k3-d128``, ``1 cnn`` or ``1 cnn (seed 2)``."""
        label = f"{self.number} {self.reference or self.architecture.notation}"
        return f"{label} (seed {self.repetition + 1})" if self.repetition else label

    @property
    def run(self) -> "RunKey":
        """Which training this is, whatever the attempt."""
        return RunKey(self.number, self.repetition)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochResult:
    """One epoch of a trial; ``epoch`` counts from 1, losses are mean cross-entropies.

    ``epoch_seconds`` is the time of the training steps of this epoch, evaluation excluded.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    epoch_seconds: float
    images_per_second: float

    def metrics(self) -> dict[str, float]:
        """Return the values by their tracking names, without the epoch."""
        values = asdict(self)
        del values["epoch"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "EpochResult":
        """Rebuild a result from its values by name."""
        found = numbers(values)
        return cls(epoch=int(found.pop("epoch")), **found)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """A trial as storage, event log, summary and report know it.

    Parameters
    ----------
    outcome
        None while the trial runs or waits.
    val_accuracy
        Of the weights that were kept; for a stopped trial, what it really reached.
    costs
        Value by cost name; a cost that was not measured is left out.
    measurements
        Further measured values by name (``latency_p90_ms``, …).
    clocks
        Seconds by clock name (``training``, ``evaluation``, …).
    reason
        Why it ended like this, in words; None for ``complete``.
    started, ended
        Seconds since the epoch, UTC; None while not yet known.
    """

    specification: TrialSpecification
    outcome: Outcome | None = None
    val_accuracy: float | None = None
    costs: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    clocks: dict[str, float] = field(default_factory=dict)
    history: tuple[EpochResult, ...] = ()
    reason: str | None = None
    started: float | None = None
    ended: float | None = None

    @property
    def number(self) -> int:
        """The number users see."""
        return self.specification.number

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; ``from_json`` of them gives an equal record."""
        values = asdict(self)
        values["specification"]["architecture"] = self.specification.architecture.notation
        values["history"] = [asdict(result) for result in self.history]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrialRecord":
        """Rebuild a record from ``to_json``."""
        outcome = values["outcome"]
        coerced: dict[str, Any] = {
            "specification": specification_from_json(values["specification"]),
            "outcome": None if outcome is None else Outcome(outcome),
            "val_accuracy": number_or_none(values["val_accuracy"]),
            "costs": numbers(values["costs"]),
            "measurements": numbers(values["measurements"]),
            "clocks": numbers(values["clocks"]),
            "history": tuple(EpochResult.from_json(result) for result in values["history"]),
            "reason": text_or_none(values["reason"]),
            "started": number_or_none(values["started"]),
            "ended": number_or_none(values["ended"]),
        }
        return cls(**values | coerced)  # a name that it does not know is refused


def specification_to_json(specification: TrialSpecification) -> dict[str, Any]:
    """Return plain values for JSON, the architecture as its notation."""
    values = asdict(specification)
    values["architecture"] = specification.architecture.notation
    return values


def specification_from_json(values: dict[str, Any]) -> TrialSpecification:
    """Rebuild a specification from ``specification_to_json``."""
    coerced: dict[str, Any] = {
        "number": int(values["number"]),
        "architecture": Architecture.parse(values["architecture"]),
        "recipe": Recipe(**values["recipe"]),
        "seed": int(values["seed"]),
        "attempt": int(values["attempt"]),
        "repetition": int(values.get("repetition", 0)),  # not there in an older version's
    }
    return TrialSpecification(**values | coerced)


def derived_seed(*parts: int | str) -> int:
    """Return a seed in [0, 2**31) that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
