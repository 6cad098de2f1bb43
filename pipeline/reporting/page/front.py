"""The front: a mark a trial, for every cost, both scales, around the front or everything.

The script places marks by these limits and ticks; nothing is computed twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.core.records import above_limits, comparable
from pipeline.core.summary import finalist_trainings
from pipeline.core.trial import COSTS, TrialRecord
from pipeline.core.wording import share_of_draws
from pipeline.reporting.axes import (
    Limits,
    accuracy_floor,
    accuracy_limits,
    linear_limits,
    log_limits,
)
from pipeline.reporting.networks import (
    compares_all,
    network_columns,
    network_rows,
    network_title,
)
from pipeline.reporting.page.plot import ticks
from pipeline.reporting.page.sources import ReportSources, limits_of
from pipeline.reporting.page.text import plain
from pipeline.reporting.page.trials import (
    KINDS,
    accuracy_interval_text,
    headline,
    kinds,
    shown_stories,
)
from pipeline.reporting.tables import front_rows
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontRow:
    """A member of the front, or a reference behind it, in the table."""

    trial: int
    architecture: str
    accuracy: str
    interval: str
    costs: tuple[str, ...]
    marks: tuple[str, ...]
    on_front: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalistRow:
    """A network that was trained again: means and standard errors in words."""

    trial: int
    architecture: str
    trainings: str
    accuracy: str
    costs: tuple[str, ...]
    probability: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EveryNetwork:
    """The table of all networks that came to their end.

    Parameters
    ----------
    titles
        Of the columns behind the network's own.
    rows
        Trial, network, cells.
    compared
        Whether each was trained several times: the table is what the sweep was made for.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[int, str, tuple[str, ...]], ...]
    compared: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontView:
    """The section.

    Parameters
    ----------
    costs
        Name and label of each that can be shown, the leading one first.
    legend
        Kind and words of every mark that occurs.
    left_out
        Trials that are not on the page, as there are too many.
    data
        Plain values for the script.
    """

    costs: tuple[tuple[str, str], ...]
    table_costs: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]
    rows: tuple[FrontRow, ...]
    finalists: tuple[FinalistRow, ...]
    left_out: int
    every: EveryNetwork
    data: Mapping[str, Any]


def front_view(sources: ReportSources) -> FrontView:
    """Return the section's values."""
    summary = sources.summary
    records = [story.record for story in shown_stories(sources)]
    kind = kinds(sources)
    measured = {name for record in records for name, value in record.costs.items() if value > 0}
    limits = limits_of(sources)
    names = [name for name in (*summary["costs"], *COSTS) if name in measured]
    costs = tuple((name, cost_label(name)) for name in dict.fromkeys(names))
    points = [
        {
            "n": record.number,
            "k": kind[record.number],
            "a": None if record.val_accuracy is None else 100 * record.val_accuracy,
            "c": {name: record.costs[name] for name, _ in costs if record.costs.get(name, 0) > 0},
            "t": headline(record, kind[record.number]),
            "e": comparable(record, ()) and not above_limits(record, limits),
        }
        for record in records
    ]
    members = {member["trial"] for member in summary["front"]}
    finalists = summary.get("finalists") or []
    named = {network.trial for network in sources.networks}
    data = {
        "points": points,
        "finalists": [_finalist_mark(finalist) for finalist in finalists],
        "costs": [
            {"name": name, "label": label, **_axes(name, records, named or members)}
            for name, label in costs
        ],
    }
    images = summary["data"]["validation"]
    on_front = len(summary["front"])
    rows = tuple(
        FrontRow(
            trial=row["trial"],
            architecture=row["architecture"],
            accuracy=accuracy_text(row["val_accuracy"]),
            interval=accuracy_interval_text(row["val_accuracy"], images),
            costs=tuple(cost_text(name, row["costs"][name]) for name in summary["costs"]),
            marks=tuple(marks),
            on_front=index < on_front,
        )
        for index, (row, marks) in enumerate(front_rows(summary))
    )
    seen = {kind[record.number] for record in records}
    return FrontView(
        costs=costs,
        table_costs=tuple(cost_label(name) for name in summary["costs"]),
        legend=tuple((key, words) for key, words in KINDS.items() if key in seen),
        rows=rows,
        finalists=tuple(_finalist_row(finalist, summary["costs"]) for finalist in finalists),
        left_out=len(sources.stories) - len(records),
        every=_every_network(sources, records),
        data=plain(data),
    )


def _every_network(sources: ReportSources, shown: Sequence[TrialRecord]) -> EveryNetwork:
    rows = network_rows(sources.summary, [*shown, *sources.further])
    columns = network_columns(rows)
    return EveryNetwork(
        titles=tuple(column.title for column in columns),
        rows=tuple(
            (row.trained.number, network_title(row), tuple(c.cells[index] for c in columns))
            for index, row in enumerate(rows)
        ),
        compared=compares_all(rows),
    )


def _finalist_mark(finalist: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a finalist's mean lies, and how far its standard errors reach."""
    accuracy, costs = finalist["val_accuracy"], finalist["costs"]
    return {
        "n": finalist["trial"],
        "a": 100 * accuracy["mean"],
        "e": 100 * (accuracy["standard_error"] or 0.0),
        "c": {name: cost["mean"] for name, cost in costs.items()},
        "ce": {name: cost["standard_error"] or 0.0 for name, cost in costs.items()},
        "t": f"trial {finalist['trial']}, mean of {finalist_trainings(finalist)} trainings: "
        + _mean_text(accuracy, accuracy_text),
    }


def _finalist_row(finalist: Mapping[str, Any], costs: Sequence[str]) -> FinalistRow:
    probability = finalist.get("probability_on_front")
    return FinalistRow(
        trial=finalist["trial"],
        architecture=finalist["architecture"],
        trainings=finalist_trainings(finalist),
        accuracy=_mean_text(finalist["val_accuracy"], accuracy_text),
        costs=tuple(
            _mean_text(finalist["costs"][name], partial(cost_text, name)) for name in costs
        ),
        probability="-" if probability is None else share_of_draws(probability),
    )


def _mean_text(mean: Mapping[str, Any], text: Callable[[float], str]) -> str:
    error = mean["standard_error"]
    return text(mean["mean"]) + (f" ± {text(error)}" if error else "")


def _axes(cost: str, records: Sequence[TrialRecord], important: set[int]) -> dict[str, Any]:
    """Return limits and ticks by view (``front`` or ``all``) and scale."""
    known = [record for record in records if record.costs.get(cost, 0) > 0]
    points = [(r.costs[cost], 100 * r.val_accuracy) for r in known if r.val_accuracy is not None]
    named = [
        (r.costs[cost], 100 * r.val_accuracy)
        for r in known
        if r.number in important and r.val_accuracy is not None
    ]
    everything = [record.costs[cost] for record in known]
    if not points:
        return {"all": _view(everything, Limits(0.0, 100.0))}
    floor = accuracy_floor(points, [accuracy for _, accuracy in named])
    near = [point for point in points if point[1] >= floor]
    return {
        "front": _view([price for price, _ in near], accuracy_limits(near)),
        "all": _view(everything, accuracy_limits(points)),
    }


def _view(costs: Sequence[float], accuracy: Limits) -> dict[str, Any]:
    linear = linear_limits([0.0, *costs])
    return {
        "y": _axis(accuracy, log=False),
        "log": _axis(log_limits(costs), log=True),
        "linear": _axis(Limits(0.0, linear.high), log=False),
    }


def _axis(limits: Limits, *, log: bool) -> dict[str, Any]:
    return {"low": limits.low, "high": limits.high, "ticks": ticks(limits, log=log)}
