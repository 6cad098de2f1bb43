"""The figures hold what the summary says; few of them, because matplotlib is slow to start."""

import random
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Annotation
from PIL import Image

from pipeline.core.finalists import FinalRound
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.cost_figure import cost_figure
from pipeline.reporting.figures import drawable, pareto_figure, png
from pipeline.reporting.writing import write_figures

Maker = Callable[..., TrialRecord]
Summarise = Callable[..., dict[str, Any]]


def labels(figure: Any) -> list[str]:
    return [a.get_text() for a in figure.axes[0].texts if isinstance(a, Annotation)]


def test_files_of_a_sweep(tmp_path: Path, records: list[TrialRecord], summarise: Summarise) -> None:
    summary = summarise(records, costs=["epoch_seconds", "latency_ms", "device_memory_mib"])
    written = write_figures(tmp_path, summary, records)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "figures/pareto-epoch_seconds.png",
        "figures/pareto-latency_ms.png",
        "figures/costs-epoch_seconds-latency_ms.png",
    ]
    with Image.open(written[0]) as picture:
        assert picture.size == (1200, 750)


def test_figure_names_what_matters(records: list[TrialRecord], summarise: Summarise) -> None:
    figure = pareto_figure(summarise(records), records, "epoch_seconds")
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == (
        "fashion_mnist: 7 trials, 4 on the front\n"
        "50,000 training and 10,000 validation images, 10 classes"
    )
    assert axes.get_xlabel() == "epoch time (s), log scale"
    assert axes.get_ylabel() == "validation accuracy (%)"
    assert axes.texts[0].get_text() == "↓ 1 network is below this picture"
    assert labels(figure) == [
        "sweet spot: trial 3\n32k3-64k3-d128",
        "dnn reference: trial 0\nd128",
        "cnn reference: trial 1\n64k3-64k3-d128",
    ]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["front", "sweet spot", "dnn reference", "cnn reference"]
    costs, accuracies = np.asarray(axes.lines[0].get_data())
    assert costs[1:-1] == pytest.approx([1.0, 2.0, 4.0, 19.0])
    assert accuracies[1:-1] == pytest.approx([88.0, 89.0, 91.6, 91.7])


def test_finalists_have_error_bars_and_censored_trials_are_counted(
    records: list[TrialRecord], summarise: Summarise, final_round: FinalRound
) -> None:
    late = replace(records[5], outcome=Outcome.CENSORED)
    known = [*records[:5], late, records[6]]
    figure = pareto_figure(summarise(known, last=final_round), known, "epoch_seconds")
    axes = figure.axes[0]
    assert axes.get_title(loc="left").startswith(
        "fashion_mnist: 7 trials, 4 on the front, 1 censored"
    )
    (bars,) = axes.containers
    assert isinstance(bars, ErrorbarContainer)
    costs, accuracies = np.asarray(bars.lines[0].get_data())
    assert costs == pytest.approx([2.1, 4.1])
    assert accuracies == pytest.approx([88.8, 91.4])
    low, high = np.asarray(bars.lines[2][1].get_segments())[0][:, 1]
    assert (high - low) / 2 == pytest.approx(0.2)  # 89.0 and 88.6: s / sqrt(2)


def test_members_of_the_front_below_the_picture_are_counted_and_labels_leave_room(
    records: list[TrialRecord], summarise: Summarise, trial: Maker
) -> None:
    known = [*records, trial(7, "d1", 0.2, 0.1)]
    figure = pareto_figure(summarise(known), known, "epoch_seconds")
    figure.canvas.draw()
    note, *others = figure.axes[0].texts
    assert "5 on the front" in figure.axes[0].get_title(loc="left")
    assert note.get_text() == "↓ 2 networks are below this picture, 1 of them on the front"
    patches = [text.get_bbox_patch() for text in others]
    boxes = [patch.get_window_extent() for patch in patches if patch is not None]
    assert boxes and not any(note.get_window_extent().overlaps(box) for box in boxes)


def test_one_cost_against_another(records: list[TrialRecord], summarise: Summarise) -> None:
    summary = summarise(records, costs=["epoch_seconds", "latency_ms"])
    figure = cost_figure(summary, records, ("epoch_seconds", "latency_ms"))
    assert figure is not None
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "epoch time (s), log scale", "latency (ms), log scale",
    )  # fmt: skip
    assert bar.get_ylabel() == "validation accuracy of the front (%)"
    assert [label.splitlines()[0] for label in labels(figure)] == [
        "sweet spot: trial 3", "dnn reference: trial 0", "cnn reference: trial 1",
    ]  # fmt: skip
    assert cost_figure(summary, records, ("epoch_seconds", "macs")) is None


def crowd(trial: Maker, count: int, spread: float) -> list[TrialRecord]:
    """Return references and a crowd of trials with the longest names there are."""
    source = random.Random(count)
    records = [
        trial(0, "d128", 0.88, 5.0 - spread, reference="dnn"),
        trial(1, "64k3-64k3-d128", 0.88 + spread / 100, 5.0, reference="cnn"),
    ]
    for number in range(2, count):
        records.append(
            trial(
                number,
                "512k5sab-512k5sab-512k5snb-512k5snb-d1024p0.35",
                0.88 + spread / 100 * source.random(),
                5.0 + spread * source.uniform(-1, 1),
                outcome=Outcome.COMPLETE if source.random() < 0.8 else Outcome.STOPPED,
            )
        )
    return records


@pytest.mark.parametrize(("count", "spread"), [(1, 1.0), (3, 1.0), (40, 4.0), (40, 0.001)])
def test_labels_do_not_overlap(
    trial: Maker, summarise: Summarise, count: int, spread: float
) -> None:
    records = crowd(trial, count, spread)[:count]
    figure = pareto_figure(summarise(records), records, "epoch_seconds")
    figure.canvas.draw()
    axes = figure.axes[0]
    window = axes.get_window_extent()
    patches = [text.get_bbox_patch() for text in axes.texts]
    boxes = [patch.get_window_extent() for patch in patches if patch is not None]
    assert len(boxes) == len(labels(figure))
    assert boxes
    for index, box in enumerate(boxes):
        assert box.x0 >= window.x0 - 8 and box.x1 <= window.x1 + 8
        assert box.y0 >= window.y0 - 8 and box.y1 <= window.y1 + 8
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_hostile_names_are_only_text(records: list[TrialRecord], summarise: Summarise) -> None:
    summary = summarise(records)
    summary["data"]["name"] = "$x_$ \\frac <b> \N{SLICE OF PIZZA}\n\x1b[31m"
    content = png(pareto_figure(summary, records, "epoch_seconds"))
    with Image.open(BytesIO(content)) as picture:
        assert picture.format == "PNG"
    assert drawable(summary["data"]["name"]) == "$x_$ \\frac <b> ? ?[31m"
