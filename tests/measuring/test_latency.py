from itertools import chain, repeat

import numpy as np
import pytest

from pipeline.measuring.latency import WINDOW, measure_latency, warm_up
from pipeline.measuring.repetition import Repetition


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


def measured(machine, durations, *, rounds=3, samples=20, seconds=1e9, reference=0.02):
    return measure_latency(
        machine.call("a", durations),
        machine.call("b", repeat(reference)),
        batch_size=4,
        warmup_seconds=0.001,
        repetition=Repetition(
            samples=samples, rounds=rounds, tolerance=0.05, seconds=seconds, fewest=10
        ),
        now=machine.time,
    )


def test_the_reference_is_called_in_turn(machine):
    found = measured(machine, repeat(0.01), samples=3)
    assert machine.calls == ["b", "a"] + ["a", "b"] * 3
    assert (found.median_ms, found.reference_ms) == (pytest.approx(10.0), pytest.approx(20.0))


def test_steady_calls_take_one_round(machine):
    found = measured(machine, repeat(0.01))
    assert found.median_ms == pytest.approx(10.0)
    assert found.ratio == pytest.approx(0.5)
    assert found.images_per_second == pytest.approx(400.0)
    assert not found.noisy
    assert machine.calls.count("a") == 1 + 20


def test_noisy_calls_are_taken_again_and_all_count(machine):
    noisy = [0.01, 0.03] * 10
    found = measured(machine, chain([0.01], noisy, repeat(0.01)))
    assert not found.noisy
    assert found.samples == 2 * 20
    assert found.p90_ms == pytest.approx(30.0)


def test_what_stays_noisy_is_flagged(machine):
    found = measured(machine, chain([0.01], [0.01, 0.03] * 30))
    assert found.noisy
    assert found.samples == 3 * 20


def test_slow_calls_are_timed_for_their_time_only(machine):
    found = measured(machine, repeat(0.18), samples=100, seconds=4.9)
    assert found.samples == 25


def test_a_few_calls_are_timed_however_slow_they_are(machine):
    assert measured(machine, repeat(60.0), samples=100, seconds=1.0).samples == 10


def test_the_interval_of_the_whole_protocol_holds_the_truth_about_as_often_as_it_says(machine):
    generator = np.random.default_rng(11)
    held = again = 0
    for _ in range(200):
        # A long right tail; the median is 10 ms.
        seconds = 0.01 * np.exp(generator.normal(0.0, 0.15, size=1000))
        found = measured(machine, seconds, samples=40)
        held += found.low_ms <= 10.0 <= found.high_ms
        again += found.samples > 40
    assert 0.92 <= held / 200 <= 0.98
    assert again > 100
