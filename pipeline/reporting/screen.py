"""The live screen of a sweep, and how its progress is put into words."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from pipeline.core.trial import Outcome
from pipeline.reporting.scatter import ScatterPoint, scatter
from pipeline.reporting.sweep_progress import EndedTrial, RunningTrial, SweepProgress
from pipeline.reporting.wording import accuracy_text, cost_text, duration_text, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_SILENT_AFTER_SECONDS = 120.0
_MOST_WORKER_WIDTH = 12
_SCATTER_LINES = 12
_LEAST_SCATTER_LINES = 7
_LEAST_SCATTER_WIDTH = 40
_MOST_SCATTER_WIDTH = 78
_WORDS: dict[str, str] = {Outcome.OUT_OF_MEMORY: "out of memory", Outcome.TIMED_OUT: "timed out"}


def progress_screen(
    progress: SweepProgress, *, width: int, height: int, ascii_only: bool
) -> "RenderableType":
    """Return the live screen of at most ``height`` lines for a terminal ``width`` wide."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    encoding = "ascii" if ascii_only else "utf-8"

    def line(text: str, style: str = "") -> Text:
        overflow: Any = "crop" if ascii_only else "ellipsis"
        return Text(printable(text, encoding), style=style, no_wrap=True, overflow=overflow)

    parts: list[RenderableType] = [line(progress.sweep, "bold")]
    if progress.budget is not None:
        total = max(progress.budget, 1)
        bar = Table.grid()
        bar.add_row(
            ProgressBar(total=total, completed=min(progress.done, total), width=min(width, 60))
        )
        parts.append(bar)
    parts += map(line, wrap(done_text(progress), width))
    parts.append(line(f"{duration_text(progress.elapsed_seconds)} so far{left_text(progress)}"))
    if progress.best is not None:
        best = f"best {accuracy_text(progress.best.val_accuracy)}: trial {progress.best.label}"
        parts.append(line(best, "green"))
    room = height - len(parts)
    rows = max(min(len(progress.running), room - 2), 0)
    if rows:
        heading, *trials = _running_lines(progress.running[:rows], width)
        parts += [line(heading, "dim"), *map(line, trials)]
        room -= rows + 1
    if rows < len(progress.running) and room > 0:
        parts.append(line(f"and {len(progress.running) - rows} more running", "dim"))
        room -= 1
    points = [
        ScatterPoint(trial.cost, trial.val_accuracy, trial.on_front)
        for trial in progress.ended
        if trial.outcome is Outcome.COMPLETE
        and not trial.is_finalist
        and trial.cost is not None
        and trial.cost > 0
        and trial.val_accuracy is not None
    ]
    lines = min(room - 1, _SCATTER_LINES)
    if len(points) > 1 and lines >= _LEAST_SCATTER_LINES and width >= _LEAST_SCATTER_WIDTH:
        drawn = scatter(
            points,
            progress.leading_cost,
            width=min(width, _MOST_SCATTER_WIDTH),
            height=lines,
            ascii_only=ascii_only,
        )
        parts += [line(""), *map(line, drawn)]
    return Group(*parts)


def _running_lines(running: Sequence[RunningTrial], width: int) -> list[str]:
    """Return a heading and a line a trial; the label gives way where the line is too short."""
    cells = [("running trial", "worker", "epoch", "accuracy", "")]
    for trial in running:
        epochs = f"{trial.epoch}/{'?' if trial.epochs is None else trial.epochs}"
        if trial.is_measuring:
            epochs = "measuring"
        accuracy = accuracy_text(trial.val_accuracy)
        # A worker is called HOST-PROCESS; its end tells it from the others.
        worker = trial.worker[-_MOST_WORKER_WIDTH:]
        cells.append((trial.label, worker, epochs, accuracy, _silent(trial)))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    others = sum(size + 2 for size in widths[1:] if size)
    first = max(min(widths[0], width - others), len(cells[0][0]))
    return [
        "  ".join([f"{label[:first]:<{first}}", *map(str.rjust, rest, widths[1:])]).rstrip()
        for label, *rest in cells
    ]


def _silent(trial: RunningTrial) -> str:
    if trial.silent_seconds < _SILENT_AFTER_SECONDS:
        return ""
    amount, unit = duration_text(trial.silent_seconds).split()[:2]
    return f"silent {amount} {unit}"


def done_text(progress: SweepProgress) -> str:
    """Return how many trials are done, and how many ended or run in which way."""
    of = "" if progress.budget is None else f" of {progress.budget:,}"
    parts = [f"{progress.done:,}{of} trials done"]
    for name, count in progress.counts.items():
        if count and name != Outcome.COMPLETE:
            parts.append(f"{count:,} {_WORDS.get(name, name)}")
    searched = progress.budget is not None and progress.done >= progress.budget
    if progress.finalists_done or (searched and progress.finalists_due):
        due = f"{progress.finalists_done:,} of {progress.finalists_due:,}"
        parts.append(f"{due} trainings of finalists done")
    return ", ".join(parts)


def left_text(progress: SweepProgress) -> str:
    """Return the time left, as the end of a line; empty where it is not known."""
    if not progress.active:
        return ", not running now"
    if progress.seconds_left is None:
        return "" if progress.running else ", the workers are starting"
    return f", about {duration_text(progress.seconds_left)} left"


def ended_text(trial: EndedTrial, cost: str) -> str:
    """Return a trial and how it ended; ``cost`` is the leading cost's name."""
    text = f"{trial.label}: {_WORDS.get(trial.outcome, trial.outcome.value)}"
    if trial.val_accuracy is not None:
        text += f", accuracy {accuracy_text(trial.val_accuracy)}"
    if trial.cost is not None:
        text += f", {cost} {cost_text(cost, trial.cost)}"
    if trial.reason:
        text += f" ({trial.reason})"
    return text + (", on the front" if trial.on_front else "")
