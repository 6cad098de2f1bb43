"""Every trial as the page knows it: the kind of its mark, a line of words, and all details."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline.core.statistics import wilson_interval
from pipeline.core.trial import COSTS, Outcome, TrialRecord
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.text import plain
from pipeline.reporting.tables import cost_interval_text
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, duration_text
from pipeline.tracking.story import TrialStory

#: Trials that one page shows; beyond, those behind the front are thinned out, and it is said.
MOST_TRIALS = 2500
#: Epochs that are kept of a long training's curve.
MOST_EPOCHS = 60
_FAILURES = (Outcome.FAILED, Outcome.DIVERGED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT)
#: What each kind of mark stands for; the order is that of the legend.
KINDS = {
    "spot": "sweet spot",
    "cnn": "cnn reference",
    "dnn": "dnn reference",
    "front": "on the front",
    "complete": "complete, behind the front",
    "stopped": "stopped early",
    "infeasible": "broke a limit",
    "censored": "target not reached",
    "failed": "failed",
    "interrupted": "interrupted",
    "running": "running",
}


def kinds(sources: ReportSources) -> dict[int, str]:
    """Return the key into ``KINDS`` of every trial by number."""
    summary = sources.summary
    found = {record.number: _kind(record) for record in sources.records}
    found |= {member["trial"]: "front" for member in summary["front"] if member["trial"] in found}
    named = {values["trial"]: name for name, values in summary["references"].items()}
    if summary["sweet_spot"] is not None:
        named[summary["sweet_spot"]["trial"]] = "spot"
    return found | {number: name for number, name in named.items() if number in found}


def _kind(record: TrialRecord) -> str:
    if record.outcome is None:
        return "running"
    return "failed" if record.outcome in _FAILURES else record.outcome.value


def shown_stories(sources: ReportSources) -> Sequence[TrialStory]:
    """Return the trials that the page shows: all, or what is special and an even choice."""
    if len(sources.stories) <= MOST_TRIALS:
        return sources.stories
    kind = kinds(sources)
    common = [s for s in sources.stories if kind[s.record.number] in ("complete", "stopped")]
    special = len(sources.stories) - len(common)
    room = max(MOST_TRIALS - special, MOST_TRIALS // 5)
    kept = {common[index * len(common) // room].record.number for index in range(room)}
    left_out = {story.record.number for story in common} - kept
    return [story for story in sources.stories if story.record.number not in left_out]


def headline(record: TrialRecord, kind: str) -> str:
    """Return a trial in one line, for whoever hears the page or points at a mark."""
    specification = record.specification
    words = f"trial {record.number}, {specification.architecture}: {KINDS[kind]}"
    if record.val_accuracy is not None:
        words += f", validation accuracy {accuracy_text(record.val_accuracy)}"
    return words


def accuracy_interval_text(accuracy: float | None, images: int) -> str:
    """Return the 95% Wilson interval of an accuracy on so many images; nothing without one."""
    if accuracy is None or not images or not 0 <= accuracy <= 1:
        return ""
    interval = wilson_interval(round(accuracy * images), images)
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}%"


def details(sources: ReportSources) -> dict[str, Any]:
    """Return what is told of each trial on demand, as plain values for the page's script.

    Networks of one architecture share their journey.
    """
    kind = kinds(sources)
    stories = shown_stories(sources)
    journeys = {
        story.record.specification.architecture.notation: [
            [stage.name, stage.shape_text, f"{stage.parameters:,}", f"{stage.macs:,}", stage.reason]
            for stage in story.journey
        ]
        for story in stories
    }
    images = sources.summary["data"]["validation"]
    content = {
        "journeys": journeys,
        "trials": {
            str(story.record.number): _detail(story, kind[story.record.number], images)
            for story in stories
        },
    }
    cleaned: dict[str, Any] = plain(content)
    return cleaned


def _detail(story: TrialStory, kind: str, validation_images: int) -> dict[str, Any]:
    record = story.record
    specification = record.specification
    recipe = asdict(specification.recipe)
    interval = accuracy_interval_text(record.val_accuracy, validation_images)
    facts = [
        ["validation accuracy", accuracy_text(record.val_accuracy), interval],
        *(
            [
                cost_label(cost),
                cost_text(cost, record.costs[cost]),
                cost_interval_text(record, cost),
            ]
            for cost in COSTS
            if cost in record.costs
        ),
        *(
            [name.replace("_", " "), f"{value}", ""]
            for name, value in recipe.items()
            if value is not None  # as the sweep has it
        ),
        ["seed", str(specification.seed), ""],
        ["worker", story.worker, ""],
    ]
    if record.started is not None and record.ended is not None:
        facts.append(["time", duration_text(record.ended - record.started), ""])
    if story.retries:
        facts.append(["taken up again", str(story.retries), ""])
    return {
        "architecture": specification.architecture.notation,
        "kind": KINDS[kind],
        "outcome": "running" if record.outcome is None else record.outcome.value,
        "reason": record.reason or "",
        "line": headline(record, kind),
        "facts": facts,
        "epochs": _epochs(record),
        "details": story.details or "",
    }


def _epochs(record: TrialRecord) -> list[list[Any]]:
    history = record.history
    step = max(1, -(-len(history) // MOST_EPOCHS))
    kept = [*history[:-1:step], *history[-1:]]
    return [
        [
            result.epoch,
            _rounded(result.train_loss), _rounded(result.train_accuracy),
            _rounded(result.val_loss), _rounded(result.val_accuracy),
            _rounded(result.epoch_seconds),
        ]
        for result in kept
    ]  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
