"""The whole configuration as one typed, frozen value.

Hydra composes plain YAML from ``conf/``; ``Config.model_validate`` checks it once. Nothing
below this module reads an untyped setting.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from pipeline.core.architecture import REFERENCES, Architecture, Normalisation, Padding, Pooling
from pipeline.core.errors import ConfigurationError
from pipeline.core.trial import Optimizer, Recipe, Schedule

PROJECT_ROOT = Path(__file__).resolve().parent.parent
MAX_DEPTH = 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Limit = Annotated[float, Field(gt=0)] | None


def _auto_or_count(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"must be auto or a positive whole number, not {value!r}")


Count = Annotated[Literal["auto"] | int, BeforeValidator(_auto_or_count)]
DataName = Literal["auto", "fashion_mnist", "mnist", "digits", "idx", "npz", "folder"]
CostName = Literal[
    "epoch_seconds", "latency_ms", "train_seconds", "time_to_accuracy_seconds",
    "device_memory_mib", "parameters", "macs",
]  # fmt: skip


Name = TypeVar("Name", bound=str)


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class _Dimension(Section):
    """One dimension of the search space: a list of choices, or a range.

    ``choices`` alone is a list; ``low`` and ``high`` (both included) with ``log`` or
    ``step`` are a range. Keys that are not used are null; a fixed value is one choice.
    """

    choices: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None
    log: bool | None = None
    step: float | None = None

    @model_validator(mode="after")
    def _list_or_range(self) -> Self:
        ranged = [k for k in ("low", "high", "log", "step") if getattr(self, k) is not None]
        if self.choices is not None:
            if ranged:
                raise ValueError(f"choices and {ranged[0]} exclude each other, set one to null")
            if not self.choices:
                raise ValueError("choices is empty, give at least one value")
            if len(set(self.choices)) < len(self.choices):
                raise ValueError(f"choices repeat a value: {list(self.choices)}")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give choices, or both low and high")
        if self.low > self.high:
            raise ValueError(f"low must not be above high, but {self.low:g} > {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low above 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other, set one to null")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step must be positive, not {self.step:g}")
        return self

    @property
    def smallest(self) -> Any:
        """The smallest value that can be drawn."""
        return min(self.choices) if self.choices is not None else self.low

    @property
    def largest(self) -> Any:
        """The largest value that can be drawn."""
        return max(self.choices) if self.choices is not None else self.high


class IntegerDimension(_Dimension):
    """A dimension of whole numbers."""

    choices: tuple[int, ...] | None = None
    low: int | None = None
    high: int | None = None
    step: int | None = None

    def values(self) -> tuple[int, ...]:
        """Return every value that can be drawn, in order."""
        if self.choices is not None:
            return tuple(sorted(self.choices))
        assert self.low is not None and self.high is not None
        return tuple(range(self.low, self.high + 1, self.step or 1))


class FloatDimension(_Dimension):
    """A dimension of real numbers."""

    choices: tuple[float, ...] | None = None

    def values(self) -> tuple[float, ...] | None:
        """Return every value that can be drawn, in order; None where they are continuous."""
        if self.choices is not None:
            return tuple(sorted(self.choices))
        assert self.low is not None and self.high is not None
        if self.step is None:
            return (self.low,) if self.low == self.high else None
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(round(self.low + index * self.step, 12) for index in range(count))


class NamedDimension(_Dimension, Generic[Name]):
    """A dimension of names: choices only."""

    choices: tuple[Name, ...] | None = None

    @model_validator(mode="after")
    def _choices_only(self) -> Self:
        if self.choices is None:
            raise ValueError("names have no low and high, give choices")
        return self

    def values(self) -> tuple[Name, ...]:
        """Return the names as given."""
        assert self.choices is not None
        return self.choices


class SpaceConfig(Section):
    """The search space: per layer from ``filters`` to ``normalisation``, else per network."""

    name: str
    depth: IntegerDimension
    filters: IntegerDimension
    kernel_size: IntegerDimension
    padding: NamedDimension[Padding]
    pooling: NamedDimension[Pooling]
    normalisation: NamedDimension[Normalisation]
    dense_units: IntegerDimension
    dropout: FloatDimension
    batch_size: IntegerDimension
    optimizer: NamedDimension[Optimizer]
    learning_rate: FloatDimension
    schedule: NamedDimension[Schedule]

    @field_validator("depth")
    @classmethod
    def _depth(cls, value: IntegerDimension) -> IntegerDimension:
        if value.smallest < 0 or value.largest > MAX_DEPTH:
            raise ValueError(f"depth must lie in 0 to {MAX_DEPTH}, not {list(value.values())}")
        return value

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: IntegerDimension) -> IntegerDimension:
        if value.log:
            raise ValueError("kernel sizes are drawn from a short list, log does not apply")
        for size in value.values():
            if size < 1 or size % 2 == 0:
                raise ValueError(
                    f"kernel sizes must be odd, so that a filter has a centre, not {size}"
                )
        return value

    @field_validator("filters", "dense_units", "batch_size")
    @classmethod
    def _positive(cls, value: IntegerDimension) -> IntegerDimension:
        if value.smallest < 1:
            raise ValueError(f"values must be at least 1, not {value.smallest}")
        return value

    @field_validator("dropout")
    @classmethod
    def _rate(cls, value: FloatDimension) -> FloatDimension:
        if value.smallest < 0 or value.largest >= 1:
            raise ValueError("dropout rates must be at least 0 and less than 1")
        return value

    @field_validator("learning_rate")
    @classmethod
    def _rate_positive(cls, value: FloatDimension) -> FloatDimension:
        if value.smallest <= 0:
            raise ValueError(f"learning rates must be positive, not {value.smallest:g}")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value)


class DataConfig(Section):
    """Which images, and how they are split."""

    name: DataName
    dir: Path | None = None  #: folder of `fashion_mnist/`, `mnist/`, four IDX files, or classes
    file: Path | None = None  #: the archive for `npz`
    classes: tuple[str, ...] | None = None  #: class names, where the source has none
    image_size: Annotated[int, Field(ge=8, le=512)] | None = None  #: pixels a side, for `folder`
    validation: Share = 0.1667  #: share of the training images kept for validation
    test: Share = 0.15  #: share kept for test where the source has no test set of its own
    limit: Positive | None = None  #: use this many training images (validation included)
    seed: Annotated[int, Field(ge=0)] = 0
    download: bool = True  #: let `auto`, `fashion_mnist` and `mnist` use Keras' download

    @model_validator(mode="after")
    def _source_is_complete(self) -> Self:
        if self.name in ("idx", "folder") and self.dir is None:
            raise ValueError(f"data={self.name} needs data.dir, the folder to read")
        if self.name == "npz" and self.file is None:
            raise ValueError("data=npz needs data.file, the archive to read")
        return self


class TrainingConfig(Section):
    """How every trial is trained, and the recipe of the references."""

    epochs: Positive
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    deterministic: bool
    jit_compile: Literal["auto", "on", "off"]
    steps_per_execution: Positive
    patience: Positive | None = None  #: epochs without a better validation loss
    stop_at_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None  #: training accuracy
    batch_size: Positive
    optimizer: Optimizer
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Schedule
    max_seconds: Annotated[float, Field(gt=0)] | None = None  #: a trial's longest time
    evaluation_batch_size: Positive = 1000

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
    """How cost is measured before training."""

    step_executions: Annotated[int, Field(ge=3)]  #: timed executions of the training step
    latency_samples: Annotated[int, Field(ge=10)]  #: timed calls a batch size
    warmup_seconds: Annotated[float, Field(gt=0, le=60)]  #: longest warm-up of a timed call


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
        limits = {name: limit for name, limit in self if limit is not None}
        return {
            name: costs[name] / limit - 1.0
            for name, limit in limits.items()
            if name in costs and costs[name] > limit
        }


class ObjectiveConfig(Section):
    """What a sweep looks for besides validation accuracy."""

    costs: Annotated[tuple[CostName, ...], Field(min_length=1)]
    rule: Literal["knee", "budget", "price", "one_standard_error"]
    budget: Annotated[float, Field(gt=0)] | None = None  #: for the rule `budget`: a cost's most
    price: Annotated[float, Field(gt=0)] | None = None  #: points of accuracy a doubled cost brings
    limits: LimitsConfig = LimitsConfig()
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(set(self.costs)) < len(self.costs):
            raise ValueError(f"costs repeat a name: {list(self.costs)}")
        if self.rule == "budget" and self.budget is None:
            raise ValueError(
                f"the rule budget needs objective.budget, the most {self.costs[0]} may be"
            )
        if self.rule == "price" and self.price is None:
            raise ValueError(
                "the rule price needs objective.price, the percentage points of accuracy that a "
                f"doubling of {self.costs[0]} has to bring"
            )
        if "time_to_accuracy_seconds" in self.costs and self.target_accuracy is None:
            raise ValueError("the cost time_to_accuracy_seconds needs objective.target_accuracy")
        return self


class RungsConfig(Section):
    """When a running trial is compared with its peers."""

    enabled: bool
    first: Positive  #: epoch of the first rung; the next ones double it
    keep: Share  #: share of a rung that goes on
    peers: Annotated[int, Field(ge=2)]  #: trials a rung needs before it stops anything


class SearchConfig(Section):
    """How the space is searched, and for how long."""

    sampler: Literal["tpe", "random"]
    seed: Annotated[int, Field(ge=0)]
    startup_trials: Positive  #: random trials before TPE starts to model
    rungs: RungsConfig
    trials: Positive  #: originals in all, the two references included
    minutes: Annotated[float, Field(gt=0)] | None = None  #: and the most minutes of one run
    max_failed: Annotated[int, Field(ge=0)]  #: more failures than this end with status 1
    max_retries: Annotated[int, Field(ge=0)]  #: how often an interrupted trial is queued again


class StorageConfig(Section):
    """Where Optuna keeps the study."""

    kind: Literal["journal"]
    path: Path | None = None  #: default: `optuna.journal` under `mlruns`


class TrackingConfig(Section):
    """Where MLflow is, and what it gets."""

    enabled: bool
    uri: str | None = None  #: default: the SQLite store under `mlruns`
    interval_seconds: Annotated[float, Field(gt=0)]
    system_metrics: bool


class LaunchConfig(Section):
    """Which processes train."""

    kind: Literal["local"]
    workers: Count
    threads: Count  #: compute threads a worker


class Config(Section):
    """Everything a command needs to know."""

    sweep_name: str | None = None
    mlruns: Path
    architecture: str | None = None  #: for `train`: the network; null draws one from the space
    references: bool = True  #: every sweep has both; `train` goes without them
    data: DataConfig
    space: SpaceConfig
    training: TrainingConfig
    measuring: MeasuringConfig
    objective: ObjectiveConfig
    search: SearchConfig
    storage: StorageConfig
    tracking: TrackingConfig
    launch: LaunchConfig

    @field_validator("sweep_name")
    @classmethod
    def _sweep_name(cls, value: str | None) -> str | None:
        return None if value is None else checked_name(value)

    @field_validator("architecture")
    @classmethod
    def _architecture(cls, value: str | None) -> str | None:
        try:
            return None if value is None else Architecture.parse(value).notation
        except ConfigurationError as error:
            raise ValueError(str(error)) from error

    @field_validator("mlruns")
    @classmethod
    def _mlruns(cls, value: Path) -> Path:
        return anchored(value)

    @model_validator(mode="after")
    def _room_for_references(self) -> Self:
        if self.references and self.search.trials < len(REFERENCES):
            raise ValueError(
                f"search.trials must be at least {len(REFERENCES)}, for the two references, not "
                f"{self.search.trials}"
            )
        return self

    @property
    def sweep_dir(self) -> Path:
        """The sweep's folder; the sweep has its name by now."""
        assert self.sweep_name is not None
        return self.mlruns / "sweeps" / self.sweep_name

    @property
    def storage_path(self) -> Path:
        """The journal file of the study."""
        return anchored(self.storage.path) if self.storage.path else self.mlruns / "optuna.journal"


def anchored(path: Path) -> Path:
    """Return the absolute path; a relative one starts at the project, wherever we are."""
    return (PROJECT_ROOT / path.expanduser()).resolve()


def checked_name(value: str) -> str:
    """Return a name that is safe as a folder, or raise ValueError."""
    if not _NAME.fullmatch(value) or ".." in value:
        raise ValueError(
            "a name consists of letters, digits, '.', '_' and '-' (at most 100, no '..'), "
            f"not {value!r}"
        )
    return value


def identity_parts(config: Config, data_fingerprint: str) -> dict[str, Any]:
    """Return what makes a sweep this sweep: another value asks another question.

    Parameters
    ----------
    config
        With ``training.precision`` resolved.
    data_fingerprint
        Of the images, labels and splits that were resolved.
    """
    search = config.search.model_dump(mode="json")
    for budget in ("trials", "minutes", "max_failed", "max_retries"):
        del search[budget]
    return {
        "architecture": config.architecture,
        "data": data_fingerprint,
        "space": config.space.model_dump(mode="json"),
        "objective": config.objective.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "measuring": config.measuring.model_dump(mode="json"),
        "search": search,
    }


def identity_hash(parts: Mapping[str, Any]) -> str:
    """Return 64 hexadecimal digits that stand for ``identity_parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differing_keys(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys whose values differ, sorted."""
    keys = []
    for key in sorted(set(ours) | set(theirs)):
        left, right = ours.get(key), theirs.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            keys += [f"{key}.{below}" for below in differing_keys(left, right)]
        elif left != right:
            keys.append(key)
    return keys
