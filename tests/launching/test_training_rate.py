from dataclasses import replace

import pytest

from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import macs
from pipeline.launching.estimate import estimate
from pipeline.launching.training_rate import TrainingRate, calibrated_rate, matrix_product_rate
from pipeline.measuring.automatic import Calibration, Tried, by_rule, keep_calibration
from pipeline.measuring.machine import Precision, this_machine


def test_the_machines_rate_is_a_rate():
    assert matrix_product_rate(size=64, repeats=2) > 1e6


def calibrate(config, seconds):
    """Keep a calibration by which a thread takes so many seconds an image, and four are best."""
    rows: tuple[tuple[str, Precision, int, int, float], ...] = (
        ("cnn", "float32", 1, 1, 1.0),
        ("cnn", "float32", 4, 1, 4.0),
        ("cnn", "float32", 1, 4, 3.0),  # threads lose something
        ("cnn", "mixed_bfloat16", 1, 1, 9.0),
        ("dnn", "float32", 1, 1, 1.0),
    )
    tried = tuple(
        Tried(
            network=REFERENCES[name].notation, precision=precision, jit_compile=False,
            steps_per_execution=20, workers=workers, threads=threads,
            images_per_second=speed / seconds[name],
        )
        for name, precision, workers, threads, speed in rows
    )  # fmt: skip
    calibration = Calibration(
        answer=replace(by_rule(), workers=4, threads=1), measured_on={"name": "this one"},
        date="2026-11-30", seconds=1.0, tried=tried,
    )  # fmt: skip
    keep_calibration(config.mlruns, calibration)


def test_a_calibrated_machine_is_known_by_its_two_networks(plan, monkeypatch):
    machine = replace(this_machine(), cores=4, gpus=())
    monkeypatch.setattr("pipeline.launching.training_rate.this_machine", lambda: machine)

    def settings(precision="float32", *, calibrate=True, **launch):
        training = plan.config.training.model_copy(update={"precision": precision})
        own = plan.config.launch.model_copy(update={"workers": "auto", "threads": "auto", **launch})
        return plan.config.model_copy(
            update={"calibrate": calibrate, "training": training, "launch": own}
        )

    assert calibrated_rate(settings(), 4) is None
    work = {name: 6.0 * macs(REFERENCES[name], (28, 28, 1), 10) for name in ("cnn", "dnn")}
    calibrate(settings(), {name: 8e-6 + work[name] / 1e11 for name in work})
    for launch, workers, times in (
        ({}, 4, 4.0),
        ({"workers": 16}, 16, 4.0),  # more of them do no more
        ({"workers": 2, "threads": 1}, 2, 2.0),
        ({"workers": 1, "threads": 1}, 1, 1.0),
    ):
        rate = calibrated_rate(settings(**launch), workers)
        assert rate is not None
        assert rate.operations_a_second == pytest.approx(times * 1e11)
        assert rate.seconds_an_image == pytest.approx(8e-6 / times)
    many_threads = calibrated_rate(settings(workers=1), 1)
    assert many_threads is not None
    assert 3e11 < many_threads.operations_a_second < 4e11  # an image's own time is not shared
    calibrated = replace(plan, config=settings(workers=4, threads=1))
    known = [TrainingRate(operations_a_second=4e11, seconds_an_image=2e-6)]
    assert estimate(calibrated).minutes == pytest.approx(estimate(plan, known.pop).minutes)
    # Of a precision in which nobody has timed both, and where calibrations do not count.
    assert calibrated_rate(settings("mixed_bfloat16"), 4) is None
    assert calibrated_rate(settings(calibrate=False), 4) is None
