from itertools import chain, repeat

import numpy as np
import pytest

from pipeline.measuring.latency import SINGLE_PAIRS, WINDOW, TimedLatency, warm_up
from pipeline.measuring.turns import Turns, take_turns


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


def measured(machine, durations, *, turns=5, reference=0.005, seconds=0.0, tolerance=0.05):
    timed = TimedLatency(
        machine.call("a", durations),
        machine.call("b", repeat(reference)),
        batch_size=4,
        warmup_seconds=0.0005,
        now=machine.time,
    )
    asked = Turns(fewest=turns, seconds=seconds, tolerance=tolerance)
    take_turns(timed, asked, machine.time)
    return timed.result(tolerance)


def test_the_reference_is_called_in_turn(machine):
    found = measured(machine, repeat(0.5), reference=0.3)
    assert machine.calls == ["b", "a"] + ["a", "b"] * (SINGLE_PAIRS + 5)
    assert (found.median_ms, found.reference_ms) == (pytest.approx(500.0), pytest.approx(300.0))
    assert found.samples == 5


def test_quick_calls_are_timed_several_times_a_turn(machine):
    found = measured(machine, repeat(0.006), reference=0.004)
    assert found.samples == 5 * 3
    assert (found.median_ms, found.p90_ms) == (pytest.approx(6.0), pytest.approx(6.0))
    assert found.ratio == pytest.approx(1.5)
    assert found.images_per_second == pytest.approx(4000.0 / 6.0)
    assert not found.noisy


def test_one_pair_that_the_system_has_kept_waiting_decides_nothing(machine):
    late = chain([0.006, 0.5], repeat(0.006))  # after the warm-up's last call
    assert measured(machine, late, reference=0.0035).samples == 5 * 3


def test_turns_that_differ_are_flagged(machine):
    slow_for_a_while = chain([0.005] * 12, repeat(0.008))
    assert measured(machine, slow_for_a_while).noisy


class MoodyMachine(Machine):
    """A machine whose pace changes now and then, with calls that scatter and are late at times.

    The median of a call is what it is told to be: moods and scatter have the median 1, and few
    calls are late.
    """

    def __init__(self, generator, mood_seconds):
        super().__init__()
        self.generator = generator
        self.mood_seconds = mood_seconds
        self.mood = 1.0

    def scattered(self, name, seconds):
        def run():
            taken = seconds * self.mood * np.exp(self.generator.normal(0.0, 0.03))
            if self.generator.random() < 0.01:
                taken *= 3.0
            self.now += taken
            if self.generator.random() < taken / self.mood_seconds:
                self.mood = np.exp(self.generator.normal(0.0, 0.06))

        return run


def test_the_intervals_of_the_whole_protocol_hold_the_truth_about_as_often_as_they_say():
    # With `measuring=standard`; moods last half a turn on average. Five times two hundred
    # measurements, as the share of two hundred itself varies by four points.
    generator = np.random.default_rng(17)
    held = ratio_held = longer = 0
    for _ in range(1000):
        machine = MoodyMachine(generator, mood_seconds=0.017)
        timed = TimedLatency(
            machine.scattered("a", 0.004),
            machine.scattered("b", 0.006),
            batch_size=1,
            warmup_seconds=2.0,
            now=machine.time,
        )
        take_turns(timed, Turns(fewest=15, seconds=1.5, tolerance=0.05), machine.time)
        found = timed.result(0.05)
        held += found.low_ms <= 4.0 <= found.high_ms
        ratio_held += found.ratio_low <= 4.0 / 6.0 <= found.ratio_high
        longer += found.samples > 15 * 3
    assert 920 <= held <= 980
    assert 920 <= ratio_held <= 980
    assert 0 < longer < 1000
