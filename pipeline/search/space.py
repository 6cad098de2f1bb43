"""The space of networks: what can be drawn, feasible by construction.

A draw walks from the image down. Before each choice it is known how many layers still have to
fit behind it, so only choices that leave room for them are taken: kernels that are small
enough, pooling where the map stays large enough, otherwise none. No draw fails by shape.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from typing import Any, Literal, Protocol, TypeVar

from pipeline.config import FloatDimension, IntegerDimension, SpaceConfig
from pipeline.core.architecture import (
    Architecture,
    ConvolutionBlock,
    Padding,
    Pooling,
)
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import (
    ImageShape,
    after_convolution,
    after_pooling,
    macs,
    parameters,
)
from pipeline.core.trial import Recipe

Name = TypeVar("Name", bound=str)
Number = TypeVar("Number", int, float)
AnalyticCost = Literal["parameters", "macs"]

#: Values a filter has beside its weights: a bias, or the four of batch normalisation.
_NORMALISATION_VALUES: dict[str, int] = {"none": 1, "batch": 4}


class Chooser(Protocol):
    """Whoever decides: an Optuna trial, or a random generator."""

    def integer(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a real number from ``low`` to ``high``."""

    def named(self, name: str, choices: tuple[Name, ...]) -> Name:
        """Return one of ``choices``, which are the same in every draw."""

    def listed(self, name: str, values: tuple[Number, ...]) -> Number:
        """Return one of sorted numbers, which are the same for a name in every draw."""


@dataclass(frozen=True)
class SearchSpace:
    """The networks that ``config`` allows on images of ``image_shape``.

    Raises
    ------
    ConfigurationError
        Nothing fits: no depth of the space has a network for these images.
    """

    config: SpaceConfig
    image_shape: ImageShape
    classes: int

    def __post_init__(self) -> None:
        if not self.depths:
            side = min(self.image_shape[:2])
            raise ConfigurationError(
                f"nothing in space {self.config.name} fits {self.image_shape[0]}×"
                f"{self.image_shape[1]} images: {min(self.config.depth.values())} blocks with "
                f"kernels of at least {self.kernels[0]} and padding "
                f"{' or '.join(self.config.padding.values())} need more than {side} pixels; "
                "choose smaller kernels, less depth or space/padding=both"
            )

    @cached_property
    def kernels(self) -> tuple[int, ...]:
        """Kernel sizes in increasing order."""
        return self.config.kernel_size.values()

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """The depths for which a network exists, in increasing order."""
        side = min(self.image_shape[:2])
        return tuple(depth for depth in self.config.depth.values() if self._fits(side, depth))

    def draw(self, chooser: Chooser) -> tuple[Architecture, Recipe]:
        """Return a network of the space and how to train it."""
        side = min(self.image_shape[:2])
        depth = _pick(chooser, "depth", self.depths)
        blocks = []
        for layer in range(1, depth + 1):
            block, side = self._draw_block(chooser, layer, side, depth - layer)
            blocks.append(block)
        space = self.config
        architecture = Architecture(
            blocks=tuple(blocks),
            dense_units=_integer(chooser, "dense_units", space.dense_units),
            dropout=_real(chooser, "dropout", space.dropout),
        )
        return architecture, Recipe(
            batch_size=_integer(chooser, "batch_size", space.batch_size),
            optimizer=_named(chooser, "optimizer", space.optimizer.values()),
            learning_rate=_real(chooser, "learning_rate", space.learning_rate),
            schedule=_named(chooser, "schedule", space.schedule.values()),
            augmentation=_named(chooser, "augmentation", space.augmentation.values()),
            epochs=None if space.epochs is None else _integer(chooser, "epochs", space.epochs),
        )

    def _draw_block(
        self, chooser: Chooser, layer: int, side: int, below: int
    ) -> tuple[ConvolutionBlock, int]:
        space = self.config
        filters = _integer(chooser, f"filters_{layer}", space.filters)
        paddings = self._paddings(side, below)
        padding = _named(chooser, f"padding_{layer}", paddings)
        kernel = self._draw_kernel(chooser, layer, self._kernels(side, below, padding))
        side = after_convolution(side, kernel, padding)
        pooling = _named(chooser, f"pooling_{layer}", self._poolings(side, below))
        normalisation = _named(chooser, f"normalisation_{layer}", space.normalisation.values())
        block = ConvolutionBlock(
            filters=filters,
            kernel_size=kernel,
            padding=padding,
            pooling=pooling,
            normalisation=normalisation,
        )
        return block, side if pooling == "none" else after_pooling(side)

    def _draw_kernel(self, chooser: Chooser, layer: int, fitting: tuple[int, ...]) -> int:
        """Return one of the kernels that fit, each with the same chance.

        Whoever learns keeps the range that a name was first seen with, and would never propose
        a larger kernel again after a small map. So each name has one range: a kernel is drawn
        among all, and where it does not fit once more, under another name, among those that do.
        """
        if len(fitting) == 1:
            return fitting[0]
        name = f"kernel_size_{layer}"
        kernel = chooser.listed(name, self.kernels)
        return kernel if kernel in fitting else chooser.listed(f"{name}_of_{len(fitting)}", fitting)

    def _fits(self, side: int, layers: int) -> bool:
        """Whether ``layers`` blocks fit a map of ``side`` pixels, pooling left out."""
        if layers == 0:
            return side >= 1
        smallest = self.kernels[0]
        if side < smallest:
            return False
        return "same" in self.config.padding.values() or side - layers * (smallest - 1) >= 1

    def _paddings(self, side: int, below: int) -> tuple[Padding, ...]:
        return tuple(p for p in self.config.padding.values() if self._kernels(side, below, p))

    def _kernels(self, side: int, below: int, padding: str) -> tuple[int, ...]:
        return tuple(
            kernel
            for kernel in self.kernels
            if kernel <= side and self._fits(after_convolution(side, kernel, padding), below)
        )

    def _poolings(self, side: int, below: int) -> tuple[Pooling, ...]:
        """All of the space's poolings where one fits, else none."""
        if self._fits(after_pooling(side), below):
            return self.config.pooling.values()
        return ("none",)

    def size(self) -> tuple[int, tuple[str, ...]]:
        """Return the number of different networks and recipes, and the continuous dimensions.

        A continuous dimension counts as one value and is named.
        """
        side = min(self.image_shape[:2])
        total = sum(self._count_blocks(side, depth, {}) for depth in self.depths)
        continuous = []
        for name in ("dropout", "learning_rate"):
            values = getattr(self.config, name).values()
            if values is None:
                continuous.append(name)
            else:
                total *= len(values)
        for name in ("dense_units", "batch_size", "optimizer", "schedule", "augmentation"):
            total *= len(getattr(self.config, name).values())
        if self.config.epochs is not None:
            total *= len(self.config.epochs.values())
        return total, tuple(continuous)

    def _count_blocks(self, side: int, layers: int, known: dict[tuple[int, int], int]) -> int:
        if layers == 0:
            return 1
        if (side, layers) not in known:
            free = len(self.config.filters.values()) * len(self.config.normalisation.values())
            known[side, layers] = free * sum(
                self._count_blocks(left, layers - 1, known)
                for _, _, _, left in self._shapes(side, layers - 1)
            )
        return known[side, layers]

    def _shapes(self, side: int, below: int) -> Iterator[tuple[Padding, int, Pooling, int]]:
        """Yield every padding, kernel size and pooling of one block, and the side they leave."""
        for padding in self._paddings(side, below):
            for kernel in self._kernels(side, below, padding):
                convolved = after_convolution(side, kernel, padding)
                for pooling in self._poolings(convolved, below):
                    left = convolved if pooling == "none" else after_pooling(convolved)
                    yield padding, kernel, pooling, left

    def extremes(self) -> tuple[Architecture, Architecture]:
        """Return the networks with the fewest and with the most multiply-accumulates."""
        return self._extreme(min, "macs"), self._extreme(max, "macs")

    def cheapest(self, cost: AnalyticCost) -> Architecture:
        """Return a network with the fewest parameters or multiply-accumulates."""
        return self._extreme(min, cost)

    def _extreme(self, choose: Callable[..., Any], cost: AnalyticCost) -> Architecture:
        # Both costs only grow with filters and units, so their ends are enough; what is left
        # of a network depends on the map it gets, so each map is solved once.
        units = choose(self.config.dense_units.smallest, self.config.dense_units.largest)
        rate = self.config.dropout.smallest
        normalisation = choose(self.config.normalisation.values(), key=_NORMALISATION_VALUES.get)
        of_network = {"macs": macs, "parameters": parameters}[cost]
        filters = {self.config.filters.smallest, self.config.filters.largest}

        @cache
        def rest(shape: ImageShape, layers: int) -> tuple[int, tuple[ConvolutionBlock, ...]]:
            if layers == 0:
                head = Architecture(dense_units=units, dropout=rate)
                return of_network(head, shape, self.classes), ()
            options = []
            for padding, kernel, pooling, _ in self._shapes(min(shape[:2]), layers - 1):
                sides = [after_convolution(side, kernel, padding) for side in shape[:2]]
                for count in filters:
                    weights = kernel * kernel * shape[2] * count
                    here = (
                        sides[0] * sides[1] * weights
                        if cost == "macs"
                        else weights + _NORMALISATION_VALUES[normalisation] * count
                    )
                    height, width = sides if pooling == "none" else map(after_pooling, sides)
                    below, blocks = rest((height, width, count), layers - 1)
                    block = ConvolutionBlock(
                        filters=count,
                        kernel_size=kernel,
                        padding=padding,
                        pooling=pooling,
                        normalisation=normalisation,
                    )
                    options.append((here + below, (block, *blocks)))
            best: tuple[int, tuple[ConvolutionBlock, ...]] = choose(options, key=itemgetter(0))
            return best

        _, blocks = choose(
            (rest(self.image_shape, depth) for depth in self.depths), key=itemgetter(0)
        )
        return Architecture(blocks=blocks, dense_units=units, dropout=rate)


def _pick(chooser: Chooser, name: str, values: tuple[Number, ...]) -> Number:
    return values[0] if len(values) == 1 else chooser.listed(name, values)


def _integer(chooser: Chooser, name: str, dimension: IntegerDimension) -> int:
    if dimension.choices is not None:
        return _pick(chooser, name, dimension.values())
    if dimension.smallest == dimension.largest:
        return int(dimension.smallest)
    step, log = dimension.step or 1, bool(dimension.log)
    low, high = int(dimension.smallest), dimension.largest
    return chooser.integer(name, low, high, step=step, log=log)


def _real(chooser: Chooser, name: str, dimension: FloatDimension) -> float:
    values = dimension.values()
    if values is None:
        low, high = float(dimension.smallest), float(dimension.largest)
        return chooser.real(name, low, high, log=bool(dimension.log))
    return _pick(chooser, name, values)


def _named(chooser: Chooser, name: str, choices: tuple[Name, ...]) -> Name:
    return choices[0] if len(choices) == 1 else chooser.named(name, choices)
