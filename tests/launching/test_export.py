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


def first_class(images):
    return np.eye(10, dtype=np.float32)[[0] * len(images)]


class FakeNetwork:
    """Says of every image that it is of the first class, in every format."""

    def __init__(self, *_):
        self.as_trained = self.exact = first_class
        self.images_a_call = 100

    def write(self, form, path, images):
        path.write_bytes(b"0123456789")

    def open(self, form, path):
        return self.exact


@pytest.fixture
def outcome(plan, monkeypatch):
    """Return what comes of the export of a network of digits."""
    fake = ModuleType("pipeline.training.exporting")
    fake.ExportedNetwork = FakeNetwork  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.training.exporting", fake)
    monkeypatch.setattr(exporting, "set_up_backend", lambda: None)
    monkeypatch.setattr(exporting, "_latency", lambda *_: {"median_ms": 1.0})
    monkeypatch.setattr(exporting, "shared_device", nullcontext)  # others may measure now
    network = SweepNetwork(sweep="lesson", trial=3, architecture="d128", path=Path("3.keras"))
    return export(plan.config, network)


def test_the_names_of_the_classes_are_kept_beside_the_files(plan, outcome):
    folder = plan.config.sweep_dir / "export"
    assert outcome["classes"] == [str(digit) for digit in range(10)]
    assert json.loads((folder / "0003.json").read_text()) == outcome
    assert {path.name for path in folder.iterdir()} == {
        "0003.json", "0003.onnx", "0003.int8.onnx", "0003.saved_model",
    }  # fmt: skip


@pytest.mark.parametrize(("gpus", "device"), [((), "EPYC with 16 cores"), ((H200,), "H200")])
def test_each_format_says_what_it_ran_on(plan, monkeypatch, request, gpus, device):
    machine = Machine(cpu="EPYC", flags=frozenset(), cores=16, memory_bytes=None, gpus=gpus)
    monkeypatch.setattr(measured_machine, "this_machine", lambda: machine)
    monkeypatch.setattr(exporting, "this_machine", lambda: machine)
    outcome = request.getfixturevalue("outcome")
    assert outcome["device"] == device
    assert {form: result["device"] for form, result in outcome["exports"].items()} == {
        "onnx": "EPYC with 16 cores", "onnx_int8": "EPYC with 16 cores", "saved_model": device,
    }  # fmt: skip


def test_every_classification_shares_the_device(plan, monkeypatch):
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
            return first_class(images)

    asked: list[bool] = []
    fake = ModuleType("pipeline.training.exporting")
    fake.ExportedNetwork = Asking  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.training.exporting", fake)
    monkeypatch.setattr(exporting, "set_up_backend", lambda: None)
    # Takes the device for itself.
    monkeypatch.setattr(exporting, "_latency", lambda *_: {"shared": bool(held)})
    monkeypatch.setattr(exporting, "shared_device", shared_device)
    network = SweepNetwork(sweep="lesson", trial=3, architecture="d128", path=Path("3.keras"))
    found = export(plan.config, network)
    assert len(asked) > 5 and all(asked)
    assert not any(one["latency"]["shared"] for one in found["exports"].values())


def test_an_export_that_is_at_it_is_not_taken_for_one_that_was_killed(plan, monkeypatch, request):
    seen = []

    def write(self, form, path, images):
        path.write_bytes(b"0123456789")
        seen.append(remove_unfinished(plan.config.mlruns))
        assert path.is_file()

    monkeypatch.setattr(FakeNetwork, "write", write)
    request.getfixturevalue("outcome")
    assert seen == [0, 0, 0]
    assert not list((plan.config.sweep_dir / "export").glob(".*"))
