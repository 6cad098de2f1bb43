"""A network's feature maps on the terminal: layers, strongest filters, predictions."""

from collections.abc import Sequence
from typing import TextIO

from pipeline.core.feature_maps import FeatureMaps, LayerMaps
from pipeline.reporting.console import terminal
from pipeline.reporting.map_figures import prediction_text
from pipeline.reporting.wording import printable

_FILTERS_NAMED = 5


def show_maps(
    title: str,
    maps: FeatureMaps,
    captions: Sequence[str],
    classes: Sequence[str],
    stream: TextIO | None = None,
) -> None:
    """Print what each image was taken for, and a line a layer."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    encoding = "ascii" if console.options.ascii_only else "utf-8"

    def cell(text: str) -> Text:
        return Text(printable(text, encoding))

    console.print()
    console.print(cell(title))
    images = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("image", "taken for"):
        images.add_column(column, overflow="fold")
    for caption, probabilities in zip(captions, maps.probabilities, strict=True):
        images.add_row(cell(caption), cell(prediction_text(probabilities, classes)))
    console.print(images)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("layer", "shape", "filters that answer most", "strongest activation"):
        table.add_column(column, overflow="fold")
    for layer in maps.layers:
        numbers = ", ".join(map(str, layer.strongest(_FILTERS_NAMED)))
        table.add_row(cell(layer.name), cell(layer.shape_text), numbers, cell(_peak(layer)))
    console.print()
    console.print(table)


def _peak(layer: LayerMaps) -> str:
    image, number = divmod(int(layer.peaks.argmax()), layer.peaks.shape[1])
    row, column = layer.peak_place(image, number)
    return (
        f"{layer.peaks[image, number]:.3g} in filter {number}, image {image + 1}, row {row + 1}, "
        f"column {column + 1}"
    )
