"""What the terminal shows: alive in a terminal, plain lines elsewhere."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pytest
from rich.console import Console

from pipeline.config import command_at
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.console import (
    LineView,
    LiveView,
    open_view,
    show_result,
    show_status,
)
from pipeline.reporting.console import terminal as console_of
from pipeline.reporting.screen import progress_screen
from pipeline.reporting.sweep_progress import EndedTrial, RunningTrial, SweepProgress

Summarise = Callable[..., dict[str, Any]]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def ended(number: int, accuracy: float, cost: float, *, on_front: bool = True) -> EndedTrial:
    return EndedTrial(
        label=f"{number} 8k3-d{number}",
        outcome=Outcome.COMPLETE,
        val_accuracy=accuracy,
        cost=cost,
        on_front=on_front,
    )


def running(number: int, epoch: int = 2, **values: Any) -> RunningTrial:
    return RunningTrial(
        label=f"{number} 32k3-64k3-d128",
        worker=str(number % 2),
        epoch=epoch,
        epochs=5,
        val_accuracy=0.9 if epoch else None,
        **values,
    )


@pytest.fixture
def progress() -> SweepProgress:
    """Return a sweep of 12 of which 3 trials are done and 2 run."""
    trials = (ended(0, 0.88, 1.0), ended(1, 0.92, 8.0), ended(2, 0.85, 9.0, on_front=False))
    counts = dict.fromkeys([*Outcome, "running"], 0)
    return SweepProgress(
        sweep="fashion_mnist-standard-a1b2c3",
        budget=12,
        active=True,
        leading_cost="epoch_seconds",
        counts=counts | {"complete": 3, "running": 2},
        running=(running(3), running(4, epoch=0)),
        ended=trials,
        best=trials[1],
        elapsed_seconds=250.0,
        seconds_left=380.0,
    )


def screen(
    progress: SweepProgress, *, width: int = 80, height: int = 30, ascii_only: bool = False
) -> list[str]:
    raw = io.BytesIO()
    encoding = "ascii" if ascii_only else "utf-8"
    stream = io.TextIOWrapper(raw, encoding=encoding)
    drawn = progress_screen(progress, width=width, height=height, ascii_only=ascii_only)
    Console(file=stream, width=width, markup=False).print(drawn)
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


class Terminal:
    """A real pseudo-terminal: what is written to ``stream`` is in ``written()``."""

    def __init__(self, encoding: str) -> None:
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self.stream: TextIO = os.fdopen(slave, "w", encoding=encoding)

    def written(self) -> str:
        self.stream.flush()
        chunks = []
        while True:
            try:
                chunks.append(os.read(self._master, 65_536))
            except BlockingIOError:
                return b"".join(chunks).decode(errors="replace")

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@contextmanager
def terminal(encoding: str = "utf-8") -> Iterator[Terminal]:
    device = Terminal(encoding)
    try:
        yield device
    finally:
        device.close()


def test_screen_on_80_columns(progress: SweepProgress) -> None:
    lines = screen(progress)
    assert lines[0] == "fashion_mnist-standard-a1b2c3"
    assert lines[2:8] == [
        "3 of 12 trials done, 2 running",
        "4 min 10 s so far, about 6 min 20 s left",
        "best 92.00%: trial 1 8k3-d1",
        "running trial     worker  epoch  accuracy",
        "3 32k3-64k3-d128       1    2/5    90.00%",
        "4 32k3-64k3-d128       0    0/5         -",
    ]
    assert lines[9].startswith("92.00% │")
    early = replace(progress, running=(running(5, epoch=0, is_measuring=True),))
    assert screen(early)[6] == "5 32k3-64k3-d128       1  measuring         -"
    assert lines[-1].endswith("epoch time (s), log: ● front · other")


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("height", [4, 8, 12, 24, 60])
@pytest.mark.parametrize("count", [0, 2, 40])
def test_screen_keeps_to_the_terminal(
    progress: SweepProgress, width: int, height: int, count: int
) -> None:
    many = tuple(running(n, silent_seconds=500.0 * (n % 2)) for n in range(100, 100 + count))
    lines = screen(replace(progress, running=many), width=width, height=height)
    assert len(lines) <= max(height, 5)
    assert max(map(len, lines)) <= width
    if 0 < height - 6 < count:
        assert f"and {count - (height - 7)} more running" in lines


def test_screen_without_unicode(progress: SweepProgress) -> None:
    long = replace(running(7), label="7 " + "512k5sb-" * 12 + "d1024×")
    lines = screen(replace(progress, running=(long,)), width=60, ascii_only=True)
    assert any(line.startswith("7 512k5sb-512k5sb") and line.endswith("90.00%") for line in lines)


def test_long_names_of_workers_keep_their_end(progress: SweepProgress) -> None:
    far = replace(running(3), worker="node-17-of-the-big-cluster-48213")
    lines = screen(replace(progress, running=(far,)), width=60)
    assert "3 32k3-64k3-d128  luster-48213    2/5    90.00%" in lines


def test_screen_before_anything_is_known(progress: SweepProgress) -> None:
    fresh = replace(
        progress, budget=None, running=(), ended=(), best=None, seconds_left=None,
        counts=dict.fromkeys(progress.counts, 0), elapsed_seconds=2.0,
    )  # fmt: skip
    assert screen(fresh) == [
        "fashion_mnist-standard-a1b2c3", "0 trials done", "2 s so far, the workers are starting",
    ]  # fmt: skip


def test_screen_tells_a_silent_trial_and_a_sweep_at_rest(progress: SweepProgress) -> None:
    silent = replace(progress, running=(running(3, silent_seconds=7_500.0),))
    assert any(line.endswith("90.00%  silent 2 h") for line in screen(silent))
    rest = replace(progress, active=False, running=(), seconds_left=None)
    assert "4 min 10 s so far, not running now" in screen(rest)


def test_outcomes_are_counted_in_words(progress: SweepProgress) -> None:
    counts = progress.counts | {"stopped": 2, "out_of_memory": 1, "interrupted": 1}
    assert "6 of 12 trials done, 2 stopped, 1 out of memory, 1 interrupted, 2 running" in screen(
        replace(progress, counts=counts)
    )


def test_view_follows_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_view(io.StringIO()), LineView)
    with terminal() as device:
        assert isinstance(open_view(device.stream), LiveView)
        monkeypatch.setenv("TERM", "dumb")
        assert isinstance(open_view(device.stream), LineView)


def test_lines_tell_what_changed(progress: SweepProgress) -> None:
    stream = io.StringIO()
    counts = progress.counts
    with open_view(stream) as view:
        view.update(
            replace(progress, ended=(), best=None, counts=counts | {"complete": 0},
                    running=(running(0),), seconds_left=None, elapsed_seconds=1)
        )  # fmt: skip
        view.update(
            replace(progress, ended=progress.ended[:1], running=(running(1), running(3)),
                    counts=counts | {"complete": 1})
        )  # fmt: skip
        view.note("MLflow does not answer")
        bad = EndedTrial(label="3 d8", outcome=Outcome.OUT_OF_MEMORY, reason="no room", cost=None)
        again = running(1, attempt=1)
        view.update(replace(progress, ended=(progress.ended[0], bad), running=(again,)))
        view.update(replace(progress, ended=(progress.ended[0], bad), running=(again,)))
    assert stream.getvalue().splitlines() == [
        "         1 s  trial 0 32k3-64k3-d128: started",
        "  4 min 10 s  trial 0 8k3-d0: complete, accuracy 88.00%, epoch_seconds 1, on the front",
        "  4 min 10 s  1 of 12 trials done, 2 running, about 6 min 20 s left",
        "  4 min 10 s  trial 1 32k3-64k3-d128: started",
        "  4 min 10 s  trial 3 32k3-64k3-d128: started",
        "MLflow does not answer",
        "  4 min 10 s  trial 3 d8: out of memory (no room)",
        "  4 min 10 s  3 of 12 trials done, 2 running, about 6 min 20 s left",
        "  4 min 10 s  trial 1 32k3-64k3-d128: started again",
    ]


def test_lines_of_a_continued_sweep_do_not_repeat_the_past(progress: SweepProgress) -> None:
    stream = io.StringIO()
    LineView(stream).update(replace(progress, running=()))
    assert stream.getvalue() == (
        "fashion_mnist-standard-a1b2c3: 3 of 12 trials done, 2 running before\n"
    )


def test_lines_are_free_of_control_codes_and_foreign_characters(progress: SweepProgress) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    hostile = replace(running(9), label="9 \x1b[31m[bold]×\u202e\ud83d")
    view = LineView(stream)
    view.update(replace(progress, ended=(), running=(hostile,)))
    view.note("größe\a")
    text = raw.getvalue().decode("ascii")
    assert "trial 9 ?[31m[bold]x??: started" in text
    assert "gr??e?" in text
    assert CONTROL.search(text) is None


def test_live_table_in_a_terminal_leaves_nothing_but_notes(progress: SweepProgress) -> None:
    with terminal() as device:
        with open_view(device.stream) as view:
            view.note("before")
            view.update(progress)
            assert "3 of 12 trials done" in device.written()
            view.note("MLflow [red]does not answer")
            assert "MLflow [red]does not answer" in device.written()
            view.update(replace(progress, seconds_left=10.0))
            assert "about 10 s left" in device.written()
        end = device.written()
        assert "\x1b[?25h" in end
        assert "\x1b[2K" in end
        view.close()
        assert device.written() == ""


def test_no_color_is_respected(progress: SweepProgress, monkeypatch: pytest.MonkeyPatch) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    with terminal() as device, open_view(device.stream) as view:
        view.update(progress)
        assert colour.search(device.written())
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal() as device, open_view(device.stream) as view:
        view.update(progress)
        text = device.written()
        assert "best 92.00%" in text
        assert not colour.search(text)


def test_a_terminal_without_unicode_gets_ascii(progress: SweepProgress) -> None:
    with terminal("ascii") as device:
        with open_view(device.stream) as view:
            view.update(replace(progress, sweep="größe"))
        assert device.written().isascii()


@pytest.mark.parametrize(
    ("enabled", "uri", "in_mlflow"),
    [(True, None, "ui"), (True, "http://box:5000", "http://box:5000"), (False, None, None)],
)
def test_result_says_where_to_look(
    records: list[TrialRecord],
    summarise: Summarise,
    tmp_path: Path,
    *,
    enabled: bool,
    uri: str | None,
    in_mlflow: str | None,
) -> None:
    stream = io.StringIO()
    summary = summarise(records)
    comparison = {"cnn": {"epoch_ratio_equal_batch": 1.4}}
    folder = tmp_path / "sweeps" / "lesson"
    folder.mkdir(parents=True)
    tracking = {"enabled": enabled, "uri": uri}
    (folder / "config.yaml").write_text(json.dumps({"tracking": tracking}))
    show_result(summary, folder, comparison=comparison, stream=stream)
    text = stream.getvalue()
    unwrapped = " ".join(text.split())
    assert "The sweet spot is trial 3, 32k3-64k3-d128: 1.9 times faster an epoch" in unwrapped
    assert "(1.4 times faster at equal batch size)" in unwrapped
    assert "Chosen by the rule knee: of the 4 members of the front" in unwrapped
    place = command_at(tmp_path, "ui") if in_mlflow == "ui" else in_mlflow
    assert text.splitlines()[text.splitlines().index("", -4) + 1 :] == [
        *([f"every trial in MLflow:      {place}"] if place else []),
        f"the report, one page:       {folder}/report.html",
        f"written anew at any time:   {command_at(tmp_path, 'report', 'lesson')}",
    ]
    assert CONTROL.search(text) is None


def test_result_without_a_front(summarise: Summarise) -> None:
    stream = io.StringIO()
    show_result(summarise([]), Path("/x"), stream=stream)
    assert stream.getvalue().startswith("\nThere is no sweet spot yet: no trial came to its end.")
    assert "cheapest first" not in stream.getvalue()


def test_status_prints_once(progress: SweepProgress) -> None:
    stream = io.StringIO()
    show_status(progress, stream)
    assert stream.getvalue().count("3 of 12 trials done") == 1
    assert CONTROL.search(stream.getvalue()) is None


@pytest.mark.parametrize("size", ["0", "²", "-1", ""])
def test_a_size_that_is_none_is_as_not_set(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("COLUMNS", size)
    monkeypatch.setenv("LINES", size)
    console = console_of(io.StringIO())
    assert console.width == 80 and console.height > 0
    monkeypatch.setenv("COLUMNS", "43")
    assert console_of(io.StringIO()).width == 43
