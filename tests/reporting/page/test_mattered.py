from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from pipeline.reporting.page.mattered import mattered_view, parameter_label
from pipeline.reporting.page.sources import ReportSources


def with_importance(sources: ReportSources, trials: int = 60, **shares: Any) -> ReportSources:
    importance = {"trials": trials, "best_share": 0.1, "importance": shares}
    return replace(sources, importance=importance)


def test_a_share_is_a_percentage_and_what_a_target_does_not_name_is_a_dash(
    sources: ReportSources,
) -> None:
    view = mattered_view(
        with_importance(
            sources,
            val_accuracy={"filters_2": 0.7, "dropout": 0.3},
            epoch_seconds={"dropout": 0.254, "batch_size": 0.746},
            latency_ms=None,  # too few trials to say anything of it
        )
    )
    assert view.targets == ("accuracy", "epoch time (s)")
    assert [(row.name, row.cells) for row in view.rows] == [
        ("filters, block 2", (("70%", 70.0), ("-", 0.0))),
        ("dropout", (("30%", 30.0), ("25%", 25.4))),
        ("batch size", (("-", 0.0), ("75%", 74.6))),
    ]
    assert mattered_view(sources).rows == ()


@pytest.mark.parametrize(("trials", "is_rough"), [(49, True), (50, False)])
def test_an_importance_of_few_trials_is_rough(
    sources: ReportSources, trials: int, is_rough: bool
) -> None:
    assert mattered_view(with_importance(sources, trials)).is_rough is is_rough


def test_parameters_have_names_for_people() -> None:
    assert parameter_label("kernel_size_3") == "kernel size, block 3"
    assert parameter_label("dense_units") == "dense units"


def test_what_is_more_accurate_is_higher_up_and_what_is_dearer_too(sources: ReportSources) -> None:
    view = mattered_view(sources)
    assert [drawing.title for drawing in view.slices] == [
        f"{up} over {across}"
        for up in ("validation accuracy (%)", "epoch time (s), log scale")
        for across in (
            "filters, mean of the blocks", "kernel size, mean of the blocks",
            "depth, convolution blocks",
        )
    ]  # fmt: skip
    depth, dear = view.slices[2], view.slices[5]
    assert [tick.text for tick in depth.plot.x_ticks] == ["0", "1", "2"]
    records = {record.number: record for record in sources.records}
    for drawing, value in (
        (depth, lambda record: record.val_accuracy),
        (dear, lambda record: record.costs["epoch_seconds"]),
    ):
        # Only what was trained to its end, at its depth, and the higher the more.
        assert {mark.trial for mark in drawing.marks} == {0, 1, 2, 3, 4}
        for mark in drawing.marks:
            architecture = records[mark.trial].specification.architecture
            assert mark.x == drawing.plot.x(architecture.depth)
        upwards = sorted(drawing.marks, key=lambda mark: value(records[mark.trial]))
        assert all(low.y > high.y for low, high in pairwise(upwards))


def test_a_network_without_blocks_has_no_filters_and_the_sweet_spot_covers_others(
    sources: ReportSources,
) -> None:
    filters = mattered_view(sources).slices[0]
    across = {mark.trial: mark.x for mark in filters.marks}
    assert sorted(across, key=across.__getitem__) == [2, 3, 1, 4]
    assert across[3] == filters.plot.x((32 + 64) / 2)
    assert [mark.kind for mark in filters.marks] == ["front", "front", "cnn", "spot"]
    assert filters.marks[-1].title.startswith("trial 3, 32k3-64k3-d128: sweet spot")


def test_threads_lie_the_more_on_top_and_are_the_stronger_the_more_accurate_they_are(
    sources: ReportSources,
) -> None:
    view = mattered_view(sources)
    assert [thread.trial for thread in view.threads] == [0, 2, 1, 3, 4]
    assert [thread.shade for thread in view.threads] == [0, 1, 2, 3, 4]
    # What all have in common tells nothing: every one has the same learning rate.
    assert [axis.label for axis in view.coordinates] == [
        "depth", "filters (mean)", "kernel (mean)", "dense units", "dropout", "batch size",
        "epoch time (s)", "accuracy (%)",
    ]  # fmt: skip
    places = [
        [tuple(map(float, point.split(","))) for point in thread.points.split()]
        for thread in view.threads
    ]
    axes = [axis.at for axis in view.coordinates]
    assert all([x for x, _ in thread] == axes for thread in places)
    heights = [thread[-1][1] for thread in places]
    assert heights == sorted(heights, reverse=True) and heights[0] > heights[-1]
    # Whoever has no filters goes through the foot of their axis, where that is said.
    assert places[0][1][1] == view.bottom
    assert view.coordinates[1].ticks[-1].text == "none"
    assert view.coordinates[1].ticks[-1].at == view.bottom


def test_before_the_first_trial_has_ended_nothing_is_drawn(sources: ReportSources) -> None:
    view = mattered_view(replace(sources, stories=sources.stories[5:]))
    assert (view.slices, view.threads, view.coordinates) == ((), (), ())
