"""The sweet spot against both references: numbers, journeys, classes and mistakes."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import Stage, shape_journey
from pipeline.core.statistics import wilson_interval
from pipeline.reporting.compare import Answers
from pipeline.reporting.mistakes import Mistakes
from pipeline.reporting.page.sources import Network, ReportSources
from pipeline.reporting.page.trials import accuracy_interval_text
from pipeline.reporting.tables import cost_interval_text
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text

#: Classes from here on do not fit a matrix; the commonest confusions are listed instead.
MOST_CLASSES = 25
_MOST_CONFUSIONS = 12
_SHADES = 8
_PICTURE_PIXELS = 96  #: the longest side of a mistake's picture in the file
#: Heights of a drawn stage, in pixels: of the largest map, of the smallest, of the longest row.
_LARGEST, _SMALLEST, _ROW = 64.0, 5.0, 72.0
_MOST_SHEETS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of the table of numbers: a cell a network, each with what stands small below it."""

    label: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnStage:
    """A layer's output as a pile of sheets (a feature map) or a bar (a row of values).

    Parameters
    ----------
    sheets
        How many are drawn; 0 for a row.
    side_x, side_y
        Pixels of a sheet, or of the bar.
    """

    stage: Stage
    sheets: int
    side_x: float
    side_y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A cell of the confusion matrix: images, and how dark it is (0 to 7)."""

    images: int
    shade: int
    right: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A mistake: its picture as a data address, and what was right and what was said."""

    source: str
    right: str
    said: str
    right_share: str
    said_share: str
    index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkView:
    """One network of the section; without a reading of test the last ones are empty."""

    title: str
    trial: int
    architecture: str
    journey: tuple[DrawnStage, ...] = ()
    matrix: tuple[tuple[Cell, ...], ...] = ()
    confusions: tuple[tuple[str, str, int], ...] = ()
    mistakes: tuple[Picture, ...] = ()
    wrong: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworksView:
    """The section."""

    networks: tuple[NetworkView, ...]
    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    class_rows: tuple[Row, ...]
    test_images: int


def networks_view(sources: ReportSources) -> NetworksView:
    """Return the section's values."""
    classes = tuple(sources.summary["data"]["classes"])
    networks = sources.networks
    return NetworksView(
        networks=tuple(_network(sources, network, classes) for network in networks),
        rows=tuple(_rows(sources, networks)),
        classes=classes,
        class_rows=tuple(_class_rows(sources, networks, classes)),
        test_images=sources.summary["data"]["test"],
    )


def _network(sources: ReportSources, network: Network, classes: Sequence[str]) -> NetworkView:
    answers = sources.answers.get(network.trial)
    mistakes = sources.mistakes.get(network.trial)
    return NetworkView(
        title=network.title,
        trial=network.trial,
        architecture=network.values["architecture"],
        journey=drawn_journey(_journey(sources, network)),
        matrix=() if answers is None else confusion_matrix(answers, len(classes)),
        confusions=() if answers is None else commonest_confusions(answers, classes),
        mistakes=() if mistakes is None else pictures(mistakes, classes),
        wrong=None if answers is None else int((~answers.right).sum()),
    )


def _rows(sources: ReportSources, networks: Sequence[Network]) -> list[Row]:
    data = sources.summary["data"]
    records = {record.number: record for record in sources.records}

    def row(label: str, *cells: tuple[str, str]) -> Row:
        return Row(label=label, cells=cells)

    def accuracy(key: str, images: int) -> list[tuple[str, str]]:
        values = [network.values[key] for network in networks]
        return [(accuracy_text(v), accuracy_interval_text(v, images)) for v in values]

    def cost(name: str) -> list[tuple[str, str]]:
        return [
            (
                cost_text(name, network.values.get(name)),
                cost_interval_text(records[network.trial], name)
                if network.trial in records
                else "",
            )
            for network in networks
        ]

    rows = [
        row("test accuracy", *accuracy("test_accuracy", data["test"])),
        row("validation accuracy", *accuracy("val_accuracy", data["validation"])),
    ]
    names = ("epoch_seconds", "latency_ms", "train_seconds", "parameters", "macs")
    extra = [name for name in sources.summary["costs"] if name not in names]
    rows += [row(cost_label(name), *cost(name)) for name in names]
    rows += [
        row(
            cost_label(name),
            *(
                (
                    cost_text(
                        name, records[n.trial].costs.get(name) if n.trial in records else None
                    ),
                    "",
                )
                for n in networks
            ),
        )
        for name in extra
    ]
    rows.append(row("batch size", *((f"{n.values['batch_size']}", "") for n in networks)))
    if sources.comparison:
        ratios = [
            sources.comparison.get(n.title.split()[0], {}).get("epoch_ratio_equal_batch")
            for n in networks
        ]
        cells = [
            ("1" if i == 0 else "-" if r is None else f"{r:.3g}", "") for i, r in enumerate(ratios)
        ]
        rows.append(row("epoch time at equal batch size, times the sweet spot's", *cells))
    return rows


def _class_rows(
    sources: ReportSources, networks: Sequence[Network], classes: Sequence[str]
) -> list[Row]:
    if not any(network.trial in sources.answers for network in networks):
        return []
    return [
        Row(
            label=name,
            cells=tuple(
                _class_cell(sources.answers.get(network.trial), label) for network in networks
            ),
        )
        for label, name in enumerate(classes)
    ]


def _class_cell(answers: Answers | None, label: int) -> tuple[str, str]:
    if answers is None:
        return "-", ""
    own = answers.labels == label
    images = int(own.sum())
    if not images:
        return "-", "no image"
    right = int(answers.right[own].sum())
    interval = wilson_interval(right, images)
    return (
        f"{100 * right / images:.1f}%",
        f"{100 * interval.low:.1f} to {100 * interval.high:.1f}%",
    )


def _journey(sources: ReportSources, network: Network) -> tuple[Stage, ...]:
    data = sources.summary["data"]
    height, width, channels = data["image_shape"]
    try:
        architecture = Architecture.parse(network.values["architecture"])
        return shape_journey(architecture, (height, width, channels), len(data["classes"]))
    except ConfigurationError:  # a reference that does not fit very small images
        return ()


def drawn_journey(stages: Sequence[Stage]) -> tuple[DrawnStage, ...]:
    """Return a journey's drawing: sides by the image's, piles by the logarithm of the channels."""
    if not stages:
        return ()
    largest = max(stages[0].shape[:2])
    longest = max(math.log(1 + s.shape[0]) for s in stages if len(s.shape) == 1)
    drawn = []
    for stage in stages:
        if len(stage.shape) == 1:
            height = _ROW * math.log(1 + stage.shape[0]) / longest
            drawn.append(DrawnStage(stage=stage, sheets=0, side_x=9.0, side_y=round(height, 1)))
            continue
        height, width, channels = stage.shape
        sides = [max(_LARGEST * side / largest, _SMALLEST) for side in (width, height)]
        sheets = min(1 + round(math.log2(channels)), _MOST_SHEETS)
        drawn.append(
            DrawnStage(
                stage=stage, sheets=sheets, side_x=round(sides[0], 1), side_y=round(sides[1], 1)
            )
        )
    return tuple(drawn)


def confusion_matrix(answers: Answers, classes: int) -> tuple[tuple[Cell, ...], ...]:
    """Return a row a right class, in it a cell a class that was said; empty for too many."""
    if classes > MOST_CLASSES:
        return ()
    counts = _confusions(answers, classes)
    totals = counts.sum(axis=1)
    return tuple(
        tuple(
            Cell(
                images=int(counts[row, column]),
                shade=_shade(int(counts[row, column]), int(totals[row]), row == column),
                right=row == column,
            )
            for column in range(classes)
        )
        for row in range(classes)
    )


def _shade(images: int, total: int, right: bool) -> int:
    """Return how dark a cell is: rare confusions have to be seen beside the diagonal."""
    if not images:
        return 0
    share = images / total
    return max(1, min(round((_SHADES - 1) * (share if right else math.sqrt(share))), _SHADES - 1))


def commonest_confusions(
    answers: Answers, classes: Sequence[str]
) -> tuple[tuple[str, str, int], ...]:
    """Return the right class, the one that was said, and how often; the commonest first."""
    counts = _confusions(answers, len(classes))
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(classes)) for place in order]
    return tuple(
        (classes[right], classes[said], int(counts[right, said]))
        for right, said in pairs
        if counts[right, said]
    )


def _confusions(answers: Answers, classes: int) -> NDArray[np.int64]:
    pairs = answers.labels * classes + answers.predicted
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=classes * classes)
    return counts.reshape(classes, classes)


def pictures(mistakes: Mistakes, classes: Sequence[str]) -> tuple[Picture, ...]:
    """Return the mistakes with their pictures."""
    return tuple(
        Picture(
            source=picture_source(mistakes.images[index]),
            right=classes[int(mistakes.labels[index])],
            said=classes[int(mistakes.answers[index])],
            right_share=_share(float(mistakes.label_probabilities[index])),
            said_share=_share(float(mistakes.answer_probabilities[index])),
            index=int(mistakes.indices[index]),
        )
        for index in range(len(mistakes))
    )


def _share(probability: float) -> str:
    if probability < 0.001:
        return "under 0.1%"
    return f"{100 * probability:.1f}%"


def picture_source(image: NDArray[np.uint8]) -> str:
    """Return an image ``(height, width, channels)`` as the address of a PNG."""
    from PIL import Image

    pixels: Any = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, 0]
    picture = Image.fromarray(pixels)
    picture.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
