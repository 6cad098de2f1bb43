import json
from dataclasses import replace

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import StorageError
from pipeline.measuring.automatic import (
    STEPS_PER_EXECUTION,
    Automatic,
    Calibration,
    Tried,
    automatic,
    best,
    by_rule,
    keep_calibration,
    machine_key,
    read_calibration,
    settled_training,
)
from pipeline.measuring.machine import Gpu, Machine

CPU = Machine(cpu="A processor", flags=frozenset(), cores=4, memory_bytes=None, gpus=())
GPU = Gpu(name="A GPU", uuid="GPU-1", memory_mib=8192, capability=(8, 0))
ANSWER = Automatic(
    precision="mixed_bfloat16", jit_compile=True, steps_per_execution=60, workers=3, threads=2
)
TRIED = Tried(
    network="d128", precision="float32", jit_compile=False, steps_per_execution=20, workers=1,
    threads=1, images_per_second=1234.5,
)  # fmt: skip
CALIBRATION = Calibration(
    answer=ANSWER,
    measured_on={"device": "cpu", "name": "A processor"},
    date="2026-11-25",
    seconds=31.4,
    tried=(TRIED,),
)


def config(mlruns, *overrides):
    words = ("data=digits", f"mlruns={mlruns}", *overrides)
    return compose(CommandLine(command="sweep", overrides=words))


def test_what_was_measured_is_read_back(tmp_path):
    assert read_calibration(tmp_path, CPU) is None
    keep_calibration(tmp_path, CALIBRATION, CPU)
    assert read_calibration(tmp_path, CPU) == CALIBRATION


def test_other_hardware_in_the_same_folder_has_an_answer_of_its_own(tmp_path):
    bigger = replace(CPU, cores=8)
    keep_calibration(tmp_path, CALIBRATION, CPU)
    assert read_calibration(tmp_path, bigger) is None
    other = replace(CALIBRATION, answer=replace(ANSWER, workers=8))
    keep_calibration(tmp_path, other, bigger)
    assert read_calibration(tmp_path, CPU) == CALIBRATION
    assert read_calibration(tmp_path, bigger) == other
    keys = {machine_key(m) for m in (CPU, bigger, replace(CPU, gpus=(GPU,)))}
    assert len(keys) == 3
    # What changes from hour to hour asks for no new answer.
    assert machine_key(replace(CPU, memory_bytes=1)) == machine_key(CPU)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(StorageError, match=r"calibration\.json cannot be read: .*; remove it"):
        read_calibration(tmp_path, CPU)


def test_another_versions_file_is_named(tmp_path):
    (tmp_path / "calibration.json").write_text('{"schema_version": 2, "machines": {}}')
    with pytest.raises(StorageError, match=r"calibration\.json has schema_version 2, but"):
        read_calibration(tmp_path, CPU)


def test_an_incomplete_answer_is_named(tmp_path):
    values = {"schema_version": 1, "machines": {machine_key(CPU): {"date": "2026-11-25"}}}
    (tmp_path / "calibration.json").write_text(json.dumps(values))
    with pytest.raises(StorageError, match="cannot be read"):
        read_calibration(tmp_path, CPU)


def test_auto_is_what_was_measured_unless_the_rule_is_asked_for(tmp_path):
    assert automatic(config(tmp_path)) == by_rule()
    keep_calibration(tmp_path, CALIBRATION)
    assert automatic(config(tmp_path)) == ANSWER
    assert automatic(config(tmp_path, "calibrate=false")) == by_rule()


def test_there_are_no_more_workers_than_the_memory_of_now_holds(tmp_path, monkeypatch):
    known = replace(CALIBRATION, answer=replace(ANSWER, workers=8))
    for gigabytes, gpus, workers in ((32, (), 8), (5, (), 2), (1, (), 1), (5, (GPU,), 8)):
        machine = replace(CPU, memory_bytes=gigabytes * 1024**3, gpus=gpus)
        monkeypatch.setattr("pipeline.measuring.automatic.this_machine", lambda m=machine: m)
        keep_calibration(tmp_path, known, machine)
        assert automatic(config(tmp_path)).workers == workers


def test_only_auto_is_settled(tmp_path):
    auto = settled_training(config(tmp_path).training, ANSWER)
    assert (auto.precision, auto.jit_compile, auto.steps_per_execution) == (
        "mixed_bfloat16", "on", 60,
    )  # fmt: skip
    said = config(
        tmp_path, "training.precision=float32", "training.jit_compile=off",
        "training.steps_per_execution=7",
    ).training  # fmt: skip
    assert settled_training(said, ANSWER) == said


def test_numbers_that_must_repeat_do_not_depend_on_what_was_measured(tmp_path):
    training = config(tmp_path, "training.deterministic=true").training
    settled = settled_training(training, ANSWER)
    assert (settled.jit_compile, settled.steps_per_execution) == ("off", STEPS_PER_EXECUTION)


def test_the_rule_is_what_the_hardware_is_known_for():
    assert by_rule(CPU) == Automatic(
        precision="float32", jit_compile=False, steps_per_execution=STEPS_PER_EXECUTION,
        workers=4, threads=1,
    )  # fmt: skip
    assert by_rule(replace(CPU, gpus=(GPU, GPU))) == Automatic(
        precision="mixed_bfloat16", jit_compile=True, steps_per_execution=STEPS_PER_EXECUTION,
        workers=2, threads=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({"known": 100.0, "other": 104.0}, "known"),
        ({"known": 100.0, "other": 106.0}, "other"),
        ({"known": 100.0, "other": 106.0, "third": 107.0}, "third"),
        ({"known": 100.0}, "known"),
    ],
)
def test_another_answer_must_be_clearly_faster(rates, chosen):
    assert best(rates, "known", 0.05) == chosen


def test_the_sentence_says_what_auto_is_and_where_it_comes_from():
    assert CALIBRATION.sentence() == (
        "auto is mixed_bfloat16, XLA on, 60 steps a call, 3 workers with 2 threads each "
        "(measured on 2026-11-25 in 31 s on A processor)"
    )


def test_a_calibration_is_on_the_disk_before_it_has_its_name(tmp_path, disk_calls):
    keep_calibration(tmp_path, CALIBRATION, CPU)
    path = tmp_path / "calibration.json"
    assert disk_calls == [
        ("fsync", path.stat().st_ino), ("replace", path), ("fsync", tmp_path.stat().st_ino),
    ]  # fmt: skip


def test_machines_that_are_no_table_are_damage(tmp_path):
    (tmp_path / "calibration.json").write_text('{"schema_version": 1, "machines": []}')
    with pytest.raises(StorageError, match=r"calibration\.json cannot be read: .*; remove it"):
        read_calibration(tmp_path, CPU)


def test_what_cannot_be_read_is_not_to_be_removed(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"calibration\.json cannot be read: Not a directory$"):
        read_calibration(tmp_path / "file", CPU)
