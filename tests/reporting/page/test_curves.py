from dataclasses import replace
from typing import Any

import pytest

from pipeline.reporting.page import curves
from pipeline.reporting.page.curves import CurvePanel, curve_panels
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.trials import kinds


def points(text: str) -> list[tuple[float, ...]]:
    return [tuple(map(float, point.split(","))) for point in text.split()]


def test_what_matters_lies_on_top_and_shows_its_training_too(sources: ReportSources) -> None:
    for panel in curve_panels(sources):
        assert [(curve.trial, curve.kind, bool(curve.training)) for curve in panel.curves] == [
            (5, "stopped", False), (2, "front", False), (4, "front", False), (0, "dnn", True),
            (1, "cnn", True), (3, "spot", True),
        ]  # fmt: skip
        assert panel.curves[-1].title.startswith("trial 3, 32k3-64k3-d128: sweet spot")


def test_a_curve_goes_through_what_each_epoch_has_come_to(sources: ReportSources) -> None:
    accuracy, loss = curve_panels(sources)
    assert (accuracy.title, loss.title) == (
        "accuracy over the epochs: 6 trials", "loss over the epochs: 6 trials",
    )  # fmt: skip
    history = sources.records[3].history
    assert len(history) == 3
    for panel, validation, training in (
        (
            accuracy,
            [100 * result.val_accuracy for result in history],
            [100 * result.train_accuracy for result in history],
        ),
        (
            loss,
            [result.val_loss for result in history],
            [result.train_loss for result in history],
        ),
    ):
        spot = panel.curves[-1]
        for text, values in ((spot.validation, validation), (spot.training, training)):
            assert points(text) == [
                (panel.plot.x(epoch), panel.plot.y(value)) for epoch, value in enumerate(values, 1)
            ]
    # A trial that was stopped has gone as far as it has gone.
    assert len(points(accuracy.curves[0].validation)) == 1


def changed(sources: ReportSources, number: int, **epoch: Any) -> ReportSources:
    """Return sources in which the first epoch of a trial is another one."""
    stories = list(sources.stories)
    story = stories[number]
    first, *rest = story.record.history
    history = (replace(first, **epoch), *rest)
    stories[number] = replace(story, record=replace(story.record, history=history))
    return replace(sources, stories=stories)


def test_what_is_no_number_leaves_a_gap(sources: ReportSources) -> None:
    _, loss = curve_panels(changed(sources, 3, val_loss=float("nan")))
    assert [x for x, _ in points(loss.curves[-1].validation)] == [loss.plot.x(2), loss.plot.x(3)]
    assert len(points(loss.curves[-1].training)) == 3


def test_the_axis_is_that_of_what_is_named(sources: ReportSources) -> None:
    def limits(panel: CurvePanel) -> tuple[float, float]:
        return panel.plot.y.low, panel.plot.y.high

    _, loss = curve_panels(sources)
    _, odd = curve_panels(changed(sources, 5, val_loss=1e6))
    assert limits(odd) == limits(loss)
    _, far = curve_panels(changed(sources, 3, val_loss=1e6))
    assert far.plot.y.high >= 1e6


def test_of_many_trials_those_without_a_name_are_thinned_out(
    sources: ReportSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = sources.stories[5]
    more = [
        replace(
            story,
            record=replace(
                story.record, specification=replace(story.record.specification, number=number)
            ),
        )
        for number in range(7, 15)
    ]
    many = replace(sources, stories=[*sources.stories, *more])
    monkeypatch.setattr(curves, "MOST_CURVES", 3)
    accuracy, _ = curve_panels(many)
    kind = kinds(many)
    drawn = [curve.trial for curve in accuracy.curves]
    assert [number for number in drawn if kind[number] == "stopped"] == [5, 9, 12]
    assert drawn[3:] == [2, 4, 0, 1, 3]


def test_before_the_first_epoch_there_is_no_panel(sources: ReportSources) -> None:
    assert curve_panels(replace(sources, stories=sources.stories[6:])) == ()
