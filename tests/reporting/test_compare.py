"""What several sweeps' files say side by side, and what cannot be compared."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.statistics import wilson_interval
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.compare import (
    Answers,
    ComparedSweep,
    answers_name,
    compare,
    device_text,
    pace_device,
)
from pipeline.tracking.event_log import EventLog, sweep_log_path, trial_log_path
from pipeline.tracking.events import Ended, Started, TestRead, record
from pipeline.tracking.story import TrialStory

Maker = Callable[..., TrialRecord]
Summarise = Callable[..., dict[str, Any]]
CPU = {"device": "cpu", "name": "Xeon", "cores": "2", "memory_mib": "4096"}
LABELS = np.arange(100) % 10
READING = TestRead(trial=3, accuracy=0.9, correct=90, images=100, reason="the sweet spot")


def answers(right: int, labels: Any = LABELS) -> Answers:
    predicted = np.where(np.arange(len(labels)) < right, labels, (labels + 1) % 10)
    return Answers(predicted=predicted, labels=labels)


@pytest.fixture
def sweep(records: list[TrialRecord], summarise: Summarise) -> Callable[..., ComparedSweep]:
    """Return a maker of sweeps as they are read; trial 3 is their sweet spot."""

    def make(name: str, **changes: Any) -> ComparedSweep:
        fingerprint = changes.pop("fingerprint", "c0ffee")
        costs = changes.pop("costs", ["epoch_seconds"])
        summary = summarise(changes.pop("records", records), sweep=name, costs=costs)
        summary["data"]["fingerprint"] = fingerprint
        values = {"summary": summary, "devices": frozenset({"Xeon with 2 cores"})}
        return ComparedSweep(name=name, **(values | changes))

    return make


@pytest.fixture
def write(tmp_path: Path, records: list[TrialRecord], summarise: Summarise) -> Callable[..., Path]:
    """Return a writer of a sweep's folder, as supervisor and workers leave it."""

    def make(name: str = "one", *, device: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "mlruns" / "sweeps" / name
        for trial in records:
            started = Started(
                attempt=0, specification=trial.specification, worker="0", host="here", pid=7,
                device=CPU if device is None else device,
            )  # fmt: skip
            with EventLog(trial_log_path(folder, trial.number)) as log:
                record(log, started)
                record(log, Ended(attempt=0, record=trial))
        with EventLog(sweep_log_path(folder)) as log:
            record(log, READING)
            record(log, TestRead(trial=1, accuracy=0.8, correct=80, images=100, reason="cnn"))
        summary = summarise(records, sweep=name)
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "models").mkdir()
        np.save(folder / "test_labels.npy", LABELS)
        np.save(folder / answers_name(3), answers(90).predicted)
        return folder

    return make


def test_a_folder_is_read(write: Callable[..., Path]) -> None:
    read = ComparedSweep.read(write())
    assert (read.name, read.missing) == ("one", ())
    assert read.devices == {"Xeon with 2 cores"}
    assert read.reading == READING
    assert read.test_interval == wilson_interval(90, 100)
    assert read.answers is not None
    assert read.answers.right.sum() == 90


def test_answers_that_were_not_kept_are_missing(write: Callable[..., Path]) -> None:
    folder = write()
    (folder / answers_name(3)).unlink()
    read = ComparedSweep.read(folder)
    assert (read.answers, read.missing) == (None, ("models/0003.test.npy",))
    assert read.test_interval is not None


def test_without_a_sweet_spot_there_is_nothing_to_read(
    write: Callable[..., Path], summarise: Summarise
) -> None:
    folder = write()
    (folder / "summary.json").write_text(json.dumps(summarise([])))
    read = ComparedSweep.read(folder)
    assert (read.reading, read.answers, read.test_interval, read.missing) == (None, None, None, ())


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ({"device": "gpu", "name": "H200", "cores": "16"}, "H200"),
        (CPU | {"memory_mib": "1"}, "Xeon with 2 cores"),
        ({}, "an unknown device"),
    ],
)
def test_a_device_is_what_decides_its_speed(
    write: Callable[..., Path], device: dict[str, str], text: str
) -> None:
    assert device_text(ComparedSweep.read(write(device=device))) == text


def test_a_sweep_is_told_in_the_seconds_of_the_device_that_measured_first(
    trial: Callable[..., TrialRecord],
) -> None:
    def story(number: int, started: float, name: str, **measured: float) -> TrialStory:
        record = replace(trial(number, "d32", 0.9, 1.0), started=started, measurements=measured)
        device = {"device": "gpu", "name": name}
        return TrialStory(record=record, retries=0, worker="0", host="h", pid=1, last_time=0.0,
                          device=device, measured_on=device)  # fmt: skip

    counted = story(0, 1.0, "Other")
    later, first = (
        story(number, started, name, step_reference_ms=2.0)
        for number, started, name in ((1, 9.0, "B"), (2, 5.0, "A"))
    )
    assert pace_device([counted, later, first]) == "A"
    # It goes on elsewhere, and keeps the seconds that it was told in.
    assert pace_device([replace(first, device=later.device), later]) == "A"
    assert pace_device([counted]) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test_labels.npy", LABELS[:50], "holds 100 labels, but test_labels.npy 50"),
        ("models/0003.test.npy", LABELS, "100 of 100 are right, but 90 of 100 were when test"),
        ("models/0003.test.npy", LABELS / 2, "0003.test.npy is damaged: it holds no row of"),
        ("models/0003.test.npy", LABELS[None], "is damaged: it holds no row of labels"),
        ("test_labels.npy", LABELS[:0], "test_labels.npy is damaged: it holds no labels"),
        ("test_labels.npy", None, "test_labels.npy cannot be read"),
    ],
)
def test_damaged_files_are_one_sentence(
    write: Callable[..., Path], name: str, content: Any, said: str
) -> None:
    folder = write()
    if content is None:
        (folder / name).write_bytes(b"")
    else:
        np.save(folder / name, content)
    with pytest.raises(StorageError, match=said) as caught:
        ComparedSweep.read(folder)
    assert "\n" not in str(caught.value)


def test_a_sweep_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no sweep two"):
        ComparedSweep.read(tmp_path / "mlruns" / "sweeps" / "two")


def test_hypervolumes_have_one_reference_point(
    sweep: Callable[..., ComparedSweep], trial: Maker
) -> None:
    dearer = [
        trial(0, "d128", 0.88, 1.0, reference="dnn"),
        trial(1, "64k3-64k3-d128", 0.912, 8.0, reference="cnn"),
    ]
    found = compare([sweep("one"), sweep("two", records=dearer)])
    assert found.reference_point == pytest.approx((0.1, 80.0))
    assert found.hypervolumes[1] == pytest.approx(
        0.78 * math.log10(80) + 0.032 * math.log10(80 / 8)
    )
    own = sweep("two", records=dearer).summary["hypervolume"]["value"]
    assert found.hypervolumes[1] == pytest.approx(own)
    # The other cnn took 7.6 seconds an epoch: its own hypervolume counts less far.
    assert found.hypervolumes[0] > sweep("one").summary["hypervolume"]["value"]


def test_a_sweep_without_references_is_measured_by_the_others(
    sweep: Callable[..., ComparedSweep], trial: Maker
) -> None:
    alone = [trial(0, "8k3-d64", 0.9, 2.0)]
    found = compare([sweep("one"), sweep("alone", records=alone)])
    assert found.hypervolumes[1] == pytest.approx(0.8 * math.log10(76 / 2))
    none = compare([sweep("alone", records=alone), sweep("empty", records=[])])
    assert (none.reference_point, none.hypervolumes) == (None, (None, None))


def test_sweet_spots_are_paired_with_the_first(sweep: Callable[..., ComparedSweep]) -> None:
    first = sweep("one", answers=answers(80), reading=READING)
    others = [sweep("two", answers=answers(90)), sweep("three", answers=answers(79))]
    (better, worse) = compare([first, *others]).pairs
    assert (better.first, better.second, worse.second) == (0, 1, 2)
    assert (better.test.only_first, better.test.only_second) == (10, 0)
    assert better.test.difference == pytest.approx(0.1)
    # Ten images of ten: 2/2¹⁰, of two tests the smaller one.
    assert better.p_value == pytest.approx(2 * 2 / 2**10)
    assert worse.test.difference == pytest.approx(-0.01)
    assert worse.p_value == 1.0


def test_what_stands_in_the_way_of_a_pair(sweep: Callable[..., ComparedSweep]) -> None:
    first = sweep("one", answers=answers(80))
    others = [
        sweep("two", missing=("test_labels.npy", "models/0003.test.npy")),
        sweep("three", records=[]),
        sweep("four", answers=answers(80, LABELS[::-1])),
    ]
    found = compare([first, *others]).pairs
    assert [pair.obstacle for pair in found] == [
        "two has no test_labels.npy and no models/0003.test.npy",
        "three has no sweet spot yet",
        "the labels in test_labels.npy differ",
    ]
    assert [(pair.test, pair.p_value) for pair in found] == [(None, None)] * 3


def test_what_cannot_be_compared_is_one_sentence(sweep: Callable[..., ComparedSweep]) -> None:
    one, other = sweep("one"), frozenset({"H200"})
    for changes, said in (
        ({"fingerprint": "facade"}, "images or splits differ .* c0ffee against .* facade"),
        ({"costs": ["latency_ms"]}, r"costs differ \(epoch_seconds against latency_ms\)"),
        ({"devices": other}, "different devices .Xeon with 2 cores against H200.; --force"),
    ):
        with pytest.raises(ConfigurationError, match=f"one and two cannot .*: .*{said}"):
            compare([one, sweep("one"), sweep("two", **changes)])
        if "devices" not in changes:
            with pytest.raises(ConfigurationError, match=said):
                compare([one, sweep("two", **changes)], any_device=True)
    assert len(compare([one, sweep("two", devices=other)], any_device=True).sweeps) == 2
    assert len(compare([one, sweep("two", devices=frozenset())]).sweeps) == 2


def test_only_complete_trials_say_what_a_sweep_ran_on(
    write: Callable[..., Path], trial: Maker
) -> None:
    folder = write()
    stopped = trial(9, "8k3-d64", 0.5, 2.0, outcome=Outcome.STOPPED)
    started = Started(
        attempt=0, specification=stopped.specification, worker="0", host="there", pid=7,
        device={"name": "H200"},
    )  # fmt: skip
    with EventLog(trial_log_path(folder, 9)) as log:
        record(log, started)
        record(log, Ended(attempt=0, record=stopped))
    assert ComparedSweep.read(folder).devices == {"Xeon with 2 cores"}


def test_answers_with_a_header_that_no_parser_reads_are_one_sentence(
    write: Callable[..., Path],
) -> None:
    folder = write()
    path = folder / answers_name(3)
    path.write_bytes(path.read_bytes().replace(b"(100,)", b"(100,("))
    with pytest.raises(StorageError, match=r"models/0003\.test\.npy cannot be read: .+; remove it"):
        ComparedSweep.read(folder)
