import errno
import os
import time

import optuna
import pytest

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.search.journal import JournalStudies
from pipeline.search.opening import open_storage
from pipeline.search.storage import Patience, StorageLost
from pipeline.search.study import SweepStudy
from pipeline.testing.faults import SimulatedClock
from pipeline.testing.storage_conformance import StorageConformance, finish


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestJournal(StorageConformance):
    """The journal, as configured by default."""

    def named_for_optuna(self, config):
        return ["--storage", str(config.storage_path), "--storage-class", "JournalFileBackend"], {}


def claimed(study):
    claim = study.claim("w")
    assert claim is not None
    return claim


def patience(clock, seconds=60.0, is_leaving=lambda: False):
    return Patience(seconds, is_leaving, sleep=clock.sleep, clock=clock.now)


def lost_until(clock, seconds):
    def call():
        if clock.now() < seconds:
            raise StorageLost("away")
        return clock.now()

    return call


def test_patience_waits_for_a_server_that_comes_back():
    clock = SimulatedClock()
    assert patience(clock).retrying(lost_until(clock, 20.0)) >= 20.0


def test_patience_ends_and_is_not_used_up_twice():
    clock = SimulatedClock()
    waiting = patience(clock)
    with pytest.raises(StorageLost):
        waiting.retrying(lost_until(clock, 1000.0))
    assert 60.0 <= clock.now() < 70.0
    before = clock.now()
    with pytest.raises(StorageLost):
        waiting.retrying(lost_until(clock, 1000.0))
    assert clock.now() == before
    clock.sleep(1000.0)
    waiting.retrying(lost_until(clock, 0.0))  # it is back: patience is new
    assert waiting.retrying(lost_until(clock, clock.now() + 20.0))


def test_who_has_to_leave_does_not_wait():
    clock = SimulatedClock()
    with pytest.raises(StorageLost):
        patience(clock, is_leaving=lambda: True).retrying(lost_until(clock, 1000.0))
    assert clock.now() < 8.0


def test_a_step_is_repeated_as_a_whole():
    clock = SimulatedClock()
    waiting = patience(clock)
    with waiting.suspended(), pytest.raises(StorageLost):
        waiting.retrying(lost_until(clock, 1.0))
    assert clock.now() == 0.0


def test_a_torn_last_line_of_the_journal_is_mended(config, space):
    study = SweepStudy(config, space)
    finish(study, claimed(study))
    with config.storage_path.open("ab") as file:
        file.write(b'{"op_code":5,"worker')
    again = SweepStudy(config, space)
    finish(again, claimed(again))
    assert len(SweepStudy(config, space).records()) == 2


def test_a_full_disk_leaves_the_journal_intact(config, space, monkeypatch):
    study = SweepStudy(config, space)
    write = os.write

    def full(descriptor, data):
        if not data.startswith(b'{"op_code"'):
            return write(descriptor, data)
        write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"journal .* cannot be written: No space left"):
        study.claim("w")
    monkeypatch.undo()
    claim = SweepStudy(config, space).claim("w")
    assert claim is not None and claim.specification.number == 0


def test_a_lock_of_the_journal_that_cannot_be_had_is_one_sentence(config, space, monkeypatch):
    study = SweepStudy(config, space)

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(StorageError, match=r"its lock, .*, cannot be made \(Operation not perm"):
        study.claim("w")
    monkeypatch.undo()
    assert study.claim("w") is not None


def test_a_lock_that_was_taken_away_once_all_is_written_costs_nothing(config, space, monkeypatch):
    study, fsync = SweepStudy(config, space), os.fsync

    def taken_away(descriptor):
        fsync(descriptor)
        lock = config.storage_path.with_name(f"{config.storage_path.name}.lock")
        lock.unlink(missing_ok=True)

    monkeypatch.setattr(os, "fsync", taken_away)
    first = study.claim("w")
    monkeypatch.undo()
    second = SweepStudy(config, space).claim("v")
    assert first is not None and second is not None
    assert (first.specification.number, second.specification.number) == (0, 1)


def test_who_cannot_be_alone_is_told_in_one_sentence(tmp_path):
    folder = tmp_path / "study.lock"
    folder.mkdir()
    studies = JournalStudies(tmp_path / "journal", folder)
    with pytest.raises(StorageError, match=r"the lock .* cannot be taken: "), studies.alone():
        raise AssertionError("alone after all")


def test_a_claim_that_broke_off_is_drawn_again_the_same(config, space):
    study = SweepStudy(config, space)
    for _ in range(2):
        finish(study, claimed(study))
    expected = study.claim("w").specification
    again = config.model_copy(update={"sweep_name": "again"})
    study = SweepStudy(again, space)
    for _ in range(2):
        finish(study, claimed(study))
    inner = optuna.load_study(study_name="again", storage=open_storage(again).optuna)
    inner.enqueue_trial({}, user_attrs={"number": 2, "attempt": 0, "losses": 0})
    inner.ask().suggest_int("depth", 0, 3)  # and then its worker died
    claim = SweepStudy(again, space).claim("w")
    assert claim is not None and claim.specification.attempt == 1
    assert claim.specification.architecture == expected.architecture


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "set SWEETSPOT_STORAGE_URL to postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("mysql://me:geheim@host/db", "SWEETSPOT_STORAGE_URL is not an address of the form"),
        ("postgresql://me:geheim@host", "SWEETSPOT_STORAGE_URL is not an address of the form"),
        ("me:geheim@host", "SWEETSPOT_STORAGE_URL is not an address of the form"),
        ("postgresql://me:geheim@host:port/db", "is not an address of the form"),
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(config, monkeypatch, url, said):
    if url is not None:
        monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    settings = config.storage.model_copy(update={"kind": "postgres"})
    with pytest.raises(ConfigurationError) as caught:
        open_storage(config.model_copy(update={"storage": settings}))
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_the_address_can_be_in_a_file(config, tmp_path):
    file = tmp_path / "address"
    settings = config.storage.model_copy(update={"kind": "postgres", "url_file": file})
    changed = config.model_copy(update={"storage": settings})
    with pytest.raises(ConfigurationError, match=r"url_file=.* cannot be read: No such file"):
        open_storage(changed)
    file.write_text("postgresql://me:geheim@127.0.0.1:1/db\n")
    with pytest.raises(StorageError, match=r"server 127.0.0.1:1/db cannot be used: ") as caught:
        open_storage(changed)
    assert "geheim" not in str(caught.value)


@pytest.mark.timeout(30)
def test_a_lock_from_where_the_journal_was_before_is_taken_away(tmp_path):
    """Of a process that was killed; the folder was moved then."""
    path = tmp_path / "moved" / "journal"
    studies = JournalStudies(path, tmp_path / "claims.lock")
    lock = path.with_name("journal.lock")
    lock.symlink_to(tmp_path / "before" / "journal")
    os.utime(lock, (0, 0), follow_symlinks=False)
    began = time.monotonic()
    optuna.create_study(storage=studies.optuna, study_name="goes on")
    assert time.monotonic() - began < 1.0
    assert not lock.is_symlink()


@pytest.mark.timeout(30)
def test_a_lock_of_a_host_that_names_the_folder_otherwise_is_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    studies = JournalStudies(path, tmp_path / "claims.lock")
    lock = tmp_path / "journal.lock"
    lock.symlink_to("/elsewhere/journal")
    waited = []

    def sleep(seconds):
        waited.append(path.read_bytes())
        if len(waited) == 3:
            lock.unlink()

    monkeypatch.setattr("pipeline.search.journal.time.sleep", sleep)
    optuna.create_study(storage=studies.optuna, study_name="goes on")
    assert waited == [b""] * 3 and path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b'{"name": "a"}\n', b'{"op_code": 0}\n', b'{"op_code": 77, "worker_id": "a"}\n', b"[1]\n",
        b"3\n", b"a line without an end", b"two lines\nof text\n", b'{"a": 1}\n{"a"\n',
        b"\xff\xfe\n", b'{"a": "\xff"}\n',
    ],
)  # fmt: skip
def test_a_file_that_is_no_journal_is_one_sentence_and_stays_as_it_is(tmp_path, content):
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"journal .*some\.jsonl cannot be opened: ") as caught:
        JournalStudies(path, tmp_path / "lock")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
