"""One trial on the terminal: its journey, its costs and its epochs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.core.journey import Stage, timed_beside
from pipeline.core.trial import COSTS, TrialRecord
from pipeline.reporting.console import terminal
from pipeline.reporting.leading_on import mlflow_place
from pipeline.reporting.tables import cost_interval_text
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, printable
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

if TYPE_CHECKING:
    from rich.table import Table

#: Further measurements, in words; each is left out where the machine does not report it.
_OTHERS = {
    "epoch_cpu_joules": "energy of an epoch, processors (J)",
    "epoch_gpu_joules": "energy of an epoch, GPU (J)",
    "host_peak_memory_mib": "host memory, peak of the process (MiB)",
}
_LATENCY_OF_SIZE = re.compile(r"latency_(\d+)_ms")


def show_trial(sweep_dir: Path, number: int, stream: TextIO | None = None) -> None:
    """Print what is known of a trial, from its event log.

    Parameters
    ----------
    number
        The original's.
    """
    console = terminal(stream)
    story = trial_story(read(trial_log_path(sweep_dir, number)))
    if story is None:
        console.print(f"Trial {number} has not started.")
        return
    record = story.record
    console.print()
    console.print(f"The image's journey through {record.specification.architecture}")
    console.print(journey_table(story.journey))
    console.print("Costs, measured on this machine")
    console.print(cost_table(record))
    if "latency_batch_size" in record.measurements:
        beside = _timed_beside(story.journey)
        console.print(f"Latency, taken in turn with the {beside} reference")
        console.print(latency_table(record, beside))
    if record.history:
        console.print("Epochs")
        console.print(epoch_table(record))
    outcome = "is still running" if record.outcome is None else f"ended {record.outcome}"
    reason = f": {printable(record.reason, console.encoding)}" if record.reason else ""
    console.print(
        f"The trial {outcome}{reason}; validation accuracy {accuracy_text(record.val_accuracy)}.",
        soft_wrap=True,
    )
    place = mlflow_place(sweep_dir)
    if place is not None:
        console.print(f"{place}  (its curves, summary and model, in MLflow)", soft_wrap=True)
    console.print(str(sweep_dir), soft_wrap=True)


def _timed_beside(journey: tuple[Stage, ...]) -> str:
    """Return which reference a network with this journey was timed in turn with."""
    if not journey:
        return "cnn"
    height, width, channels = journey[0].shape
    return timed_beside((height, width, channels), journey[-1].shape[0])


def journey_table(journey: tuple[Stage, ...]) -> "Table":
    """Return the layers with their shapes, weights and the reason for each size."""
    table = _table("layer", "shape", "parameters", "multiply-accumulates", "why")
    for stage in journey:
        table.add_row(
            stage.name, stage.shape_text, f"{stage.parameters:,}", f"{stage.macs:,}", stage.reason
        )
    total = (f"{sum(getattr(s, what) for s in journey):,}" for what in ("parameters", "macs"))
    table.add_row("in all", "", *total, "")
    return table


def cost_table(record: TrialRecord) -> "Table":
    """Return the costs, with the 95% interval of those that were sampled."""
    table = _table("cost", "value", "95% interval")
    for cost in COSTS:
        if cost in record.costs:
            value, interval = cost_text(cost, record.costs[cost]), cost_interval_text(record, cost)
            table.add_row(cost_label(cost), value, interval)
    for name, label in _OTHERS.items():
        if name in record.measurements:
            table.add_row(label, cost_text(name, record.measurements[name]), "")
    return table


def latency_table(record: TrialRecord, beside: str) -> "Table":
    """Return the latency at each batch size, with the ratio to that of the reference ``beside``."""
    found = record.measurements
    names = {int(found["latency_batch_size"]): "latency"}
    names |= {
        int(matched[1]): f"latency_{matched[1]}"
        for matched in map(_LATENCY_OF_SIZE.fullmatch, found)
        if matched
    }
    sizes = sorted(names)
    table = _table("images at once", *map(str, sizes))

    def row(label: str, text: Callable[[str], str]) -> None:
        table.add_row(label, *(text(names[size]) for size in sizes))

    def value(what: str) -> Callable[[str], str]:
        return lambda name: cost_text(what, found.get(f"{name}_{what}"))

    def interval(low: str, high: str) -> Callable[[str], str]:
        return lambda name: f"{value(low)(name)} to {value(high)(name)}"

    medians = found | {"latency_ms": record.costs.get("latency_ms")}
    row("median (ms)", lambda name: cost_text("ms", medians.get(f"{name}_ms")))
    row("95% interval", interval("low_ms", "high_ms"))
    if any(f"{name}_measured_ms" in found for name in names.values()):
        row("by the clock", value("measured_ms"))
    row("90th percentile", value("p90_ms"))
    row("99th percentile", value("p99_ms"))
    row("images/s", value("images_per_second"))
    row(f"share of the {beside}'s", value("ratio"))
    row("95% interval", interval("ratio_low", "ratio_high"))
    row("calls", value("samples"))
    if any(found.get(f"{name}_noisy") for name in names.values()):
        row("", lambda name: "noisy" if found.get(f"{name}_noisy") else "")
    return table


def epoch_table(record: TrialRecord) -> "Table":
    """Return the learning curves as numbers."""
    names = ("epoch", "training loss", "accuracy", "validation loss", "accuracy", "s", "images/s")
    table = _table(*names)
    for result in record.history:
        table.add_row(
            str(result.epoch),
            f"{result.train_loss:.4f}",
            accuracy_text(result.train_accuracy),
            f"{result.val_loss:.4f}",
            accuracy_text(result.val_accuracy),
            f"{result.epoch_seconds:.2f}",
            f"{result.images_per_second:,.0f}",
        )
    return table


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        words = place == 0 or column in ("why", "shape", "95% interval")
        table.add_column(column, justify="left" if words else "right", overflow="fold")
    return table
