"""Learning curves: accuracy and loss over the epochs, what matters in front of all the others."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.core.trial import EpochResult, TrialRecord
from pipeline.reporting.axes import Limits, linear_limits
from pipeline.reporting.page.plot import Plot, plot, whole_ticks
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.trials import headline, kinds, shown_stories

#: Curves that are drawn behind the named ones.
MOST_CURVES = 300
_NAMED = ("spot", "cnn", "dnn", "front")


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A trial's values over the epochs as SVG points; training is dashed, for named ones only."""

    trial: int
    kind: str
    validation: str
    training: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePanel:
    """Accuracy, or loss."""

    title: str
    plot: Plot
    curves: tuple[Curve, ...]


def curve_panels(sources: ReportSources) -> tuple[CurvePanel, ...]:
    """Return both panels; none before the first epoch."""
    kind = kinds(sources)
    trained = [story.record for story in shown_stories(sources) if story.record.history]
    if not trained:
        return ()
    others = [record for record in trained if kind[record.number] not in _NAMED]
    named = [record for record in trained if kind[record.number] in _NAMED]
    step = max(1, -(-len(others) // MOST_CURVES))
    drawn = [*others[::step], *sorted(named, key=lambda r: -_NAMED.index(kind[r.number]))]
    return (
        _panel(
            "accuracy", drawn, named or others, kind, label="accuracy (%)",
            validation=lambda result: 100 * result.val_accuracy,
            training=lambda result: 100 * result.train_accuracy,
        ),
        _panel(
            "loss", drawn, named or others, kind, label="cross-entropy",
            validation=lambda result: result.val_loss,
            training=lambda result: result.train_loss,
        ),
    )  # fmt: skip


Value = Callable[[EpochResult], float]


def _panel(
    name: str,
    drawn: Sequence[TrialRecord],
    important: Sequence[TrialRecord],
    kind: dict[int, str],
    *,
    label: str,
    validation: Value,
    training: Value,
) -> CurvePanel:
    values = [
        number
        for record in important
        for result in record.history
        for number in (validation(result), training(result))
        if math.isfinite(number)
    ]
    epochs = max(record.history[-1].epoch for record in drawn)
    across = Limits(1.0 if epochs > 1 else 0.5, max(float(epochs), 1.5))
    drawing = plot(
        x_limits=across,
        y_limits=linear_limits(values or [0.0, 1.0]),
        x_label="epoch",
        y_label=label,
        x_ticks=whole_ticks(across),
    )
    return CurvePanel(
        title=f"{name} over the epochs: {len(drawn)} trials",
        plot=drawing,
        curves=tuple(
            Curve(
                trial=record.number,
                kind=kind[record.number],
                validation=_points(drawing, record.history, validation),
                training=_points(drawing, record.history, training)
                if kind[record.number] in _NAMED[:-1]
                else "",
                title=headline(record, kind[record.number]),
            )
            for record in drawn
        ),
    )


def _points(drawing: Plot, history: Iterable[EpochResult], value: Value) -> str:
    points = [(float(result.epoch), value(result)) for result in history]
    return drawing.line((x, y) for x, y in points if math.isfinite(y))
