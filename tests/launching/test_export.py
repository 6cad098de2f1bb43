"""What an export leaves behind; the formats themselves are those of tests/integration."""

import json
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.launching import export as exporting
from pipeline.launching.export import export
from pipeline.launching.leftovers import remove_unfinished
from pipeline.launching.networks import SweepNetwork
from pipeline.measuring import machine as measured_machine
from pipeline.measuring.machine import Gpu, Machine

H200 = Gpu(name="H200", uuid="GPU-1", memory_mib=1, capability=(9, 0))


def always(label):
    return lambda images: np.eye(10, dtype=np.float32)[[label] * len(images)]


class FakeNetwork:
    """Says of every image that it is of the first class, in every format but the wrong ones."""

    wrong: tuple[str, ...] = ()

    def __init__(self, *_):
        self.as_trained = self.exact = always(0)
        self.images_a_call = 100

    def write(self, form, path, images):
        path.write_bytes(b"0123456789")

    def open(self, form, path):
        return always(1) if form in self.wrong else self.exact


@pytest.fixture
def exported(plan, monkeypatch):
    """Return a function that exports a network of digits and returns what comes of it."""
    fake = ModuleType("pipeline.training.exporting")
    fake.ExportedNetwork = FakeNetwork  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.training.exporting", fake)
    monkeypatch.setattr(exporting, "set_up_backend", lambda: None)
    monkeypatch.setattr(exporting, "_latency", lambda *_: {"median_ms": 1.0})
    monkeypatch.setattr(exporting, "shared_device", nullcontext)  # others may measure now
    network = SweepNetwork(sweep="lesson", trial=3, architecture="d128", path=Path("3.keras"))
    return lambda: export(plan.config, network)


def test_the_names_of_the_classes_are_kept_beside_the_files(plan, exported):
    outcome = exported()
    folder = plan.config.sweep_dir / "export"
    assert outcome["classes"] == [str(digit) for digit in range(10)]
    assert json.loads((folder / "0003.json").read_text()) == outcome
    assert {path.name for path in folder.iterdir()} == {
        "0003.json", "0003.onnx", "0003.int8.onnx", "0003.saved_model",
    }  # fmt: skip


@pytest.mark.parametrize(("gpus", "device"), [((), "EPYC with 16 cores"), ((H200,), "H200")])
def test_each_format_says_what_it_ran_on(exported, monkeypatch, gpus, device):
    machine = Machine(cpu="EPYC", flags=frozenset(), cores=16, memory_bytes=None, gpus=gpus)
    monkeypatch.setattr(measured_machine, "this_machine", lambda: machine)
    monkeypatch.setattr(exporting, "this_machine", lambda: machine)
    outcome = exported()
    assert outcome["device"] == device
    assert {form: result["device"] for form, result in outcome["exports"].items()} == {
        "onnx": "EPYC with 16 cores", "onnx_int8": "EPYC with 16 cores", "saved_model": device,
    }  # fmt: skip


def test_every_classification_shares_the_device(exported, monkeypatch):
    held = []

    @contextmanager
    def shared_device():
        held.append(True)
        yield
        held.clear()

    class Asking(FakeNetwork):
        def __init__(self, *_):
            super().__init__()
            self.as_trained = self.exact = self.infer

        def infer(self, images):
            asked.append(bool(held))
            return always(0)(images)

    asked: list[bool] = []
    monkeypatch.setattr(sys.modules["pipeline.training.exporting"], "ExportedNetwork", Asking)
    # Takes the device for itself.
    monkeypatch.setattr(exporting, "_latency", lambda *_: {"shared": bool(held)})
    monkeypatch.setattr(exporting, "shared_device", shared_device)
    found = exported()
    assert len(asked) > 5 and all(asked)
    assert not any(one["latency"]["shared"] for one in found["exports"].values())


def test_an_export_that_is_at_it_is_not_taken_for_one_that_was_killed(plan, exported, monkeypatch):
    seen = []

    def write(self, form, path, images):
        path.write_bytes(b"0123456789")
        seen.append(remove_unfinished(plan.config.mlruns))
        assert path.is_file()

    monkeypatch.setattr(FakeNetwork, "write", write)
    exported()
    assert seen == [0, 0, 0]
    assert not list((plan.config.sweep_dir / "export").glob(".*"))


def test_what_answers_otherwise_than_the_network_is_not_kept(plan, exported, monkeypatch):
    exported()
    monkeypatch.setattr(FakeNetwork, "wrong", ("onnx",))
    exports = exported()["exports"]
    assert exports["onnx"]["failure"] and exports["onnx"]["file"] is None
    kept = {"export/0003.int8.onnx", "export/0003.saved_model"}
    assert {exports[form]["file"] for form in ("onnx_int8", "saved_model")} == kept
    assert all(exports[form]["failure"] is None for form in ("onnx_int8", "saved_model"))
    # Nor does what an earlier export has left stay in its place.
    assert {path.name for path in (plan.config.sweep_dir / "export").iterdir()} == {
        "0003.json", "0003.int8.onnx", "0003.saved_model",
    }  # fmt: skip
