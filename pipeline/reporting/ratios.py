"""How a ratio of two costs is judged, and how it is said."""

from collections.abc import Mapping
from typing import Any

#: Ratios nearer to 1 than this, either way, are within what a machine's moods do.
SAME_WITHIN = 1.05
#: Ratios from here on are given without a decimal.
_WHOLE_FROM = 9.95


def order(ratio: float, *, exact: bool = False) -> int:
    """Return 1 where a ratio is above 1, -1 where it is below, and 0 where neither can be told.

    Parameters
    ----------
    exact
        Whether both costs are counted: then every difference is one.
    """
    if exact:
        return (ratio > 1) - (ratio < 1)
    return (ratio >= SAME_WITHIN) - (ratio <= 1 / SAME_WITHIN)


def times(ratio: float) -> str:
    """Return how many times the larger one is of the smaller, such as ``1.9 times``."""
    larger = max(ratio, 1 / ratio)
    return f"{larger:.0f} times" if larger >= _WHOLE_FROM else f"{larger:.1f} times"


def difference(ratio: float) -> str:
    """Return how much two counts differ: in times, or in percent where that would say 1.0.

    Parameters
    ----------
    ratio
        The other count divided by the one that is told of; the percentage is of the other.
    """
    said = times(ratio)
    return f"{100 * abs(1 / ratio - 1):.2g}%" if said == "1.0 times" else said


def training_ratio(network: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """Return how many times a network's whole training another one's takes.

    None where both were trained for as many epochs, or one of their epochs is not known.

    Parameters
    ----------
    network, other
        Values of a sweet spot or a reference in ``summary.json``; earlier versions' have no
        epochs.
    """
    ours, theirs = network.get("epochs"), other.get("epochs")
    price, paid = network.get("epoch_seconds"), other.get("epoch_seconds")
    if not ours or not theirs or not price or not paid or ours == theirs:
        return None
    return float((theirs * paid) / (ours * price))
