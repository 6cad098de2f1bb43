"""Feature maps and learnt filters as pictures, and where a sweep keeps them.

``map_pictures`` makes them from arrays; ``write_maps`` puts them into a folder together with
``maps.json``, which says what each one is, and ``read_maps`` finds them again: for whoever
shows them in a page.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.core.feature_maps import FeatureMaps, LayerFilters, LayerMaps, shown_filters
from pipeline.reporting.figures import drawable, png
from pipeline.reporting.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INDEX_NAME = "maps.json"
_DOTS_PER_INCH = 150
_INCHES_WIDE = 10.0
_INCHES_OF_TITLE = 0.75
_INCHES_AT_LEFT = 1.6  #: for the images' captions
_INCHES_A_FILTER = 0.8
_LEAST_INCHES = 0.8
_TILE_PIXELS = 60  #: about, of a small picture's longer side
_GAP = 4  #: pixels between two of them
_MOST_FILTERS = 64
_COLUMNS_OF_FILTERS = 8
_LINE_LENGTH = 18  #: characters of a caption
_MOST_LINES = 4
MAP_COLOURS = "inferno"  #: as in the lesson
_RING = "#00E5FF"  #: is in neither colour map
SIGNED_COLOURS = "RdBu_r"  #: of the filters: blue below 0, white 0, red above


@dataclass(frozen=True, kw_only=True, slots=True)
class MapPicture:
    """A picture of a network.

    Parameters
    ----------
    file
        Its name in its folder.
    title
        A heading.
    description
        What is seen, for those who cannot see it.
    """

    file: str
    title: str
    description: str


def prediction_text(probabilities: NDArray[np.float32], classes: Sequence[str]) -> str:
    """Return the likeliest class with its probability, such as ``bag 97%``."""
    label = int(probabilities.argmax())
    name = classes[label] if label < len(classes) else f"class {label}"
    return f"{name} {probabilities[label]:.0%}"


def map_pictures(
    title: str,
    maps: FeatureMaps,
    captions: Sequence[str],
    classes: Sequence[str],
    *,
    strongest: int,
) -> list[tuple[MapPicture, "Figure"]]:
    """Return every picture of one network: the journey, each layer's maps, its filters.

    Parameters
    ----------
    title
        The network, for people.
    captions
        What each image is.
    classes
        The names of the classes; empty where they are not known.
    strongest
        How many filters of a layer to show, those that answer most.
    """
    said = [
        f"{caption}\n→ {prediction_text(probabilities, classes)}"
        for caption, probabilities in zip(captions, maps.probabilities, strict=True)
    ]
    journey = MapPicture(
        file="journey.png",
        title=f"{title}: the way through the layers",
        description="Each image after every convolution and pooling, seen by the filter "
        "of each convolution that answers most; a ring marks its strongest activation.",
    )
    found = [(journey, journey_figure(journey.title, maps, said))]
    for layer in maps.layers:
        picture = MapPicture(
            file=f"{layer.name}.png",
            title=f"{title}: {layer.name}, {layer.shape_text}",
            description=f"What the filters of {layer.name} that answer most make of each image; "
            "the brighter, the stronger.",
        )
        found.append((picture, layer_figure(picture.title, layer, said, strongest)))
    convolutions = [layer for layer in maps.layers if layer.kind == "convolution"]
    for filters, layer in zip(maps.filters, convolutions, strict=True):
        height, width, inputs, count = filters.weights.shape
        picture = MapPicture(
            file=f"filters-{filters.name.removeprefix('convolution_')}.png",
            title=f"{title}: the {count} filters of {filters.name}, {height}×{width}×{inputs}",
            description="Learnt filters, those that answer most first: red weights are above 0, "
            "blue ones below.",
        )
        found.append((picture, filters_figure(picture.title, filters, layer, strongest)))
    return found


def journey_figure(title: str, maps: FeatureMaps, captions: Sequence[str]) -> "Figure":
    """Return each image as the strongest filter of every convolution sees it, and pooled."""
    chosen = [int(numbers[0]) for numbers in shown_filters(maps.layers, 1)]
    columns, rows = 1 + len(maps.layers), len(maps.images)
    panel = min((_INCHES_WIDE - _INCHES_AT_LEFT) / columns, 2.2)
    width = _INCHES_AT_LEFT + columns * panel
    height, image_width = maps.images.shape[1:3]
    figure = _figure(width, rows * panel * min(max(height / image_width, 0.4), 2.5) + 0.5, title)
    places = figure.subplots(rows, columns, squeeze=False)
    for row, image in enumerate(maps.images):
        _show(places[row, 0], image if image.shape[2] == 3 else image[..., 0], cmap="gray")
        _name_row(places[row, 0], captions[row])
        for column, (layer, number) in enumerate(zip(maps.layers, chosen, strict=True), start=1):
            place = places[row, column]
            top = float(layer.maps[..., number].max()) or 1.0
            _show(place, layer.maps[row, :, :, number], cmap=MAP_COLOURS, vmin=0, vmax=top)
            if layer.maps[row, :, :, number].max() > 0:
                down, across = layer.peak_place(row, number)
                place.plot(
                    across, down, marker="o", markersize=9, markerfacecolor="none",
                    markeredgecolor=_RING, markeredgewidth=1.6,
                )  # fmt: skip
    size = "×".join(map(str, maps.images.shape[1:]))
    places[0, 0].set_title(f"image\n{size}", fontsize=8)
    for column, (layer, number) in enumerate(zip(maps.layers, chosen, strict=True), start=1):
        name = layer.name.replace("_", " ")
        places[0, column].set_title(f"{name}\n{layer.shape_text}\nfilter {number}", fontsize=8)
    return figure


def layer_figure(title: str, layer: LayerMaps, captions: Sequence[str], count: int) -> "Figure":
    """Return what the strongest filters of a layer make of each image, a column a filter."""
    numbers = layer.strongest(count)
    shown = layer.maps[..., numbers]
    mosaic = _Mosaic.of(np.moveaxis(shown, -1, 1), gap=_GAP)
    wide = _INCHES_WIDE - _INCHES_AT_LEFT
    figure = _figure(_INCHES_WIDE, max(wide * mosaic.aspect, _LEAST_INCHES), title)
    place = figure.subplots()
    _show(place, mosaic.pixels, cmap=MAP_COLOURS, vmin=0, vmax=float(shown.max()) or 1.0)
    mosaic.name(place, [f"filter {number}" for number in numbers], [*map(_wrapped, captions)])
    return figure


def filters_figure(title: str, filters: LayerFilters, layer: LayerMaps, count: int) -> "Figure":
    """Return learnt filters as pictures, those that answer most in ``layer`` first.

    Filters on grey images are shown whole, at most 64, each with its number. Deeper ones have
    a picture for each of their inputs: a row is then one of the strongest filters, and its
    columns the inputs that these filters weigh most.
    """
    height, width, inputs, _ = filters.weights.shape
    whole = inputs == 1
    numbers = layer.strongest(_MOST_FILTERS if whole else count)
    weights = filters.weights[..., numbers]
    if whole:
        columns = min(len(numbers), _COLUMNS_OF_FILTERS)
        rows = math.ceil(len(numbers) / columns)
        tiles = np.full((rows * columns, height, width), np.nan, dtype=np.float32)
        tiles[: len(numbers)] = np.moveaxis(weights[:, :, 0], -1, 0)
        across, down = [""] * columns, [""] * rows
    else:
        sources = np.argsort(-np.abs(weights).sum(axis=(0, 1, 3)), kind="stable")[:count]
        rows, columns = len(numbers), len(sources)
        tiles = np.moveaxis(weights[:, :, sources], (3, 2), (0, 1))
        across = [f"input {number}" for number in sources]
        down = [f"filter {number}" for number in numbers]
    most = float(np.nanmax(np.abs(tiles))) or 1.0
    mosaic = _Mosaic.of(tiles.reshape(rows, columns, height, width), gap=(3 if whole else 2) * _GAP)
    wide = columns * _INCHES_A_FILTER
    figure = _figure(wide + _INCHES_AT_LEFT, max(wide * mosaic.aspect, _LEAST_INCHES), title)
    place = figure.subplots()
    drawn = _show(place, mosaic.pixels, cmap=SIGNED_COLOURS, vmin=-most, vmax=most)
    mosaic.name(place, across, down)
    if whole:
        for index, number in enumerate(numbers):
            row, column = divmod(index, columns)
            top = mosaic.down[row] - mosaic.side_down / 2
            place.text(
                mosaic.across[column], top - 2, str(number), fontsize=6, ha="center", va="bottom"
            )
    bar = figure.colorbar(drawn, ax=place, fraction=0.035, pad=0.02, aspect=30)
    bar.set_label("weight", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mosaic:
    """Small pictures beside and below each other in one, enlarged, with blanks between.

    ``across`` and ``down`` are the centres of the columns and rows, ``side_down`` a tile's
    height, all in pixels.
    """

    pixels: NDArray[np.float32]
    across: list[float]
    down: list[float]
    side_down: int

    @classmethod
    def of(cls, tiles: NDArray[np.float32], *, gap: int) -> "_Mosaic":
        """Put tiles ``(rows, columns, height, width)`` together."""
        times = max(1, round(_TILE_PIXELS / max(tiles.shape[2:])))
        tiles = tiles.repeat(times, axis=2).repeat(times, axis=3)
        rows, columns, height, width = tiles.shape
        framed = np.full((rows, height + gap, columns, width + gap), np.nan, dtype=np.float32)
        framed[:, :height, :, :width] = tiles.transpose(0, 2, 1, 3)
        return cls(
            pixels=framed.reshape(rows * (height + gap), columns * (width + gap))[:-gap, :-gap],
            across=[index * (width + gap) + (width - 1) / 2 for index in range(columns)],
            down=[index * (height + gap) + (height - 1) / 2 for index in range(rows)],
            side_down=height,
        )

    @property
    def aspect(self) -> float:
        """Height by width."""
        height, width = self.pixels.shape
        return float(height / width)

    def name(self, place: "Axes", across: Sequence[str], down: Sequence[str]) -> None:
        """Write a name above each column and left of each row, without a frame."""
        for spine in place.spines.values():
            spine.set_visible(False)
        place.xaxis.tick_top()
        place.set_xticks(self.across, across)
        place.set_yticks(self.down, down)
        place.tick_params(length=0, labelsize=8)


def write_maps(
    folder: Path, title: str, pictures: Sequence[tuple[MapPicture, "Figure"]]
) -> list[Path]:
    """Write the pictures and their index; return the pictures' paths.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    paths = []
    for picture, figure in pictures:
        write_atomically(folder / picture.file, png(figure))
        paths.append(folder / picture.file)
    index = {"title": title, "pictures": [asdict(picture) for picture, _ in pictures]}
    write_atomically(folder / INDEX_NAME, json.dumps(index, indent=1) + "\n")
    return paths


def maps_dir(sweep_dir: Path) -> Path:
    """Return the folder that holds a folder of pictures a trial."""
    return sweep_dir / "maps"


def read_maps(sweep_dir: Path) -> dict[int, list[tuple[MapPicture, Path]]]:
    """Return the pictures of a sweep that are there, by trial, with their paths.

    Raises
    ------
    StorageError
        An index is damaged.
    """
    found = {}
    for path in sorted(maps_dir(sweep_dir).glob(f"*/{INDEX_NAME}")):
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            pictures = [MapPicture(**values) for values in index["pictures"]]
            found[int(path.parent.name)] = [
                (picture, path.parent / picture.file) for picture in pictures
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path} cannot be read: {error!r}") from error
    return found


def _figure(width: float, height: float, title: str) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width, height + _INCHES_OF_TITLE), dpi=_DOTS_PER_INCH, layout="compressed"
    )
    FigureCanvasAgg(figure)
    figure.suptitle(drawable(title), fontsize=11, parse_math=False)
    return figure


def _show(place: "Axes", values: NDArray[Any], **options: Any) -> Any:
    drawn = place.imshow(values, interpolation="nearest", **options)
    place.set_xticks([])
    place.set_yticks([])
    return drawn


def _name_row(place: "Axes", caption: str) -> None:
    place.set_ylabel(_wrapped(caption), fontsize=8, rotation=0, ha="right", va="center")


def _wrapped(caption: str) -> str:
    """Return a caption with short lines, the last of which says what was predicted."""
    lines = [part for line in caption.splitlines() for part in wrap(drawable(line), _LINE_LENGTH)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[-1]]
    # A dollar sign would begin a formula.
    return "\n".join(lines).replace("$", r"\$")
