"""The calibration's decisions, from made-up rates of processes that are not started."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import StorageError
from pipeline.launching import calibrating
from pipeline.launching.calibrating import calibrate, settle
from pipeline.launching.devices import next_gpu
from pipeline.launching.rate_processes import CalibrationError
from pipeline.measuring.automatic import Automatic, keep_calibration, read_calibration
from pipeline.measuring.machine import Gpu, Machine

CPU = Machine(
    cpu="A processor", flags=frozenset({"avx512_bf16"}), cores=4, memory_bytes=None, gpus=()
)
GPU = Gpu(name="A GPU", uuid="GPU-1", memory_mib=81920, capability=(8, 0))


class Member:
    """Answers with a rate that a function of its threads, the way and its company gives."""

    def __init__(self, threads, rate, crowd):
        self.threads, self._rate, self._crowd = threads, rate, crowd
        self.built = []

    def send(self, request):
        self._request = request
        if "build" in request:
            self.built.append(request["build"])
        else:
            assert request["measure"] in self.built, "compiling is not to be measured"
            self._crowd.append(self)

    def receive(self):
        if "build" in self._request:
            return {"built": True}
        company = len(self._crowd)
        rate = self._rate(self._request["measure"], self.threads, company)
        self._done = True
        if all(getattr(member, "_done", False) for member in self._crowd):
            for member in self._crowd:
                member._done = False
            self._crowd.clear()
        return {"images_per_second": rate}


def starting(rate):
    @contextmanager
    def start(threads):
        crowd: list[Member] = []
        yield [Member(count, rate, crowd) for count in threads]

    return start


def ready():
    """Stand in for the import of what a worker needs, which takes ten seconds."""
    event = threading.Event()
    event.set()
    return event


def flat(way, threads, company):
    return 1000.0


def test_where_nothing_is_faster_the_answer_is_what_the_hardware_is_known_for():
    # Every process more does as much again, so one a core is best.
    found = calibrate(CPU, starting(flat))
    assert found.answer == Automatic(
        precision="mixed_bfloat16", jit_compile=False, steps_per_execution=20, workers=4, threads=1
    )
    assert found.measured_on["name"] == "A processor"
    assert "memory_mib" not in found.measured_on
    assert {tried.workers for tried in found.tried} == {1, 2, 4}


def test_each_setting_follows_its_own_measurement():
    def rate(way, threads, company):
        speed = 1000.0 * threads**1.5 / company
        speed *= 1.2 if way["precision"] == "float32" else 1.0
        speed *= 2.0 if way["jit_compile"] else 1.0
        return speed * (1.3 if way["steps_per_execution"] == 60 else 1.0)

    assert calibrate(CPU, starting(rate)).answer == Automatic(
        precision="float32", jit_compile=True, steps_per_execution=60, workers=1, threads=4
    )


def test_longer_calls_are_taken_only_where_they_train_more():
    gains = {1: 0.5, 5: 0.9, 20: 1.0, 60: 1.17, 240: 1.2}

    def answer(gains):
        def rate(way, threads, company):
            return 1000.0 * gains[way["steps_per_execution"]]

        return calibrate(CPU, starting(rate)).answer.steps_per_execution

    assert answer(gains) == 60
    assert answer(gains | {240: 1.3}) == 240
    assert answer(gains | {60: 1.04, 240: 1.04}) == 20


def test_a_little_faster_is_no_reason_for_another_precision():
    def rate(way, threads, company):
        return 1080.0 if way["precision"] == "float32" else 1000.0

    assert calibrate(CPU, starting(rate)).answer.precision == "mixed_bfloat16"


def test_hardware_without_bfloat16_is_not_asked_to_emulate_it():
    found = calibrate(replace(CPU, flags=frozenset()), starting(flat))
    assert {tried.precision for tried in found.tried} == {"float32"}


@pytest.mark.parametrize(("most", "workers"), [(1, 1), (2, 2), (4, 4)])
def test_as_many_trials_share_a_gpu_as_fill_it(most, workers):
    machine = replace(CPU, cores=16, gpus=(GPU,))

    def rate(way, threads, company):
        return 1000.0 * min(company, most) / company

    found = calibrate(machine, starting(rate))
    assert (found.answer.workers, found.answer.threads) == (workers, 16 // workers)
    assert {tried.workers for tried in found.tried} == {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("memory_mib", "most"), [(1024, 1), (4096, 1), (6144, 2), (16384, 4), (20480, 8), (0, 8)]
)
def test_trials_share_a_gpu_only_where_its_memory_is_enough_for_each(memory_mib, most):
    machine = replace(CPU, cores=16, gpus=(replace(GPU, memory_mib=memory_mib),))
    assert max(tried.workers for tried in calibrate(machine, starting(flat)).tried) == most


def test_where_xla_is_all_that_compiles_nothing_is_tried_without(monkeypatch):
    def compilations():
        return {tried.jit_compile for tried in calibrate(CPU, starting(flat)).tried}

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert compilations() == {False, True}
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("pipeline.measuring.backends.version", lambda package: "9")
    assert compilations() == {True}


def test_a_machine_is_measured_once_and_only_if_something_is_auto(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrating, "lock_name", lambda: tmp_path.name)  # others may measure now
    monkeypatch.setattr(calibrating, "prepare", ready)
    measured: list[Machine] = []
    said: list[str] = []

    def measure(machine, start):
        measured.append(machine)
        return calibrate(CPU, starting(flat))

    monkeypatch.setattr(calibrating, "calibrate", measure)

    def settled(*overrides):
        words = ("data=digits", f"mlruns={tmp_path}", *overrides)
        settle(compose(CommandLine(command="sweep", overrides=words)), said.append)

    settled("calibrate=false")
    settled(
        "training.precision=float32", "training.jit_compile=off", "launch.workers=1",
        "training.steps_per_execution=20", "launch.threads=1",
    )  # fmt: skip
    assert not measured and not said
    settled()
    settled()
    assert len(measured) == 1
    known = read_calibration(tmp_path)
    assert known is not None and said[-1] == f"{known.sentence()}."


def test_where_a_machine_cannot_be_measured_the_sweep_goes_on_by_rule(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrating, "lock_name", lambda: tmp_path.name)
    monkeypatch.setattr(calibrating, "prepare", ready)

    def fail(machine, start):
        raise CalibrationError("the GPU ran out of memory")

    monkeypatch.setattr(calibrating, "calibrate", fail)
    said: list[str] = []
    config = compose(CommandLine(command="sweep", overrides=("data=digits", f"mlruns={tmp_path}")))
    settle(config, said.append)
    assert said[-1].startswith("This machine could not be measured: the GPU ran out of memory. So")
    assert read_calibration(tmp_path) is None


def test_what_is_known_is_not_measured_again(tmp_path, monkeypatch):
    keep_calibration(tmp_path, calibrate(CPU, starting(flat)))
    monkeypatch.setattr(calibrating, "calibrate", lambda *_: pytest.fail("measured again"))
    words = ("data=digits", f"mlruns={tmp_path}")
    settle(compose(CommandLine(command="sweep", overrides=words)), print)


def test_workers_are_spread_over_the_gpus():
    gpus = (GPU, replace(GPU, uuid="GPU-2"))
    assert next_gpu(gpus, []) == "GPU-1"
    assert next_gpu(gpus, ["GPU-1"]) == "GPU-2"
    assert next_gpu(gpus, ["GPU-1", "GPU-2", "GPU-2"]) == "GPU-1"
    assert next_gpu((GPU,), []) is None
    assert next_gpu((), []) is None


def test_nobody_shares_a_part_of_a_gpu():
    part = replace(GPU, uuid="MIG-1", memory_mib=0)
    machine = replace(CPU, cores=16, gpus=(part, replace(part, uuid="MIG-2")))
    assert {tried.workers for tried in calibrate(machine, starting(flat)).tried} == {1, 2}


def test_a_file_in_the_place_of_the_folder_is_named_first(tmp_path):
    file = tmp_path / "mlruns"
    file.touch()
    config = compose(CommandLine(command="sweep", overrides=("data=digits", f"mlruns={file}")))
    with pytest.raises(StorageError, match=rf"^mlruns={file}: .* is a file, not a folder$"):
        settle(config, print)
