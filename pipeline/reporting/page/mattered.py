"""What mattered: importance, slices over filters, kernel size and depth, parallel coordinates."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.axes import (
    Limits,
    accuracy_floor,
    accuracy_limits,
    linear_limits,
    log_limits,
    tick_text,
)
from pipeline.reporting.page.plot import Plot, Scale, Tick, plot, ticks
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.trials import KINDS, headline, kinds, shown_stories
from pipeline.reporting.wording import cost_label

#: Complete trials below which an importance is rough.
ROUGH_BELOW = 50
_SHADES = 5
_MOST_TICKS = 6  #: values of a property up to which each gets its own tick
#: Kinds of marks, the ones that may be covered by the others first.
_IN_FRONT = tuple(reversed(KINDS))
_LAYER = re.compile(r"(.+)_([0-9]+)")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 1040, 340, 50, 34, 300


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportanceRow:
    """A parameter; a cell a target: its share in words, and a bar's width in percent."""

    name: str
    cells: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A trial in a drawing."""

    trial: int
    kind: str
    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Trials over one property of their networks."""

    title: str
    plot: Plot
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coordinate:
    """An axis of the parallel coordinates."""

    label: str
    at: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """A trial in the parallel coordinates; ``shade`` 0 to 4 by its accuracy."""

    trial: int
    kind: str
    points: str
    shade: int
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MatteredView:
    """The section; ``rows`` is empty where there is nothing to say yet."""

    trials: int
    least: int
    best_share: float
    targets: tuple[str, ...]
    rows: tuple[ImportanceRow, ...]
    slices: tuple[Slice, ...]
    coordinates: tuple[Coordinate, ...]
    threads: tuple[Thread, ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    top: int = _TOP
    bottom: int = _BOTTOM

    @property
    def is_rough(self) -> bool:
        """Whether the importance comes from few trials."""
        return self.trials < ROUGH_BELOW


def mattered_view(sources: ReportSources) -> MatteredView:
    """Return the section's values."""
    from pipeline.search.importance import LEAST_TRIALS

    importance = sources.importance
    found = {name: shares for name, shares in importance["importance"].items() if shares}
    names = {name: max(shares.get(name, 0.0) for shares in found.values())
             for shares in found.values() for name in shares}  # fmt: skip
    rows = tuple(
        ImportanceRow(
            name=parameter_label(name),
            cells=tuple(
                (f"{100 * shares[name]:.0f}%" if name in shares else "-",
                 round(100 * shares.get(name, 0.0), 1))
                for shares in found.values()
            ),
        )
        for name in sorted(names, key=lambda n: (-next(iter(found.values())).get(n, 0.0), n))
    )  # fmt: skip
    complete = [
        story.record
        for story in shown_stories(sources)
        if story.record.outcome is Outcome.COMPLETE and story.record.val_accuracy is not None
    ]
    kind = kinds(sources)
    coordinates, threads = _parallel(complete, kind, sources.summary["costs"][0])
    return MatteredView(
        trials=importance["trials"],
        least=LEAST_TRIALS,
        best_share=importance["best_share"],
        targets=tuple(_target_label(name) for name in found),
        rows=rows,
        slices=tuple(_slices(complete, kind, sources.summary["costs"][0])),
        coordinates=coordinates,
        threads=threads,
    )


def _target_label(name: str) -> str:
    return "accuracy" if name == "val_accuracy" else cost_label(name)


def parameter_label(name: str) -> str:
    """Return a parameter's name for people: ``filters, block 2``."""
    layer = _LAYER.fullmatch(name)
    words = name.replace("_", " ") if layer is None else layer[1].replace("_", " ")
    return words if layer is None else f"{words}, block {layer[2]}"


def _mean_filters(record: TrialRecord) -> float | None:
    blocks = record.specification.architecture.blocks
    return fmean(block.filters for block in blocks) if blocks else None


def _mean_kernel(record: TrialRecord) -> float | None:
    blocks = record.specification.architecture.blocks
    return fmean(block.kernel_size for block in blocks) if blocks else None


def _depth(record: TrialRecord) -> float:
    return record.specification.architecture.depth


Property = Callable[[TrialRecord], float | None]
_PROPERTIES: tuple[tuple[str, Property], ...] = (
    ("filters, mean of the blocks", _mean_filters),
    ("kernel size, mean of the blocks", _mean_kernel),
    ("depth, convolution blocks", _depth),
)


def _slices(records: Sequence[TrialRecord], kind: dict[int, str], cost: str) -> list[Slice]:
    if not records:
        return []
    priced = [record for record in records if record.costs.get(cost, 0) > 0]
    points = [(1.0, 100 * (record.val_accuracy or 0.0)) for record in records]
    special = [100 * (r.val_accuracy or 0.0) for r in records if kind[r.number] != "complete"]
    floor = accuracy_floor(points, special)
    accurate = [r for r in records if 100 * (r.val_accuracy or 0.0) >= floor]
    heights = accuracy_limits([(1.0, 100 * (r.val_accuracy or 0.0)) for r in accurate])
    found = []
    for label, value in _PROPERTIES:
        known = [record for record in accurate if value(record) is not None]
        if known:
            up = _Height(label="validation accuracy (%)", limits=heights, value=_accuracy)
            found.append(_slice(known, kind, value, label, up))
    if priced:
        costs = log_limits([record.costs[cost] for record in priced])
        up = _Height(
            label=f"{cost_label(cost)}, log scale",
            limits=costs,
            value=lambda record: record.costs[cost],
            log=True,
        )
        for label, value in _PROPERTIES:
            known = [record for record in priced if value(record) is not None]
            if known:
                found.append(_slice(known, kind, value, label, up))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Height:
    """What a slice shows upwards."""

    label: str
    limits: Limits
    value: Callable[[TrialRecord], float]
    log: bool = False


def _accuracy(record: TrialRecord) -> float:
    return 100 * (record.val_accuracy or 0.0)


def _slice(
    records: Sequence[TrialRecord],
    kind: dict[int, str],
    across: Property,
    x_label: str,
    up: _Height,
) -> Slice:
    values = [across(record) or 0.0 for record in records]
    distinct = sorted(set(values))
    limits = linear_limits(values)
    drawing = plot(
        x_limits=limits,
        y_limits=up.limits,
        x_label=x_label,
        y_label=up.label,
        width=330,
        height=230,
        left=58,
        y_log=up.log,
        x_ticks=_own_ticks(distinct) or None,
    )
    return Slice(
        title=f"{up.label} over {x_label}",
        plot=drawing,
        marks=tuple(
            Mark(
                trial=record.number,
                kind=kind[record.number],
                x=drawing.x(value),
                y=drawing.y(up.value(record)),
                title=headline(record, kind[record.number]),
            )
            for record, value in sorted(
                zip(records, values, strict=True),
                key=lambda pair: _IN_FRONT.index(kind[pair[0].number]),
            )
        ),
    )


def _own_ticks(distinct: Sequence[float]) -> list[tuple[float, str]]:
    """Return few whole numbers as their own ticks; none where they are not."""
    if len(distinct) > _MOST_TICKS or any(value != round(value) for value in distinct):
        return []
    return [(value, tick_text(value)) for value in distinct]


def _parallel(
    records: Sequence[TrialRecord], kind: dict[int, str], cost: str
) -> tuple[tuple[Coordinate, ...], tuple[Thread, ...]]:
    columns: list[tuple[str, Property, bool]] = [
        ("depth", _depth, False),
        ("filters (mean)", _mean_filters, False),
        ("kernel (mean)", _mean_kernel, False),
        ("dense units", lambda r: r.specification.architecture.dense_units, False),
        ("dropout", lambda r: r.specification.architecture.dropout, False),
        ("batch size", lambda r: r.specification.recipe.batch_size, True),
        ("learning rate", lambda r: r.specification.recipe.learning_rate, True),
        (cost_label(cost), lambda r: r.costs.get(cost), True),
        ("accuracy (%)", _accuracy, False),
    ]
    varied = []
    for label, value, log in columns:
        known = [number for record in records if (number := value(record)) is not None]
        if len(set(known)) > 1 and (not log or min(known) > 0):
            varied.append((label, value, log, known))
    if len(varied) < 2:
        return (), ()
    step = (_WIDTH - 2 * _LEFT) / (len(varied) - 1)
    coordinates, places = [], []
    for index, (label, value, log, known) in enumerate(varied):
        limits = Limits(min(known), max(known))
        scale = Scale(low=limits.low, high=limits.high, start=_BOTTOM - 14, end=_TOP + 4, log=log)
        at = round(_LEFT + index * step, 1)
        values = _own_ticks(sorted(set(known))) or ticks(limits, log=log)
        marked = [Tick(at=scale(number), text=text) for number, text in values]
        if len(known) < len(records):
            marked.append(Tick(at=_BOTTOM, text="none"))
        coordinates.append(Coordinate(label=label, at=at, ticks=tuple(marked)))
        places.append((at, value, scale))
    order = sorted(records, key=_accuracy)
    threads = []
    for rank, record in enumerate(order):
        numbers = [(at, value(record), scale) for at, value, scale in places]
        points = " ".join(
            f"{at:g},{_BOTTOM if number is None else scale(number):g}"
            for at, number, scale in numbers
        )
        threads.append(
            Thread(
                trial=record.number,
                kind=kind[record.number],
                points=points,
                shade=_SHADES * rank // len(order),
                title=headline(record, kind[record.number]),
            )
        )
    return tuple(coordinates), tuple(threads)
