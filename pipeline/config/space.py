"""The search space as it is configured; ``pipeline.search.space`` draws from it."""

from typing import Any, TypeVar

from pydantic import Field, field_validator

from pipeline.config.dimensions import FloatDimension, IntegerDimension, NamedDimension
from pipeline.config.section import Section, checked_name
from pipeline.core.architecture import Normalisation, Padding, Pooling
from pipeline.core.trial import Augmentation, Optimizer, Schedule

MAX_DEPTH = 4
#: Of one range; each is written out where they are counted and drawn.
MAX_VALUES = 1_000_000
_Counted = TypeVar("_Counted", FloatDimension, IntegerDimension, IntegerDimension | None)


class SpaceConfig(Section):
    """The search space.

    ``filters`` to ``normalisation`` are chosen for each layer, all other dimensions once for a
    network.
    """

    name: str  #: part of the default `sweep_name`
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
    augmentation: NamedDimension[Augmentation] = Field(
        default=NamedDimension[Augmentation](choices=("none",))
    )
    epochs: IntegerDimension | None = None  #: null in every key: as `training.epochs` says

    @field_validator("epochs", mode="before")
    @classmethod
    def _epochs(cls, value: Any) -> Any:
        left_out = isinstance(value, dict) and all(item is None for item in value.values())
        return None if left_out else value

    @field_validator("depth")
    @classmethod
    def _depth(cls, value: IntegerDimension) -> IntegerDimension:
        if value.smallest < 0 or value.largest > MAX_DEPTH:
            raise ValueError(
                f"depth must lie in 0 to {MAX_DEPTH}, not {value.smallest} to {value.largest}"
            )
        return value

    @field_validator(
        "filters", "kernel_size", "dense_units", "dropout", "batch_size", "learning_rate", "epochs"
    )
    @classmethod
    def _countable(cls, value: _Counted) -> _Counted:
        if value is not None and value.count > MAX_VALUES:
            raise ValueError(
                f"a range may have at most {MAX_VALUES:,} values: take larger steps, or less"
            )
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

    @field_validator("filters", "dense_units", "batch_size", "epochs")
    @classmethod
    def _positive(cls, value: IntegerDimension | None) -> IntegerDimension | None:
        if value is not None and value.smallest < 1:
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
