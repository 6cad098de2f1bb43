"""The architecture of a network and its notation.

An architecture is a sequence of convolution blocks and a dense head. Its notation is
short enough for a table and complete enough to rebuild the network::

    64k3-64k3-d128            two blocks: 64 filters, 3x3, valid padding, max pooling
    32k5sb-64k3a-d128p0.3     same padding and batch normalisation; average pooling; dropout
    d128                      no convolution: the plain dense network
"""

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.core.errors import ConfigurationError

Padding = Literal["valid", "same"]
Pooling = Literal["max", "average", "none"]
Normalisation = Literal["none", "batch"]

# Numbers of at most nine digits: no network has more, and int() refuses thousands.
_BLOCK = re.compile(
    r"(?P<filters>[1-9][0-9]{0,8})k(?P<kernel_size>[1-9][0-9]{0,8})"
    r"(?P<padding>s?)(?P<pooling>[an]?)(?P<normalisation>b?)",
    re.ASCII,
)
_HEAD = re.compile(
    r"d(?P<units>[1-9][0-9]{0,8})(?:p(?P<rate>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?))?", re.ASCII
)
_POOLING_LETTERS: dict[Pooling, str] = {"max": "", "average": "a", "none": "n"}
_LETTER_POOLINGS: dict[str, Pooling] = {v: k for k, v in _POOLING_LETTERS.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvolutionBlock:
    """Convolution, optional batch normalisation, ReLU, optional 2x2 pooling.

    Parameters
    ----------
    filters
        Output channels, at least 1.
    kernel_size
        Side of the square kernel in pixels; odd, so that it has a centre.
    padding
        ``valid`` shrinks each side by ``kernel_size - 1``; ``same`` keeps the size.
    pooling
        2x2 window with stride 2, or none.
    normalisation
        ``batch`` puts batch normalisation between convolution and ReLU; the convolution
        then has no bias, which the normalisation would cancel.

    Raises
    ------
    ConfigurationError
        A value is not positive, or the kernel size is even.
    """

    filters: int
    kernel_size: int
    padding: Padding = "valid"
    pooling: Pooling = "max"
    normalisation: Normalisation = "none"

    def __post_init__(self) -> None:
        if self.filters < 1:
            raise ConfigurationError(f"filters must be at least 1, not {self.filters}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ConfigurationError(
                f"kernel_size must be odd, so that the filter has a centre, not {self.kernel_size}"
            )

    @property
    def notation(self) -> str:
        """The block as text, such as ``32k5sb``."""
        return (
            f"{self.filters}k{self.kernel_size}"
            f"{'s' if self.padding == 'same' else ''}"
            f"{_POOLING_LETTERS[self.pooling]}"
            f"{'b' if self.normalisation == 'batch' else ''}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Convolution blocks in order, then flatten, one dense ReLU layer, and the classes.

    Parameters
    ----------
    blocks
        Convolution blocks from the image on; empty for the plain dense network.
    dense_units
        Units of the hidden dense layer, at least 1.
    dropout
        Share of the dense layer's outputs dropped while training, in [0, 1).
    """

    blocks: tuple[ConvolutionBlock, ...] = ()
    dense_units: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.dense_units < 1:
            raise ConfigurationError(f"dense_units must be at least 1, not {self.dense_units}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigurationError(
                f"dropout must be at least 0 and less than 1, not {self.dropout}"
            )

    @property
    def depth(self) -> int:
        """The number of convolution blocks."""
        return len(self.blocks)

    @property
    def notation(self) -> str:
        """The architecture as text; ``parse`` of it gives an equal value."""
        rate = f"p{float(self.dropout)!r}" if self.dropout else ""
        return "-".join([*(block.notation for block in self.blocks), f"d{self.dense_units}{rate}"])

    def __str__(self) -> str:
        return self.notation

    @classmethod
    def parse(cls, text: str) -> "Architecture":
        """Read the notation.

        Raises
        ------
        ConfigurationError
            The text is not an architecture; the message names the part that is wrong.
        """
        # A tiny dropout prints as 1e-05: the minus sign of an exponent separates nothing.
        *block_texts, head_text = re.split(r"(?<!e)-", text)
        head = _HEAD.fullmatch(head_text)
        if head is None:
            raise ConfigurationError(
                f"architecture {text!r} must end with dUNITS or dUNITSpRATE (such as d128 or "
                f"d128p0.3), not {head_text!r}"
            )
        return cls(
            blocks=tuple(_parse_block(block, text) for block in block_texts),
            dense_units=int(head["units"]),
            dropout=float(head["rate"] or 0.0),
        )


def _parse_block(text: str, whole: str) -> ConvolutionBlock:
    match = _BLOCK.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            f"architecture {whole!r}: {text!r} is not a block such as 64k3, 32k5sb or 64k3a "
            "(FILTERSkKERNEL, s same padding, a average or n no pooling, b batch normalisation)"
        )
    return ConvolutionBlock(
        filters=int(match["filters"]),
        kernel_size=int(match["kernel_size"]),
        padding="same" if match["padding"] else "valid",
        pooling=_LETTER_POOLINGS[match["pooling"]],
        normalisation="batch" if match["normalisation"] else "none",
    )


#: The two networks every sweep contains, so that a gain has something to be a gain over.
REFERENCES: dict[str, Architecture] = {
    "dnn": Architecture(dense_units=128),
    "cnn": Architecture(
        blocks=(
            ConvolutionBlock(filters=64, kernel_size=3),
            ConvolutionBlock(filters=64, kernel_size=3),
        ),
        dense_units=128,
    ),
}
