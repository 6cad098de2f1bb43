"""What the GPU benchmark makes of the rates that it has measured."""

from dataclasses import replace

import pytest

from benchmarks import gpu
from benchmarks.results_files import NotHereError
from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import macs
from pipeline.measuring.automatic import Automatic, Calibration, Tried
from pipeline.measuring.machine import this_machine

ANSWER = Automatic(
    precision="mixed_bfloat16", jit_compile=True, steps_per_execution=60, workers=2, threads=8
)
CALIBRATION = Calibration(
    answer=ANSWER, measured_on={"name": "A GPU"}, date="2026-11-29", seconds=60.0, tried=()
)
SWEEP = {
    "workers": 2, "trials": 9, "seconds": 90.0, "best": "d32", "best_val_accuracy": 0.9,
    "images_per_second": 1234.0,
    "clocks": {"training": 30.0, "measuring": 69.9, "tracking": 0.1},
}  # fmt: skip


def way(rate, **differences):
    usual = Tried(
        network=REFERENCES["cnn"].notation, precision="mixed_bfloat16", jit_compile=True,
        steps_per_execution=60, workers=2, threads=2, images_per_second=rate,
    )  # fmt: skip
    return replace(usual, **differences)


def test_what_auto_decides_is_told_against_the_best_and_against_keras():
    tried = [
        way(500.0, steps_per_execution=20),
        way(800.0),
        way(900.0, jit_compile=False),
        way(1000.0, precision="float32", workers=8),
    ]
    work = 6.0 * macs(REFERENCES["cnn"], (28, 28, 1), 10)
    peaks = {"float32": 4000.0 * work, "mixed_bfloat16": 9e9 * work}
    result, lines = gpu.tell(
        [90.0, 100.0, 110.0], CALIBRATION, tried, [SWEEP], peaks=peaks, work=work
    )
    assert result["ratio"] == pytest.approx(8.0)
    assert result["auto_against_best"] == pytest.approx(0.8)
    assert result["share_of_matrix_product_rate"] == pytest.approx(0.25)
    text = "\n".join(lines)
    assert "| 8 | float32 | on | 60 | 1,000 | 10.0 |" in text
    assert "| 2 | 9 | 90 | 1,234 | d32, 90.00% | measuring 70%, training 30% |" in text


def test_without_a_gpu_it_says_so(monkeypatch):
    machine = replace(this_machine(), gpus=())
    monkeypatch.setattr(gpu, "this_machine", lambda: machine)
    with pytest.raises(NotHereError, match="there is no GPU here"):
        gpu.main(short=True)
