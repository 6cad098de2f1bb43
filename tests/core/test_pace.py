import pytest

from pipeline.core.pace import at_pace, measured_pace, training_at_pace

COSTS = {"macs": 9.0, "latency_ms": 0.6, "epoch_seconds": 4.0}
MEASURED = {
    "latency_reference_ms": 1.0,
    "latency_ratio": 0.5,
    "latency_ratio_low": 0.4,
    "latency_ratio_high": 0.6,
    "latency_low_ms": 0.55,
    "latency_high_ms": 0.65,
    "latency_p90_ms": 0.9,
    "latency_images_per_second": 1000.0 / 0.6,
    "latency_256_ms": 30.0,
    "latency_256_reference_ms": 60.0,
    "latency_256_ratio": 0.5,
    "latency_256_ratio_low": 0.45,
    "latency_256_ratio_high": 0.55,
    "latency_256_low_ms": 29.0,
    "latency_256_high_ms": 31.0,
    "step_ms": 2.0,
    "step_low_ms": 1.9,
    "step_high_ms": 2.2,
    "step_reference_ms": 8.0,
    "step_ratio": 0.25,
    "step_ratio_low": 0.2,
    "step_ratio_high": 0.3,
    "epoch_low_seconds": 3.8,
    "epoch_high_seconds": 4.4,
    "host_peak_memory_mib": 700.0,
}


def test_the_pace_is_what_the_reference_took():
    assert measured_pace(MEASURED) == {
        "latency_reference_ms": 1.0,
        "latency_256_reference_ms": 60.0,
        "step_reference_ms": 8.0,
    }


def test_times_are_the_ratio_times_the_pace():
    # The machine ran at half its pace: the reference used to take half of what it takes now.
    pace = {name: value / 2 for name, value in measured_pace(MEASURED).items()}
    costs, found = at_pace(COSTS, MEASURED, pace)
    # 0.5 times 0.5 ms; the clock showed 0.6 ms. An epoch follows its steps: 0.25 times 4 ms each.
    assert costs == pytest.approx({"macs": 9.0, "latency_ms": 0.25, "epoch_seconds": 2.0})
    factor = 0.25 / 0.6
    expected = MEASURED | {
        "latency_measured_ms": 0.6,
        "latency_low_ms": 0.2,
        "latency_high_ms": 0.3,
        "latency_p90_ms": 0.9 * factor,
        "latency_images_per_second": 4000.0,
        "latency_256_ms": 15.0,
        "latency_256_measured_ms": 30.0,
        "latency_256_low_ms": 13.5,
        "latency_256_high_ms": 16.5,
        "step_ms": 1.0,
        "step_measured_ms": 2.0,
        "step_low_ms": 0.8,
        "step_high_ms": 1.2,
        "epoch_measured_seconds": 4.0,
        "epoch_low_seconds": 1.6,
        "epoch_high_seconds": 2.4,
    }
    assert found == pytest.approx(expected)


def test_what_was_measured_is_left_as_it_is():
    costs, found = dict(COSTS), dict(MEASURED)
    at_pace(costs, found, {"step_reference_ms": 1.0})
    assert (costs, found) == (COSTS, MEASURED)


def test_without_a_pace_or_a_reference_nothing_changes():
    assert at_pace(COSTS, MEASURED, {}) == (COSTS, MEASURED)
    assert at_pace(COSTS, {}, {"latency_reference_ms": 1.0}) == (COSTS, {})


def test_the_order_of_networks_survives_a_machine_that_slows_down():
    pace = {"latency_reference_ms": 1.0}

    def latency(ratio, slowness):
        reference = 1.0 * slowness
        measured = {
            "latency_reference_ms": reference,
            "latency_ratio": ratio,
            "latency_ratio_low": ratio,
            "latency_ratio_high": ratio,
        }
        return at_pace({"latency_ms": ratio * reference}, measured, pace)[0]["latency_ms"]

    assert latency(0.5, slowness=3.0) < latency(0.6, slowness=1.0)


def test_the_latency_of_a_batch_has_another_pace_than_that_of_an_image():
    costs = {"latency_ms": 30.0}
    measured = {
        "latency_batch_size": 64.0, "latency_reference_ms": 60.0, "latency_ratio": 0.5,
        "latency_ratio_low": 0.45, "latency_ratio_high": 0.55,
    }  # fmt: skip
    assert measured_pace(measured) == {"latency_64_reference_ms": 60.0}
    of_an_image = {"latency_reference_ms": 1.0}
    assert at_pace(costs, measured, of_an_image) == (costs, measured)
    found, _ = at_pace(costs, measured, of_an_image | {"latency_64_reference_ms": 20.0})
    assert found == {"latency_ms": 10.0}
    assert measured_pace(measured | {"latency_batch_size": 1.0}) == {"latency_reference_ms": 60.0}


def test_training_is_told_as_epochs_of_their_usual_time():
    costs = {"epoch_seconds": 2.0, "train_seconds": 31.0, "device_memory_mib": 9.0}
    found = {"epoch_low_seconds": 1.5, "epoch_high_seconds": 3.0}
    epochs = {"train_seconds": 8, "time_to_accuracy_seconds": 3}
    paced, measured = training_at_pace(costs, found, epochs)
    assert paced == {"epoch_seconds": 2.0, "train_seconds": 16.0, "device_memory_mib": 9.0}
    assert measured == found | {
        "train_measured_seconds": 31.0,
        "train_low_seconds": 12.0,
        "train_high_seconds": 24.0,
    }
    reached, measured = training_at_pace(
        costs | {"time_to_accuracy_seconds": 12.0}, {}, epochs
    )  # fmt: skip
    assert reached["time_to_accuracy_seconds"] == 6.0
    assert measured == {
        "train_measured_seconds": 31.0, "time_to_accuracy_measured_seconds": 12.0
    }  # fmt: skip


def test_training_stays_as_the_clock_showed_it_where_the_time_of_an_epoch_is_not_known():
    costs = {"train_seconds": 31.0}
    assert training_at_pace(costs, {}, {"train_seconds": 8}) == (costs, {})
