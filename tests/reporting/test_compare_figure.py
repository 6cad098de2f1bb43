"""The overlaid fronts hold what the summaries say; few of them, because matplotlib is slow."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Annotation
from PIL import Image

from pipeline.core.trial import TrialRecord
from pipeline.reporting.compare import ComparedSweep, SweepComparison, compare
from pipeline.reporting.compare_figure import (
    comparison_dir,
    comparison_figure,
    write_comparison_figures,
)
from pipeline.reporting.figures import png

Summarise = Callable[..., dict[str, Any]]


@pytest.fixture
def of(records: list[TrialRecord], summarise: Summarise) -> Callable[..., SweepComparison]:
    """Return a maker of comparisons of sweeps with these names."""

    def make(*names: str, costs: tuple[str, ...] = ("epoch_seconds",)) -> SweepComparison:
        summary = summarise(records, costs=list(costs))
        return compare(
            [ComparedSweep(name=name, summary=summary, devices=frozenset()) for name in names]
        )

    return make


def labels(figure: Any) -> list[str]:
    return [a.get_text() for a in figure.axes[0].texts if isinstance(a, Annotation)]


def test_a_figure_a_cost(tmp_path: Path, of: Callable[..., SweepComparison]) -> None:
    comparison = of("one", "two", costs=("epoch_seconds", "latency_ms"))
    folder = comparison_dir(tmp_path, ["one", "two"])
    written = write_comparison_figures(folder, comparison)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "comparisons/one-vs-two/pareto-epoch_seconds.png",
        "comparisons/one-vs-two/pareto-latency_ms.png",
    ]
    with Image.open(written[0]) as picture:
        assert picture.size == (1200, 750)


def test_figure_names_sweeps_and_sweet_spots(of: Callable[..., SweepComparison]) -> None:
    figure = comparison_figure(of("_one", "two"), "epoch_seconds")
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "fashion_mnist: fronts and sweet spots of 2 sweeps"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A  _one", "B  two"]
    assert labels(figure) == [
        "A: trial 3\n32k3-64k3-d128",
        "B: trial 3\n32k3-64k3-d128",
    ]
    costs, accuracies = np.asarray(axes.lines[0].get_data())
    assert costs[1:-1] == pytest.approx([1.0, 2.0, 4.0, 19.0])
    assert accuracies[1:-1] == pytest.approx([88.0, 89.0, 91.6, 91.7])


def test_members_far_below_are_counted_instead_of_drawn(
    records: list[TrialRecord], summarise: Summarise, trial: Callable[..., TrialRecord]
) -> None:
    summary = summarise([*records, trial(7, "d1", 0.2, 0.1)])
    sweeps = [ComparedSweep(name=n, summary=summary, devices=frozenset()) for n in ("a", "b")]
    axes = comparison_figure(compare(sweeps), "epoch_seconds").axes[0]
    assert axes.texts[0].get_text() == "↓ 2 networks are below this picture"
    assert axes.get_ylim()[0] > 80 and axes.get_xlim()[0] > 0.5


def test_many_sweeps_are_labelled_with_letters(of: Callable[..., SweepComparison]) -> None:
    names = [f"a_rather_long_name_of_a_sweep_that_takes_a_line-{n}" for n in range(8)]
    figure = comparison_figure(of(*names), "epoch_seconds")
    assert labels(figure) == list("ABCDEFGH")
    with Image.open(BytesIO(png(figure))) as picture:
        assert picture.width == 1200 and picture.height > 900


def test_a_sweep_without_a_front_is_left_out(
    tmp_path: Path, records: list[TrialRecord], summarise: Summarise
) -> None:
    empty = ComparedSweep(name="empty", summary=summarise([]), devices=frozenset())
    full = ComparedSweep(name="full", summary=summarise(records), devices=frozenset())
    figure = comparison_figure(compare([empty, full]), "epoch_seconds")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["B  full"]
    nothing = compare([empty, ComparedSweep(name="e", summary=empty.summary, devices=frozenset())])
    assert write_comparison_figures(tmp_path / "none", nothing) == []


def test_a_folder_for_each_comparison(tmp_path: Path) -> None:
    def folder(*names: str) -> str:
        path = comparison_dir(tmp_path, names)
        assert path.parent == tmp_path / "comparisons"
        return path.name

    assert folder("one", "two") == "one-vs-two"
    assert folder("two", "one") == "two-vs-one"
    long = [f"{'x' * 99}{n}" for n in range(8)]
    assert len(folder(*long)) <= 80
    assert folder(*long) == folder(*long)
    assert len({folder(*long), folder(*reversed(long)), folder(*long[:7])}) == 3
    assert "-vs-7-more-" in folder(*long)
