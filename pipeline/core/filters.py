"""Filters as people write them: a small table of numbers, a factor and a bias.

A filter is laid over every pixel in turn; each number is multiplied with the pixel under it,
and the sum, times the factor, plus the bias, is the new pixel. Two rules follow from that:

- Sides are odd, so that one pixel is the centre.
- What the numbers (times the factor) add up to is what becomes of the brightness of an even
  area: 1 keeps it, more brightens, less darkens, 0 leaves nothing but the edges.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Padding
from pipeline.core.errors import ConfigurationError

#: Sums nearer than this are the same: 9 times 1/9 is not quite 1.
_SAME_WITHIN = 1e-6
#: What is smaller or larger leaves the range of the pictures' float32; a factor that normalises the
#: largest filter is within.
_LEAST, _MOST = 1e-12, 1e6
#: Largest side; beyond it a filter is slower than it is useful.
MAX_SIDE = 99


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A filter for one channel.

    Parameters
    ----------
    name
        What it is called, such as ``sobel_x``.
    rows
        The numbers, row by row: rectangular, each side odd and at most 99.
    factor
        Multiplies every sum.
    bias
        Is added after that, in units of pixel values from 0 to 255.
    does
        What it is for, in words; empty for a filter of one's own.

    Raises
    ------
    ConfigurationError
        A rule is broken; the message names it and what was received.
    """

    name: str
    rows: tuple[tuple[float, ...], ...]
    factor: float = 1.0
    bias: float = 0.0
    does: str = ""

    def __post_init__(self) -> None:
        check_rows(self.rows)
        if not math.isfinite(self.factor) or not math.isfinite(self.bias):
            raise ConfigurationError(
                f"factor and bias must be finite numbers, not {self.factor:g} and {self.bias:g}"
            )
        for number in (self.factor, self.bias, *(number for row in self.rows for number in row)):
            if number and not _LEAST <= abs(number) <= _MOST:
                raise ConfigurationError(
                    f"numbers, factor and bias must be 0 or between {_LEAST:g} and {_MOST:g} in "
                    f"size, not {number:g}"
                )

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.rows[0])

    @property
    def weights(self) -> NDArray[np.float64]:
        """The numbers times the factor, float64, shape ``(height, width)``."""
        return np.asarray(self.rows, dtype=np.float64) * self.factor

    @property
    def sum(self) -> float:
        """What the weights add up to, summed exactly; 0, 1 or -1 where rounding hides that."""
        total = math.fsum(math.fsum(row) for row in self.rows) * self.factor
        for whole in (0.0, 1.0, -1.0):
            if math.isclose(total, whole, abs_tol=_SAME_WITHIN):
                return whole
        return total

    def normalised(self) -> "Filter":
        """Return the same filter with the factor that makes the weights add up to 1.

        Raises
        ------
        ConfigurationError
            The numbers add up to 0, and no factor changes that.
        """
        total = math.fsum(math.fsum(row) for row in self.rows)
        if abs(total) <= _SAME_WITHIN:
            raise ConfigurationError(
                f"{self.name} cannot be normalised: its numbers add up to 0, and no factor makes "
                "that 1"
            )
        return replace(self, factor=1.0 / total)


def check_rows(rows: Sequence[Sequence[float]]) -> None:
    """Raise ConfigurationError where rows are not a filter: see ``Filter``."""
    if not rows or not rows[0]:
        raise ConfigurationError("a filter needs at least one number")
    lengths = [len(row) for row in rows]
    other = next((index for index, n in enumerate(lengths, start=1) if n != lengths[0]), None)
    if other is not None:
        raise ConfigurationError(
            "a filter must have rows of one length, but row 1 has "
            f"{_numbers(lengths[0])} and row {other} has {_numbers(lengths[other - 1])}"
        )
    height, width = len(rows), lengths[0]
    if height % 2 == 0 or width % 2 == 0:
        raise ConfigurationError(
            f"a filter's sides must be odd, so that it has a centre, not {height}×{width}"
        )
    if max(height, width) > MAX_SIDE:
        raise ConfigurationError(
            f"a filter's sides must be at most {MAX_SIDE}, not {height}×{width}"
        )
    if not all(math.isfinite(number) for row in rows for number in row):
        raise ConfigurationError("a filter's numbers must be finite")


def brightness_rule(kernel: Filter) -> str:
    """Return what the sum of a filter does to a picture, in one sentence."""
    total = kernel.sum
    numbers = f"The numbers{'' if kernel.factor == 1 else ' times the factor'} add up to"
    match total:
        case 0.0:
            left = f"lifted to {kernel.bias:g} by the bias" if kernel.bias else "black"
            return f"{numbers} 0: even areas become {left}, and only edges stand out."
        case 1.0:
            rule = "the picture keeps its brightness"
        case _ if total < 0:
            rule = "bright turns dark (below 0), as in a negative"
        case _ if total > 1:
            rule = f"even areas become {total:.3g} times as bright"
        case _:
            rule = f"even areas become darker, {total:.3g} of their brightness"
    lifted = f", then the bias adds {kernel.bias:g}" if kernel.bias else ""
    return f"{numbers} {total:.4g}: {rule}{lifted}."


def filtered_side(side: int, length: int, padding: Padding, stride: int) -> int:
    """Return a side's length after a filter of this length; below 1 where it does not fit."""
    if padding == "same":
        return -(-side // stride)
    return (side - length) // stride + 1


def size_rule(side: int, length: int, padding: Padding, stride: int) -> str:
    """Return why a side has its length after a filter, in words."""
    after = filtered_side(side, length, padding, stride)
    steps = "" if stride == 1 else f", every {_ordinal(stride)} of them"
    if padding == "same":
        return f"zeros around the edge keep {side}{steps}: {after}"
    if length == 1:
        return f"a filter of 1 keeps {side}{steps}: {after}"
    margin = length // 2
    return (
        f"{_numbers(margin, 'pixel')} around the centre must exist: {side} - {length - 1} = "
        f"{side - length + 1}{f'{steps}: {after}' if steps else ''}"
    )


def _numbers(count: int, noun: str = "number") -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
