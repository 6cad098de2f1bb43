"""What a file says, as the types that it ought to be of; its text may be anybody's."""

from collections.abc import Mapping
from typing import Any


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers by name."""
    return {str(name): float(value) for name, value in values.items()}


def number_or_none(value: Any) -> float | None:
    """Return a number; None for null."""
    return None if value is None else float(value)


def text_or_none(value: Any) -> str | None:
    """Return a text; None for null."""
    return None if value is None else str(value)
