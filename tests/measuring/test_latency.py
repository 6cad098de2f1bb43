from itertools import chain, repeat

import pytest

from pipeline.measuring.latency import WINDOW, measure_latency, paired_samples, warm_up


class Machine:
    """A clock, and calls that take the time they are told."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def call(self, name, seconds):
        durations = iter(seconds)

        def run():
            self.calls.append(name)
            self.now += next(durations)

        return run

    def time(self):
        return self.now


@pytest.fixture
def machine():
    return Machine()


def test_warming_up_ends_when_two_windows_agree(machine):
    slow_start = chain([0.5, 0.4, 0.3, 0.2, 0.1], repeat(0.01))
    calls = warm_up(machine.call("a", slow_start), seconds=100.0, now=machine.time)
    assert calls == 3 * WINDOW


def test_warming_up_ends_when_its_time_is_over(machine):
    ever_faster = (2.0**-k for k in range(1000))
    calls = warm_up(machine.call("a", ever_faster), seconds=1.9, now=machine.time)
    assert calls == 5


def test_one_call_is_always_made(machine):
    assert warm_up(machine.call("a", repeat(9.0)), seconds=0.1, now=machine.time) == 1


def test_the_reference_is_called_in_turn(machine):
    ours, theirs = paired_samples(
        machine.call("a", [1.0, 2.0, 3.0]), machine.call("b", repeat(5.0)), 3, machine.time
    )
    assert machine.calls == ["a", "b"] * 3
    assert ours == [1.0, 2.0, 3.0]
    assert theirs == [5.0] * 3


def measured(machine, durations, *, rounds):
    return measure_latency(
        machine.call("a", durations),
        machine.call("b", repeat(0.02)),
        batch_size=4,
        samples=20,
        warmup_seconds=0.001,
        tolerance=0.05,
        rounds=rounds,
        now=machine.time,
    )


def test_steady_calls_take_one_round(machine):
    found = measured(machine, repeat(0.01), rounds=3)
    assert found.median_ms == pytest.approx(10.0)
    assert found.ratio == pytest.approx(0.5)
    assert found.images_per_second == pytest.approx(400.0)
    assert not found.noisy
    assert machine.calls.count("a") == 1 + 20


def test_noisy_calls_are_taken_again_and_the_best_round_counts(machine):
    noisy = [0.01, 0.03] * 10
    found = measured(machine, chain([0.01], noisy, repeat(0.01)), rounds=3)
    assert not found.noisy
    assert machine.calls.count("a") == 1 + 2 * 20


def test_what_stays_noisy_is_flagged(machine):
    noisy = chain([0.01], [0.01, 0.03] * 30)
    found = measured(machine, noisy, rounds=3)
    assert found.noisy
    assert machine.calls.count("a") == 1 + 3 * 20


def test_no_rounds_are_refused(machine):
    with pytest.raises(ValueError, match="rounds"):
        measured(machine, repeat(0.01), rounds=0)
