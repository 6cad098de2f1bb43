"""The parts of the configuration, one a folder of ``conf/``; the space has its own module."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.config.section import Count, Positive, Section, Share, as_text
from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.trial import ADAM_BETA_2, EpochResult, Optimizer, Recipe, Schedule

Limit = Annotated[float, Field(gt=0)] | None
BatchSize = Annotated[int, Field(gt=0, le=8192)]
DataName = Literal["auto", "fashion_mnist", "mnist", "digits", "idx", "npz", "folder"]
CostName = Literal[
    "epoch_seconds", "latency_ms", "train_seconds", "time_to_accuracy_seconds",
    "device_memory_mib", "parameters", "macs",
]  # fmt: skip


class DataConfig(Section):
    """Which images, and how they are split."""

    name: DataName  #: the source; `data=…` sets it with the rest
    dir: Path | None = None  #: folder of `fashion_mnist/`, `mnist/`, four IDX files, or classes
    file: Path | None = None  #: the archive for `npz`
    classes: tuple[Annotated[str, BeforeValidator(as_text)], ...] | None = (
        None  #: class names, where the source has none
    )
    image_size: Annotated[int, Field(ge=8, le=512)] | None = None  #: pixels a side, for `folder`
    validation: Share = 0.1667  #: share of the training images kept for validation
    test: Share = 0.15  #: share kept for test where the source has no test set of its own
    limit: Positive | None = None  #: use this many training images (validation included)
    seed: Annotated[int, Field(ge=0)] = 0
    download: bool = True  #: let `auto`, `fashion_mnist` and `mnist` use Keras' download


class TrainingConfig(Section):
    """How every trial is trained, and the recipe of the references and of what the space leaves."""

    epochs: Positive
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    deterministic: bool
    jit_compile: Literal["auto", "on", "off"]
    steps_per_execution: Count
    patience: Positive | None = None  #: epochs without a better validation loss
    stop_at_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None  #: training accuracy
    batch_size: Positive
    optimizer: Optimizer
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Schedule
    #: Of every trial by Adam; sweeps from before there was this setting had Keras' own.
    adam_beta_2: Annotated[float, Field(ge=0, lt=1)] = ADAM_BETA_2
    #: Whether an exponential average of the weights is what is validated: never, until the
    #: schedule has settled them, or always, and then it is what is kept.
    averaging: Literal["none", "interim", "ema"] = "none"
    averaged_epochs: Annotated[float, Field(gt=0)] = 1.0  #: over about so many epochs
    max_seconds: Annotated[float, Field(gt=0)] | None = None  #: to a trial's last epoch
    evaluation_batch_size: Positive = 1000  #: the most images a call, in validation

    @model_validator(mode="after")
    def _repeats_or_compiles(self) -> Self:
        if self.deterministic and self.jit_compile == "on":
            raise ValueError(
                "deterministic=true and jit_compile=on exclude each other, XLA does not repeat its "
                "numbers; set jit_compile to auto or off, or deterministic to false"
            )
        return self

    @property
    def averages_over(self) -> float | None:
        """Epochs whose weights are averaged, about; None where they are not."""
        return None if self.averaging == "none" else self.averaged_epochs

    @property
    def recipe(self) -> Recipe:
        """The default recipe, that of the references."""
        return Recipe(
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
        )


class MeasuringConfig(Section):
    """How cost is measured.

    The training step and the latency at each batch size are timed in turn with the ``cnn``
    reference, each until the 95% interval of the ratio is narrow enough or its time is over.
    """

    batch_sizes: tuple[BatchSize, ...]  #: of latency, increasing; the first is the cost's
    warmup_seconds: Annotated[float, Field(gt=0, le=60)]  #: longest warm-up of a timed call
    turns: Annotated[int, Field(ge=5)]  #: with fewer there is no 95% interval
    tolerance: Share  #: widest interval, as a share of the ratio, that is narrow enough
    seconds: Annotated[float, Field(gt=0, le=60)]  #: after so long no further turn is begun

    @field_validator("batch_sizes")
    @classmethod
    def _increasing(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values:
            raise ValueError("give at least one batch size")
        if len(set(values)) < len(values):
            raise ValueError(f"batch sizes repeat a value: {list(values)}")
        return tuple(sorted(values))


class LimitsConfig(Section):
    """The most a trial may cost, by cost; null where there is no limit."""

    epoch_seconds: Limit = None
    latency_ms: Limit = None
    train_seconds: Limit = None
    time_to_accuracy_seconds: Limit = None
    device_memory_mib: Limit = None
    parameters: Limit = None
    macs: Limit = None

    def broken(self, costs: Mapping[str, float]) -> dict[str, float]:
        """Return ``value / limit - 1`` of every limit that ``costs`` break, by cost name."""
        return {
            name: costs[name] / limit - 1.0
            for name, limit in self.given.items()
            if name in costs and costs[name] > limit
        }

    @property
    def given(self) -> dict[str, float]:
        """The limits that there are, by cost name."""
        return {name: limit for name, limit in self if limit is not None}


class ObjectiveConfig(Section):
    """What a sweep looks for besides validation accuracy."""

    costs: Annotated[tuple[CostName, ...], Field(min_length=1)]
    rule: Literal["auto", "knee", "budget", "least_accuracy", "price", "one_standard_error"]
    budget: Annotated[float, Field(gt=0)] | None = None  #: for the rule `budget`: a cost's most
    least_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None  #: for the rule of that name
    price: Annotated[float, Field(gt=0)] | None = None  #: points of accuracy a doubled cost brings
    limits: LimitsConfig = LimitsConfig()
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    target_on: Literal["validation", "training"] = "validation"  #: images it is reached on

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(set(self.costs)) < len(self.costs):
            raise ValueError(f"costs repeat a name: {list(self.costs)}")
        if self.rule == "budget" and self.budget is None:
            raise ValueError(
                f"the rule budget needs objective.budget, the most {self.costs[0]} may be"
            )
        if self.rule == "least_accuracy" and self.least_accuracy is None:
            raise ValueError(
                "the rule least_accuracy needs objective.least_accuracy, what the validation "
                "accuracy has to be at least"
            )
        if self.rule == "price" and self.price is None:
            raise ValueError(
                "the rule price needs objective.price, the percentage points of accuracy that a "
                f"doubling of {self.costs[0]} has to bring"
            )
        if "time_to_accuracy_seconds" in self.costs and self.target_accuracy is None:
            raise ValueError("the cost time_to_accuracy_seconds needs objective.target_accuracy")
        if self.limits.time_to_accuracy_seconds is not None and self.target_accuracy is None:
            raise ValueError(
                "the limit on time_to_accuracy_seconds needs objective.target_accuracy"
            )
        return self

    @property
    def deciding(self) -> frozenset[str]:
        """The costs that the search or a limit looks at, by name."""
        return frozenset({*self.costs, *self.limits.given})

    def towards_target(self, result: EpochResult) -> float:
        """Return the accuracy of an epoch that counts for ``target_accuracy``."""
        return result.train_accuracy if self.target_on == "training" else result.val_accuracy


class RungsConfig(Section):
    """When a running trial is compared with its peers."""

    enabled: bool
    first: Positive  #: epoch of the first rung; every later one is a rung, too
    risk: Annotated[float, Field(gt=0, lt=0.5)]  #: of stopping a member of the front
    keep: Annotated[
        float, Field(gt=0, le=1)
    ]  #: share that goes on at the first rung, and each time its epoch has doubled
    peers: Annotated[int, Field(ge=2)]  #: trials a rung needs before it stops anything


class SearchConfig(Section):
    """How the space is searched, and for how long."""

    sampler: Literal["tpe", "random"]
    seed: Annotated[int, Field(ge=0)]
    startup_trials: Annotated[int, Field(gt=0, le=10_000)]  #: before TPE models, cheapest first
    rungs: RungsConfig
    first: tuple[str, ...] = ()  #: networks to begin with, by their notation
    trials: Positive  #: originals in all, the two references included
    minutes: Annotated[float, Field(gt=0)] | None = None  #: and the most minutes of one run
    max_failed: Annotated[int, Field(ge=0)]  #: more failures than this end with status 1
    max_infeasible: Positive  #: so many trials above a limit, and none within, end the sweep
    max_retries: Annotated[
        int, Field(ge=0)
    ]  #: how often a trial is queued again whose worker was lost

    @field_validator("first")
    @classmethod
    def _networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        try:
            networks = tuple(Architecture.parse(value).notation for value in values)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if len(set(networks)) < len(networks):
            raise ValueError(f"a network is named twice: {list(networks)}")
        return networks


class TrackingConfig(Section):
    """Where MLflow is, and what it gets."""

    enabled: bool
    uri: str | None = None  #: a server, without password or token; default: a store in `mlruns`
    interval_seconds: Annotated[float, Field(gt=0, le=86_400)]
    system_metrics: bool

    @field_validator("uri")
    @classmethod
    def _holds_no_secret(cls, value: str | None) -> str | None:
        if not value:  # as `tracking.uri=` has it
            return None
        if _may_hold_secret(value):
            raise ValueError(
                "must not hold user, password or token (it is not shown here), as it is kept in "
                "files: give them in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, in "
                "MLFLOW_TRACKING_TOKEN, or in a .pgpass file"
            )
        return value


def _may_hold_secret(uri: str) -> bool:
    """Return whether an address says more than where something is."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return True  # nobody knows what it is
    in_database = parts.scheme.startswith("postgres") and parts.password is None
    return ("@" in parts.netloc and not in_database) or "=" in parts.query + parts.fragment
