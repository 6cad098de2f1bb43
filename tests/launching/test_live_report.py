"""The report follows the summary while a sweep runs."""

import itertools
import os
import queue
import threading
from contextlib import contextmanager

import pytest

from pipeline.core.errors import StorageError
from pipeline.launching import live_report
from pipeline.launching.live_report import LiveReport


@pytest.fixture
def written():
    """Return a queue that hears of every writing."""
    return queue.Queue()


MOMENTS = itertools.count(1)


def change(folder, text):
    """Write a summary, a second after the last one: some file systems count in steps of 4 ms."""
    (folder / "summary.new").write_text(text)
    moment = next(MOMENTS) * 1_000_000_000
    os.utime(folder / "summary.new", ns=(moment, moment))
    (folder / "summary.new").replace(folder / "summary.json")


def test_it_is_written_again_when_the_summary_changes_and_only_then(tmp_path, written):
    report = LiveReport(
        tmp_path,
        lambda folder: written.put((folder / "summary.json").read_text()),
        interval_seconds=0.001,
    )
    for text in ("one", "two"):
        change(tmp_path, text)
        assert written.get(timeout=120) == text
    report.close()
    assert written.empty()


def test_a_report_that_cannot_be_written_is_tried_again(tmp_path, written):
    failures = [StorageError("cannot write report.html: no space left"), None]

    def write(folder):
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        written.put(folder)

    change(tmp_path, "one")
    report = LiveReport(tmp_path, write, interval_seconds=0.001)
    assert written.get(timeout=120) == tmp_path
    report.close()
    assert failures == []


def test_the_end_does_not_wait_for_ever_for_those_who_measure(tmp_path, written, monkeypatch):
    monkeypatch.setattr(live_report, "_CLOSING_SECONDS", 0.05)
    asked, free = threading.Event(), threading.Event()

    @contextmanager
    def quiet():
        asked.set()
        free.wait(60)
        yield

    change(tmp_path, "one")
    report = LiveReport(tmp_path, written.put, quiet, interval_seconds=0.001)
    assert asked.wait(60)
    report.close()
    assert written.empty()
    free.set()
    assert written.get(timeout=60) == tmp_path


def test_nobody_measures_meanwhile(tmp_path, written):
    @contextmanager
    def quiet():
        written.put("enter")
        yield
        written.put("leave")

    change(tmp_path, "one")
    report = LiveReport(tmp_path, lambda _: written.put("write"), quiet, interval_seconds=0.001)
    assert [written.get(timeout=120) for _ in range(3)] == ["enter", "write", "leave"]
    report.close()
