"""Dimensions of a search space: what one setting of a trial may be."""

from typing import Any, Generic, Self, TypeVar

from pydantic import model_validator

from pipeline.config.section import Section

Name = TypeVar("Name", bound=str)


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

    @property
    def largest(self) -> int:
        """The largest value that can be drawn; below ``high`` where no step ends there."""
        if self.choices is not None:
            return max(self.choices)
        assert self.low is not None
        return self.low + (int(self.count) - 1) * (self.step or 1)

    @property
    def count(self) -> float:
        """How many values can be drawn."""
        if self.choices is not None:
            return len(self.choices)
        assert self.low is not None and self.high is not None
        return (self.high - self.low) // (self.step or 1) + 1

    def values(self) -> tuple[int, ...]:
        """Return every value that can be drawn, in order."""
        if self.choices is not None:
            return tuple(sorted(self.choices))
        assert self.low is not None and self.high is not None
        return tuple(range(self.low, self.high + 1, self.step or 1))


class FloatDimension(_Dimension):
    """A dimension of real numbers."""

    choices: tuple[float, ...] | None = None

    @property
    def count(self) -> float:
        """How many values can be drawn, 1 where they are continuous; infinite for tiny steps."""
        if self.choices is not None:
            return len(self.choices)
        if self.step is None:
            return 1
        assert self.low is not None and self.high is not None
        return (self.high - self.low) / self.step + 1

    def values(self) -> tuple[float, ...] | None:
        """Return every value that can be drawn, in order; None where they are continuous."""
        if self.choices is not None:
            return tuple(sorted(self.choices))
        assert self.low is not None and self.high is not None
        if self.step is None:
            return (self.low,) if self.low == self.high else None
        count = int(self.count + 1e-9)
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
