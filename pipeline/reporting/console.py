"""Progress and result of a sweep on a terminal, or as plain lines where there is none.

Nothing here reads rich's markup: every text is a plain value, so that brackets in a name stay
brackets. Control codes in names and characters that the stream cannot encode become ``?``.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from pipeline.core.numbers import whole_number
from pipeline.core.summary import censored_sentence
from pipeline.reporting.finalists import finalists_of, finalists_table
from pipeline.reporting.leading_on import mlflow_place, sweep_command
from pipeline.reporting.networks import NetworkRow, compares_all, networks_table
from pipeline.reporting.screen import done_text, ended_text, left_text, progress_screen
from pipeline.reporting.sentence import Comparison, readings_sentence, sweet_spot_sentence
from pipeline.reporting.sweep_progress import SweepProgress
from pipeline.reporting.tables import front_table
from pipeline.reporting.wording import duration_text, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


class ProgressView(Protocol):
    """Shows a sweep while it runs; a context manager."""

    def update(self, progress: SweepProgress) -> None:
        """Show the sweep as it is now."""

    def note(self, text: str) -> None:
        """Show a remark that stays."""

    def close(self) -> None:
        """Leave the terminal as it was; a second time does nothing."""

    def __enter__(self) -> Self:
        """Return the view."""

    def __exit__(self, *error: object) -> None:
        """Close it."""


def open_view(stream: TextIO | None = None) -> ProgressView:
    """Return the view that suits a stream (default: standard output).

    A live table where the stream is a terminal that can move its cursor, else plain lines.
    """
    stream = stream or sys.stdout
    if stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        return LiveView(stream)
    return LineView(stream)


class LineView:
    """A line when a trial starts and one when it ends; no control codes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._running: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()
        self._first = True

    def update(self, progress: SweepProgress) -> None:
        """Write what changed since the last update."""
        # What had ended before this command started is no news.
        known = {(trial.label, trial.attempt) for trial in progress.ended} if self._first else set()
        self._ended |= known
        if self._first and known:
            self.note(f"{progress.sweep}: {done_text(progress)} before")
        self._first = False
        news = [
            trial for trial in progress.ended if (trial.label, trial.attempt) not in self._ended
        ]
        for trial in news:
            self._ended.add((trial.label, trial.attempt))
            self._line(progress, f"trial {ended_text(trial, progress.leading_cost)}")
        if news:
            self._line(progress, f"{done_text(progress)}{left_text(progress)}")
        for running in progress.running:
            key = (running.label, running.attempt)
            if key not in self._running:
                self._running.add(key)
                again = " again" if running.attempt else ""
                self._line(progress, f"trial {running.label}: started{again}")

    def note(self, text: str) -> None:
        """Write a remark."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(printable(text, encoding) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: every line is out."""

    def _line(self, progress: SweepProgress, text: str) -> None:
        self.note(f"{duration_text(progress.elapsed_seconds):>12}  {text}")

    def __enter__(self) -> Self:
        """Return the view."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()


class RemarksView:
    """No progress, only remarks: for whoever is told the end in one line."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = LineView(stream)

    def update(self, progress: SweepProgress) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Write a remark."""
        self._lines.note(text)

    def close(self) -> None:
        """Do nothing: every line is out."""

    def __enter__(self) -> Self:
        """Return the view."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""


class LiveView:
    """A table that is drawn over again; remarks stay above it. It vanishes when closed."""

    def __init__(self, stream: TextIO) -> None:
        self._console = terminal(stream)
        self._live: Live | None = None

    def update(self, progress: SweepProgress) -> None:
        """Draw the sweep as it is now."""
        from rich.live import Live

        size = self._console.size
        screen = progress_screen(
            progress,
            width=size.width,
            height=size.height - 1,
            ascii_only=self._console.options.ascii_only,
        )
        if self._live is None:
            self._live = Live(screen, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(screen, refresh=True)

    def note(self, text: str) -> None:
        """Print a remark above the table."""
        self._console.print(_plain(text, self._console))

    def close(self) -> None:
        """Remove the table and show the cursor."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Self:
        """Return the view."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()


def terminal(stream: TextIO | None = None) -> "Console":
    """Return a rich console that takes every text literally and respects ``NO_COLOR``.

    ``COLUMNS`` and ``LINES`` that are no size, such as 0, count as not set.
    """
    from rich.console import Console

    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COLUMNS", "LINES") or whole_number(value)
    }

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the process, as if something had failed

    return Terminal(
        file=stream or sys.stdout, markup=False, emoji=False, highlight=False, _environ=environment
    )


def show_status(progress: SweepProgress, stream: TextIO | None = None) -> None:
    """Print how a sweep goes, once."""
    console = terminal(stream)
    console.print(
        progress_screen(
            progress,
            width=console.width,
            height=24 + len(progress.running),
            ascii_only=console.options.ascii_only,
        )
    )


def show_result(
    summary: Mapping[str, Any],
    sweep_dir: Path,
    *,
    comparison: Comparison | None = None,
    networks: Sequence[NetworkRow] = (),
    stream: TextIO | None = None,
) -> None:
    """Print the front, the finalists, the sweet spot in one sentence, and where to look next.

    Where every network was trained several times, the table of all stands in place of the
    finalists'.

    Parameters
    ----------
    summary
        The content of ``summary.json``.
    comparison
        See ``sweet_spot_sentence``.
    networks
        Every network that was trained to its end.
    """
    console = terminal(stream)
    width, ascii_only = console.width, console.options.ascii_only
    console.print()
    if summary["front"]:
        console.print(front_table(summary, width=width, ascii_only=ascii_only))
        console.print()
    if compares_all(networks):
        console.print(networks_table(networks, width=width, ascii_only=ascii_only))
        console.print()
    elif finalists_of(summary):
        console.print(finalists_table(summary, width=width, ascii_only=ascii_only))
        console.print()
    censored = censored_sentence(summary)
    if censored is not None:
        console.print(_plain(censored, console))
        console.print()
    console.print(_plain(sweet_spot_sentence(summary, comparison), console, "bold"))
    spot = summary["sweet_spot"]
    if spot is not None:
        console.print(_plain(f"Chosen by the rule {spot['rule']}: {spot['reason']}.", console))
    if summary["test_readings"]:
        console.print(_plain(readings_sentence(summary), console))
    console.print()
    for what, where in (
        ("every trial in MLflow:", mlflow_place(sweep_dir)),
        ("the report, one page:", str(sweep_dir / "report.html")),
        ("written anew at any time:", sweep_command(sweep_dir, "report", sweep_dir.name)),
    ):
        if where is not None:
            console.print(_plain(f"{what:<28}{where}", console), soft_wrap=True)


def _plain(text: str, console: "Console", style: str = "") -> "RenderableType":
    from rich.text import Text

    return Text(printable(text, "ascii" if console.options.ascii_only else "utf-8"), style=style)
