import errno
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.tracking.event_log import (
    EventLog,
    read,
    read_from,
    sweep_log_path,
    training_log_paths,
    trial_log_path,
    trial_log_paths,
)

values = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in ("time", "kind", "self")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


def lines_of(*contents: str) -> bytes:
    return "".join(f"{content}\n" for content in contents).encode()


def test_what_is_appended_is_read_in_order(tmp_path: Path) -> None:
    times = iter([1.5, 2.5])
    path = tmp_path / "a" / "log.jsonl"
    with EventLog(path, clock=lambda: next(times)) as log:
        first = log.append("started", attempt=0, worker="é")
        second = log.append("ended", details=None)
    assert read(path) == [first, second]
    assert (first.time, first.kind, first.values) == (1.5, "started", {"attempt": 0, "worker": "é"})
    assert second.end == path.stat().st_size


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.tuples(st.text(), values), max_size=5))
def test_reading_is_the_inverse_of_appending(
    tmp_path: Path, contents: list[tuple[str, dict[str, object]]]
) -> None:
    path = tmp_path / "log.jsonl"
    path.unlink(missing_ok=True)
    with EventLog(path) as log:
        written = [log.append(kind, **content) for kind, content in contents]
    assert read(path) == written


def test_a_tail_torn_at_any_byte_loses_one_event_and_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with EventLog(path) as log:
        whole = log.append("first", text="naïve × \U0001f600")
        log.append("torn", text="naïve × \U0001f600")
    data = path.read_bytes()
    for size in range(whole.end, len(data)):
        path.write_bytes(data[:size])
        assert read(path) == [whole]
        with EventLog(path) as log:
            later = log.append("later")
        assert [event.kind for event in read(path) if event.kind != "torn"] == ["first", "later"]
        # Only the newline was missing: then the event was complete, and counts.
        assert ("torn" in [event.kind for event in read(path)]) == (size == len(data) - 1)
        assert read(path)[-1] == later


def test_reading_goes_on_where_it_stopped_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with EventLog(path) as log:
        first = log.append("first")
        events, offset = read_from(path, 0)
        assert (events, offset) == ([first], first.end)
        second = log.append("second")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert read_from(path, offset) == ([], offset)
    path.write_bytes(whole)
    assert read_from(path, offset) == ([second], second.end)
    assert read_from(path, second.end) == ([], second.end)


@given(data=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_whatever_stops_reading(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log.jsonl"
    good = lines_of('{"time": 1, "kind": "good"}')
    path.write_bytes(data + b"\n" + good)
    assert [event.kind for event in read(path)][-1] == "good"


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "1",
        "null",
        '{"time": 1}',
        '{"kind": "x"}',
        '{"time": "1", "kind": "x"}',
        '{"time": true, "kind": "x"}',
        '{"time": -1, "kind": "x"}',
        '{"time": NaN, "kind": "x"}',
        '{"time": 1e300, "kind": "x"}',
        '{"time": 1, "kind": 2}',
        "[" * 100_000,
        '{"time": 1' + "0" * 5000 + ', "kind": "x"}',
    ],
)
def test_lines_that_are_no_events_are_skipped(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(lines_of(line, '{"time": 1, "kind": "good"}'))
    assert [event.kind for event in read(path)] == ["good"]


def test_numbers_that_are_not_finite_survive(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl") as log:
        log.append("epoch", loss=float("inf"))
    assert read(tmp_path / "log.jsonl")[0].values == {"loss": float("inf")}


def test_a_lone_surrogate_does_not_stop_a_traceback_from_being_logged(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl") as log:
        log.append("ended", details="file \udcff é")
    assert read(tmp_path / "log.jsonl")[0].values == {"details": "file \udcff é"}


def test_threads_do_not_mix_lines(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl") as log:
        threads = [
            threading.Thread(target=lambda n=n: [log.append("x", n=n) for _ in range(20)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read(tmp_path / "log.jsonl")
    assert sorted(event.values["n"] for event in events) == sorted(list(range(4)) * 20)


def test_each_event_is_one_write_and_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write, sync = os.write, os.fsync

    def noted_write(descriptor: int, data: bytes) -> int:
        calls.append("write")
        return write(descriptor, data)

    def noted_sync(descriptor: int) -> None:
        calls.append("fsync")
        sync(descriptor)

    with EventLog(tmp_path / "log.jsonl") as log:
        monkeypatch.setattr(os, "write", noted_write)
        monkeypatch.setattr(os, "fsync", noted_sync)
        log.append("x", text="y" * 100_000)
        log.append("z")
    assert calls == ["write", "fsync"] * 2


def test_a_missing_log_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []
    assert read_from(tmp_path / "none.jsonl", 7) == ([], 7)


def test_a_full_disk_is_said_in_one_sentence() -> None:
    with (
        EventLog(Path("/dev/full")) as log,
        pytest.raises(
            StorageError, match=r"^the event log /dev/full .*: the disk is full .*intact"
        ),
    ):
        log.append("x")


def test_a_short_write_is_a_full_disk_and_what_follows_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    write = os.write
    with EventLog(path) as log:
        before = log.append("before")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, data[:9]))
            with pytest.raises(StorageError, match="the disk is full"):
                log.append("lost")
        after = log.append("after")
    assert read(path) == [before, after]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "read-only"), (errno.EACCES, "no permission"), (errno.EIO, "Input/output")],
)
def test_other_refusals_name_their_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with EventLog(tmp_path / "log.jsonl") as log:
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(StorageError, match=words):
            log.append("x")


def test_a_log_that_cannot_be_opened_or_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"a part of its path is a file|File exists"):
        EventLog(tmp_path / "file" / "log.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="it is a folder"):
        EventLog(tmp_path / "folder")
    with pytest.raises(StorageError, match="cannot be read: it is a folder"):
        read(tmp_path / "folder")


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log.jsonl")
    log.close()
    log.close()
    with pytest.raises(StorageError, match="is closed"):
        log.append("x")


def test_paths(tmp_path: Path) -> None:
    assert trial_log_paths(tmp_path) == {}
    for path in (
        trial_log_path(tmp_path, 12345),
        trial_log_path(tmp_path, 7),
        sweep_log_path(tmp_path),
        tmp_path / "events" / "0007.jsonl.bak",
        tmp_path / "events" / "7.jsonl",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"time": 1, "kind": "x"}))
    assert list(trial_log_paths(tmp_path)) == [7, 12345]
    assert trial_log_paths(tmp_path)[7].name == "0007.jsonl"


def test_logs_of_finalists_lie_beside_their_trials(tmp_path: Path) -> None:
    for run in ((7, 0), (7, 2), (7, 10), (12, 1)):
        EventLog(trial_log_path(tmp_path, *run)).close()
    for name in ("0007-0.jsonl", "0007-1a.jsonl", "sweep.jsonl"):
        (tmp_path / "events" / name).touch()
    assert list(training_log_paths(tmp_path)) == [(7, 0), (7, 2), (7, 10), (12, 1)]
    assert training_log_paths(tmp_path)[RunKey(7, 10)].name == "0007-10.jsonl"
    assert list(trial_log_paths(tmp_path)) == [7]
