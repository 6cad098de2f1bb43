"""How the search went: hypervolume, rungs, the workers' timeline, outcomes with their reasons."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.axes import Limits, linear_limits
from pipeline.reporting.page.plot import Plot, plot, whole_ticks
from pipeline.reporting.page.sources import Attempt, ReportSources
from pipeline.reporting.page.trials import headline, kinds
from pipeline.reporting.sentence import without_result
from pipeline.reporting.wording import duration_text
from pipeline.tracking.events import SummaryChanged, content_of

_HYPERVOLUME = "front/hypervolume"
_MOST_NUMBERS = 12  #: trials that are named of one reason
_NUMBER = re.compile(r"[0-9][0-9.,eE+-]*")
_LANE = 22
_LEAST_GAP_SECONDS = 30.0
_MEANINGS = {
    "complete": "trained to its end",
    "stopped": "its peers were better at a rung",
    "infeasible": "broke a limit, or does not fit the images",
    "diverged": "the loss was no longer finite",
    "out_of_memory": "the device or the process ran out of memory",
    "timed_out": "took longer than it may",
    "censored": "did not reach the target accuracy",
    "failed": "an error; its traceback is with the trial",
    "interrupted": "its worker left; it is queued again",
    "running": "has not ended",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why trials ended like this; ``numbers`` are the first of them."""

    text: str
    count: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeRow:
    """An outcome with its reasons, the commonest first."""

    outcome: str
    count: int
    meaning: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """An epoch at which trials were compared; shares in percent of those that reached the first."""

    epoch: int
    reached: int
    stopped: int
    reached_share: float
    stopped_share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """An attempt in the timeline."""

    trial: int
    kind: str
    lane: int
    x: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Who trained what when; pauses between sessions are cut out.

    Parameters
    ----------
    cuts
        Where, in pixels.
    """

    plot: Plot
    lanes: tuple[str, ...]
    spans: tuple[Span, ...]
    cuts: tuple[float, ...]
    lane_height: int = _LANE


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseView:
    """The section; None where nothing is known yet.

    Parameters
    ----------
    why_no_hypervolume
        A sentence, for where there is none.
    """

    hypervolume: tuple[Plot, str, float] | None
    why_no_hypervolume: str
    rungs: tuple[Rung, ...]
    timeline: Timeline | None
    outcomes: tuple[OutcomeRow, ...]


def course_view(sources: ReportSources) -> CourseView:
    """Return the section's values."""
    return CourseView(
        hypervolume=_hypervolume(sources),
        why_no_hypervolume=_why_no_hypervolume(sources.summary),
        rungs=_rungs(sources),
        timeline=_timeline(sources),
        outcomes=outcome_rows(sources.records),
    )


def _hypervolume(sources: ReportSources) -> tuple[Plot, str, float] | None:
    points: list[tuple[float, float]] = []
    for event in sources.sweep_events:
        content = content_of(event) if event.kind == SummaryChanged.kind else None
        if isinstance(content, SummaryChanged) and _HYPERVOLUME in content.metrics:
            value = (float(content.ended), content.metrics[_HYPERVOLUME])
            # Earlier versions counted interrupted trials, which go on.
            if not points or (value[0] >= points[-1][0] and value != points[-1]):
                points.append(value)
    if len(points) < 2:
        return None
    limits = Limits(0.0, points[-1][0] + 0.5)
    drawing = plot(
        x_limits=limits,
        y_limits=linear_limits([value for _, value in points]),
        x_label="trials that have ended",
        y_label="hypervolume",
        x_ticks=whole_ticks(limits),
    )
    stairs = points[:1]
    for before, after in itertools.pairwise(points):
        stairs += [(after[0], before[1]), after]
    return drawing, drawing.line(stairs), points[-1][1]


def _why_no_hypervolume(summary: Mapping[str, Any]) -> str:
    never = without_result(summary, "cnn")
    if never is not None and summary["hypervolume"]["value"] is None:
        return f"There is none: the cnn reference {never}."
    return "Not known before the cnn reference and another trial have ended."


def _rungs(sources: ReportSources) -> tuple[Rung, ...]:
    """Return the rungs as the configuration has them; none where it is not known.

    Where the space varies the epochs, those of the longest trial.
    """
    from pipeline.config import RungsConfig
    from pipeline.search.rungs import can_compare, rung_epochs

    if not can_compare(sources.summary["costs"]):
        return ()
    try:
        values = yaml.safe_load(sources.config_text or "")
        settings = RungsConfig.model_validate(values["search"]["rungs"])
        usual = int(values["training"]["epochs"])
    except (yaml.YAMLError, LookupError, TypeError, ValueError):
        return ()
    own = [record.specification.recipe.epochs or usual for record in sources.records]
    return rungs(sources.records, rung_epochs(settings, max(own, default=usual)), usual)


def rungs(records: Sequence[TrialRecord], epochs: Sequence[int], usual: int) -> tuple[Rung, ...]:
    """Return how many trials reached each rung and were stopped there, references left out.

    Parameters
    ----------
    usual
        The epochs of a trial that does not name its own. Its last one is no rung of a trial.
    """
    drawn = [r for r in records if r.specification.reference is None and r.history]
    first = 1
    found: list[Rung] = []
    for epoch in epochs:
        own = [r for r in drawn if epoch < (r.specification.recipe.epochs or usual)]
        here = [record for record in own if record.history[-1].epoch >= epoch]
        stopped = sum(
            record.outcome is Outcome.STOPPED and record.history[-1].epoch == epoch
            for record in here
        )
        first = first if found else max(len(here), 1)
        found.append(
            Rung(
                epoch=epoch,
                reached=len(here),
                stopped=stopped,
                reached_share=round(100 * (len(here) - stopped) / first, 1),
                stopped_share=round(100 * stopped / first, 1),
            )
        )
    return tuple(found)


@dataclass
class _Group:
    text: str
    numbers: list[int] = field(default_factory=list)


def outcome_rows(records: Sequence[TrialRecord]) -> tuple[OutcomeRow, ...]:
    """Return the outcomes that occur; reasons that differ in their numbers only are one."""
    counts: Counter[str] = Counter()
    groups: dict[str, dict[str, _Group]] = {}
    for record in records:
        outcome = "running" if record.outcome is None else record.outcome.value
        counts[outcome] += 1
        if record.reason:
            pattern = _NUMBER.sub("…", record.reason)
            group = groups.setdefault(outcome, {}).setdefault(pattern, _Group(record.reason))
            group.numbers.append(record.number)
    return tuple(
        OutcomeRow(
            outcome=outcome,
            count=counts[outcome],
            meaning=meaning,
            reasons=tuple(
                Reason(
                    text=group.text if len(group.numbers) == 1 else pattern,
                    count=len(group.numbers),
                    numbers=tuple(group.numbers[:_MOST_NUMBERS]),
                )
                for pattern, group in sorted(
                    groups.get(outcome, {}).items(), key=lambda item: -len(item[1].numbers)
                )
            ),
        )
        for outcome, meaning in _MEANINGS.items()
        if counts[outcome]
    )


def _timeline(sources: ReportSources) -> Timeline | None:
    attempts = sorted(sources.attempts, key=lambda attempt: (attempt.started, attempt.trial))
    if not attempts:
        return None
    busy = busy_time(attempts)
    total = max(busy[-1][1] - busy[-1][0] + busy[-1][2], 1e-3)
    lanes, placed = _lanes(attempts)
    in_minutes = total >= 180  # seconds
    unit = 60.0 if in_minutes else 1.0
    limits = Limits(0.0, total / unit)
    drawing = plot(
        x_limits=limits,
        y_limits=Limits(0.0, 1.0),
        x_label="minutes of training" if in_minutes else "seconds of training",
        y_label="",
        width=1040,
        height=_LANE * len(lanes) + 56,
        left=90,
    )
    records = {record.number: record for record in sources.records}
    kind = kinds(sources)
    spans = []
    for attempt, lane in zip(attempts, placed, strict=True):
        start, end = (drawing.x(_busy_at(busy, t) / unit) for t in (attempt.started, attempt.ended))
        words = headline(records[attempt.trial], kind[attempt.trial])
        seconds = duration_text(attempt.ended - attempt.started)
        seconds = f"trained again, {seconds}" if attempt.again else seconds
        spans.append(
            Span(
                trial=attempt.trial,
                kind=kind[attempt.trial] if attempt.outcome else "running",
                lane=lane,
                x=start,
                width=max(round(end - start - 0.6, 1), 0.8),
                title=f"{words}; {seconds} by worker {attempt.worker}",
            )
        )
    cuts = tuple(drawing.x(before / unit) for _, _, before in busy[1:])
    return Timeline(plot=drawing, lanes=lanes, spans=tuple(spans), cuts=cuts)


Busy = tuple[float, float, float]


def busy_time(attempts: Sequence[Attempt]) -> list[Busy]:
    """Return when somebody trained: start, end, and the busy seconds before; pauses joined.

    Parameters
    ----------
    attempts
        By their start, at least one.
    """
    stretches: list[list[float]] = []
    for attempt in attempts:
        if stretches and attempt.started - stretches[-1][1] <= _LEAST_GAP_SECONDS:
            stretches[-1][1] = max(stretches[-1][1], attempt.ended)
        else:
            stretches.append([attempt.started, attempt.ended])
    found: list[Busy] = []
    before = 0.0
    for start, end in stretches:
        found.append((start, end, before))
        before += end - start
    return found


def _busy_at(busy: Sequence[Busy], moment: float) -> float:
    start, end, before = next(part for part in reversed(busy) if part[0] <= moment)
    return before + min(moment, end) - start


def _lanes(attempts: Sequence[Attempt]) -> tuple[tuple[str, ...], list[int]]:
    """Return the lanes' names, and each attempt's lane: the first of its host that is free.

    A worker that has trained enough is replaced by another one, which takes over its lane.
    """
    hosts = list(dict.fromkeys(attempt.host for attempt in attempts))
    free_at: dict[str, list[float]] = {host: [] for host in hosts}
    own: list[int] = []
    for attempt in attempts:
        lanes = free_at[attempt.host]
        lane = next((i for i, at in enumerate(lanes) if at <= attempt.started), len(lanes))
        if lane == len(lanes):
            lanes.append(0.0)
        lanes[lane] = attempt.ended
        own.append(lane)
    first = {host: sum(len(free_at[h]) for h in hosts[:i]) for i, host in enumerate(hosts)}
    names = [
        f"worker {lane + 1}" if len(hosts) == 1 else f"{host[:10]} {lane + 1}"
        for host in hosts
        for lane in range(len(free_at[host]))
    ]
    placed = [first[attempt.host] + lane for attempt, lane in zip(attempts, own, strict=True)]
    return tuple(names), placed
