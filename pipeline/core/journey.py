"""The shape journey: what each layer does to the size of the image, and what it costs.

Parameters and multiply-accumulates follow from the shapes alone, so a network's cost is
known before it is built. Formulas for a convolution with ``f`` filters of side ``k`` on
``c`` channels giving ``h x w`` outputs: ``k*k*c*f + f`` parameters (the ``+ f`` is the bias)
and ``h*w*k*k*c*f`` multiply-accumulates; a dense layer from ``n`` to ``m``: ``n*m + m`` and
``n*m``. Batch normalisation holds four values a channel (scale, shift, moving mean, moving
variance) and, folded into the convolution when used, costs no multiply-accumulates. Pooling,
ReLU and bias additions are not counted, as is usual.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.core.architecture import REFERENCES, Architecture, ConvolutionBlock
from pipeline.core.errors import ConfigurationError

LayerKind = Literal["input", "convolution", "normalisation", "pooling", "flatten", "dense"]
ImageShape = tuple[int, int, int]
POOL_SIZE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One step of the journey.

    Parameters
    ----------
    name
        The layer's name, equal to the Keras layer's (``convolution_1``, ``pooling_1``, …).
    shape
        Output shape without the batch: ``(height, width, channels)`` or ``(units,)``.
    parameters
        Weights of this layer, moving statistics included.
    macs
        Multiply-accumulates of this layer for one image.
    reason
        Why the output has this size, in words.
    """

    kind: LayerKind
    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    reason: str

    @property
    def shape_text(self) -> str:
        """The shape as people write it: ``26×26×64``, or ``1600``."""
        return "×".join(str(side) for side in self.shape)


def shape_journey(
    architecture: Architecture, image_shape: ImageShape, classes: int
) -> tuple[Stage, ...]:
    """Follow an image of ``(height, width, channels)`` through the network.

    Raises
    ------
    ConfigurationError
        A kernel or a pooling window does not fit the feature map that it meets.
    """
    return tuple(_stages(architecture, image_shape, classes))


def misfit(architecture: Architecture, image_shape: ImageShape, classes: int) -> str | None:
    """Return why the network does not fit the images; None where it does."""
    try:
        shape_journey(architecture, image_shape, classes)
    except ConfigurationError as error:
        return str(error)
    return None


def timed_beside(image_shape: ImageShape, classes: int) -> str:
    """Return which reference others are timed in turn with: ``cnn``, or ``dnn`` where none fits.

    The images may be too small for the two blocks of the ``cnn``.
    """
    return "cnn" if misfit(REFERENCES["cnn"], image_shape, classes) is None else "dnn"


def _stages(architecture: Architecture, image_shape: ImageShape, classes: int) -> Iterator[Stage]:
    height, width, channels = image_shape
    yield Stage(
        kind="input", name="image", shape=image_shape, parameters=0, macs=0,
        reason=f"the image: {height} by {width} pixels, {_count(channels, 'channel')}",
    )  # fmt: skip
    for index, block in enumerate(architecture.blocks, start=1):
        for stage in _block_stages(block, index, (height, width, channels)):
            yield stage
            height, width, channels = stage.shape
    values = height * width * channels
    yield Stage(
        kind="flatten", name="flatten", shape=(values,), parameters=0, macs=0,
        reason=f"{height} × {width} × {channels} values in one row",
    )  # fmt: skip
    units = architecture.dense_units
    for name, size, before, what in (
        ("dense", units, values, f"{units} units, each sees all {values} values"),
        ("classes", classes, units, f"one probability for each of {classes} classes"),
    ):
        yield Stage(
            kind="dense", name=name, shape=(size,), parameters=before * size + size,
            macs=before * size, reason=what,
        )  # fmt: skip


def _block_stages(block: ConvolutionBlock, index: int, shape: ImageShape) -> Iterator[Stage]:
    channels = shape[2]
    kernel = block.kernel_size
    height, width = (after_convolution(side, kernel, block.padding) for side in shape[:2])
    if min(height, width) < 1:
        raise ConfigurationError(
            f"block {index} ({block.notation}): a {kernel}×{kernel} kernel does not fit a "
            f"{shape[0]}×{shape[1]} feature map"
        )
    weights = kernel * kernel * channels * block.filters
    normalised = block.normalisation == "batch"
    yield Stage(
        kind="convolution", name=f"convolution_{index}", shape=(height, width, block.filters),
        parameters=weights + (0 if normalised else block.filters), macs=height * width * weights,
        reason=_convolution_reason(shape[:2], (height, width), block),
    )  # fmt: skip
    if normalised:
        yield Stage(
            kind="normalisation", name=f"normalisation_{index}",
            shape=(height, width, block.filters), parameters=4 * block.filters, macs=0,
            reason="batch normalisation keeps the size",
        )  # fmt: skip
    if block.pooling != "none":
        pooled = (height // POOL_SIZE, width // POOL_SIZE)
        if min(pooled) < 1:
            raise ConfigurationError(
                f"block {index} ({block.notation}): a {height}×{width} feature map is too small "
                "to pool"
            )
        verb = "largest" if block.pooling == "max" else "mean"
        dropped = [n for n, side in (("row", height), ("column", width)) if side % POOL_SIZE]
        left = f" and drops the last {' and '.join(dropped)}" if dropped else ""
        yield Stage(
            kind="pooling", name=f"pooling_{index}", shape=(*pooled, block.filters),
            parameters=0, macs=0,
            reason=f"keeps the {verb} of each 2×2 square: half of {_sides(height, width)}{left}",
        )  # fmt: skip


def _convolution_reason(
    before: tuple[int, int], after: tuple[int, int], block: ConvolutionBlock
) -> str:
    kernel = block.kernel_size
    if block.padding == "same":
        return f"{kernel}×{kernel} filters with zeros around the edge keep {_sides(*before)}"
    if kernel == 1:
        return f"1×1 filters keep {_sides(*before)}"
    sums = [f"{b} - {kernel - 1} = {a}" for b, a in zip(before, after, strict=True)]
    return (
        f"{kernel}×{kernel} filters need {kernel // 2} "
        f"{'pixel' if kernel == 3 else 'pixels'} around the centre: "
        f"{' and '.join(dict.fromkeys(sums))}"
    )


def _sides(height: int, width: int) -> str:
    return str(height) if height == width else f"{height} and {width}"


def after_convolution(side: int, kernel_size: int, padding: str) -> int:
    """Return a side's length after a stride-1 convolution; below 1 where nothing is left."""
    return side if padding == "same" else side - kernel_size + 1


def after_pooling(side: int) -> int:
    """Return a side's length after 2x2 pooling; 0 where the window does not fit."""
    return side // POOL_SIZE


def parameters(architecture: Architecture, image_shape: ImageShape, classes: int) -> int:
    """Return the number of weights, as Keras' ``count_params`` counts them."""
    return sum(stage.parameters for stage in _stages(architecture, image_shape, classes))


def macs(architecture: Architecture, image_shape: ImageShape, classes: int) -> int:
    """Return the multiply-accumulates of classifying one image."""
    return sum(stage.macs for stage in _stages(architecture, image_shape, classes))


def counted_costs(
    architecture: Architecture, image_shape: ImageShape, classes: int
) -> dict[str, float]:
    """Return the costs that follow from the architecture alone, by name."""
    return {
        "parameters": float(parameters(architecture, image_shape, classes)),
        "macs": float(macs(architecture, image_shape, classes)),
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
