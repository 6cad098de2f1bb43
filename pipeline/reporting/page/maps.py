"""What the filters see: three test images on their way through sweet spot and ``cnn``."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.kept_maps import KeptLayer, KeptMaps
from pipeline.reporting.map_figures import MAP_COLOURS, SIGNED_COLOURS, prediction_text
from pipeline.reporting.page.networks import picture_source
from pipeline.reporting.page.sources import Network, ReportSources

_SHADES = 64  #: colours of a picture; fewer make it smaller


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A small picture.

    Parameters
    ----------
    source
        A PNG as a data address.
    width, height
        What its sides stand for, in places of the map or the filter.
    label
        What is seen, in words.
    ring
        Column and row of the strongest activation; None where nothing answers.
    """

    source: str
    width: int
    height: int
    label: str
    ring: tuple[float, float] | None = None

    @property
    def radius(self) -> float:
        """Of the ring, in the tile's own places."""
        return max(self.width, self.height) / 11


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerView:
    """A layer: a column a filter, a row an image.

    Parameters
    ----------
    learnt
        The learnt filters, each with a tile for the inputs that it weighs most; empty of a
        pooling.
    rows
        A tuple of tiles for each image.
    strongest
        The strongest activation of all, in words.
    """

    name: str
    kind: str
    shape: str
    numbers: tuple[int, ...]
    learnt: tuple[tuple[Tile, ...], ...]
    rows: tuple[tuple[Tile, ...], ...]
    strongest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkMaps:
    """One network; ``said`` is what it takes each image for."""

    title: str
    trial: int
    architecture: str
    said: tuple[str, ...]
    layers: tuple[LayerView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MapsView:
    """The section.

    Parameters
    ----------
    label
        The class that the images show.
    images
        Index in the test split and picture of each.
    blind
        Networks without a convolution, which have no maps.
    """

    label: str
    images: tuple[tuple[int, str], ...]
    networks: tuple[NetworkMaps, ...]
    blind: tuple[str, ...]


def maps_view(sources: ReportSources) -> MapsView | None:
    """Return the section's values; None where no maps are kept."""
    asked = [n for n in sources.networks if not n.title.startswith("dnn")]
    seeing = [network for network in asked if network.trial in sources.maps]
    if not seeing:
        return None
    classes = sources.summary["data"]["classes"]
    first = sources.maps[seeing[0].trial]
    return MapsView(
        label=classes[first.label],
        images=tuple(
            (int(index), picture_source(image))
            for index, image in zip(first.indices, first.images, strict=True)
        ),
        networks=tuple(_network(n, sources.maps[n.trial], classes) for n in seeing),
        blind=tuple(n.title for n in asked if n.values["architecture"].startswith("d")),
    )


def _network(network: Network, maps: KeptMaps, classes: Sequence[str]) -> NetworkMaps:
    return NetworkMaps(
        title=network.title,
        trial=network.trial,
        architecture=network.values["architecture"],
        said=tuple(prediction_text(given, classes) for given in maps.probabilities),
        layers=tuple(_layer(layer, maps.indices) for layer in maps.layers),
    )


def _layer(layer: KeptLayer, indices: NDArray[np.int64]) -> LayerView:
    images, filters = layer.peaks.shape
    image, column = divmod(int(layer.peaks.argmax()), filters)
    row, at = layer.places[image, column]
    strongest = (
        f"Strongest activation: {layer.peaks[image, column]:.3g}, in filter "
        f"{layer.numbers[column]} for test image {indices[image]}, at row {row}, column {at}."
    )
    return LayerView(
        name=layer.name.replace("_", " "),
        kind=layer.kind,
        shape="×".join(map(str, layer.shape)),
        numbers=tuple(layer.numbers.tolist()),
        learnt=_learnt(layer),
        rows=tuple(
            tuple(_map_tile(layer, image, index) for index in range(filters))
            for image in range(images)
        ),
        strongest=strongest,
    )


def _map_tile(layer: KeptLayer, image: int, index: int) -> Tile:
    height, width, _ = layer.shape
    row, column = layer.places[image, index].tolist()
    peak = float(layer.peaks[image, index])
    seen = f"strongest {peak:.3g} at row {row}, column {column}" if peak > 0 else "no answer"
    return Tile(
        source=_png(layer.maps[image, index], MAP_COLOURS),
        width=width,
        height=height,
        label=f"filter {layer.numbers[index]}: {seen}",
        ring=(column + 0.5, row + 0.5) if peak > 0 else None,
    )


def _learnt(layer: KeptLayer) -> tuple[tuple[Tile, ...], ...]:
    if layer.filters is None:
        return ()
    weights = layer.filters.weights
    most = float(np.abs(weights).max()) or 1.0
    shades = np.rint((weights / most + 1) / 2 * 255).astype(np.uint8)
    height, width = weights.shape[2:]
    return tuple(
        tuple(
            Tile(
                source=_png(shades[index, place], SIGNED_COLOURS),
                width=width,
                height=height,
                label=f"filter {number}, weights on input {layer.filters.inputs[index, place]}, "
                f"{weights[index, place].min():.2g} to {weights[index, place].max():.2g}",
            )
            for place in range(weights.shape[1])
        )
        for index, number in enumerate(layer.numbers)
    )


def _png(values: NDArray[np.uint8], colours: str) -> str:
    """Return values ``(rows, columns)`` from 0 to 255 as the address of a coloured PNG."""
    from PIL import Image

    picture = Image.fromarray(values // (256 // _SHADES))
    picture.putpalette(_palette(colours))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@cache
def _palette(colours: str) -> bytes:
    from matplotlib import colormaps

    shares = np.linspace(0.0, 1.0, _SHADES)
    colours_seen = np.asarray(colormaps[colours](shares), dtype=np.float64)[:, :3]
    return np.rint(255 * colours_seen).astype(np.uint8).tobytes()
