from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measuring.energy import EnergyCounter, EnergyMeter
from pipeline.measuring.steps import EXECUTION_SECONDS, WARM_SECONDS, TimedStep, joules_of_step


class Device:
    """Takes the same time for every call, and the times of ``step`` in turn for every step."""

    def __init__(self, call, step):
        self.now = 0.0
        self.call = call
        self.step = cycle([step] if isinstance(step, float) else step)
        self.executed = []

    def execute(self, steps):
        self.executed.append(steps)
        self.now += self.call + (steps * next(self.step) if steps else 0.0)


def timed(device, most_steps=20, reference=None):
    reference = reference or Device(0.0, 0.1)

    def execute_reference(steps):
        before = reference.now
        reference.execute(steps)
        device.now += reference.now - before

    found = TimedStep(
        device.execute,
        execute_reference,
        most_steps=most_steps,
        reference_most_steps=20,
        now=lambda: device.now,
    )
    for _ in range(5):
        found.take_turn()
    return found


def measured(device, most_steps=20, reference=None):
    return timed(device, most_steps, reference).result(0.05)


@given(st.floats(1e-4, 1e-2), st.floats(1e-5, 2.0), st.integers(1, 50))
def test_the_step_has_its_share_of_the_call(call, step, most_steps):
    found = measured(Device(call, step), most_steps)
    assert found.step_seconds == pytest.approx(step + call / most_steps, rel=1e-6)


def test_a_slow_step_is_executed_alone():
    device = Device(0.001, 0.5)
    measured(device)
    assert device.executed[-5:] == [1] * 5


def test_quick_steps_are_executed_together_until_the_clock_does_not_matter():
    device = Device(0.001, EXECUTION_SECONDS / 8 - 1e-6)
    measured(device)
    assert device.executed[-9::2] == [9] * 5


def test_quick_steps_are_warmed_up_before_each_execution():
    step = WARM_SECONDS / 3.5
    device = Device(0.001, step)
    found = measured(device)
    assert device.executed[-10::2] == [4] * 5
    assert found.step_seconds == pytest.approx(step + 0.001 / 20)


def test_one_step_that_the_system_has_kept_waiting_decides_nothing():
    step = EXECUTION_SECONDS / 8 - 1e-6
    waiting = [10 * EXECUTION_SECONDS, *[step] * 1000]
    device = Device(0.001, waiting)
    measured(device)
    assert device.executed[-9::2] == [9] * 5


class Cold(Device):
    """As after another network: the first step of a call that follows the other's is slower."""

    def __init__(self, step, cold):
        super().__init__(0.0, step)
        self.cold = cold
        self.is_cold = True

    def execute(self, steps):
        self.now += self.cold if steps and self.is_cold else 0.0
        super().execute(steps)
        self.is_cold = not steps and self.is_cold


def test_what_another_network_left_behind_does_not_count():
    device = Cold(0.004, 0.003)

    class Other(Device):
        def execute(self, steps):
            super().execute(steps)
            device.is_cold = True

    assert measured(device, reference=Other(0.0, 0.1)).step_seconds == pytest.approx(0.004)


def test_never_more_steps_than_in_training():
    device = Device(0.0001, 1e-5)
    measured(device, most_steps=7)
    assert device.executed[-10:] == [7] * 10


def test_the_step_has_the_interval_of_its_executions():
    found = measured(Device(0.001, [0.5, 0.49, 0.5, 0.51, 0.5]))
    assert found.low_seconds == pytest.approx(0.49 + 0.001 / 20)
    assert found.step_seconds == pytest.approx(0.5 + 0.001 / 20)
    assert found.high_seconds == pytest.approx(0.51 + 0.001 / 20)
    assert not found.noisy and found.executions == 5


def test_what_slows_both_for_a_while_leaves_the_ratio_alone():
    pace = [1.0, 1.0, 3.0, 2.0, 1.5, 1.0, 4.0]
    # The first two steps of each tell how many make an execution; then they take turns.
    device = Device(0.0, [0.6 * p for p in pace])
    reference = Device(0.0, [0.2 * p for p in pace])
    found = measured(device, reference=reference)
    assert (found.ratio, found.ratio_low, found.ratio_high) == pytest.approx((3.0, 3.0, 3.0))
    assert found.reference_seconds == pytest.approx(0.4)
    assert found.step_seconds == pytest.approx(1.2)
    assert found.high_seconds > 1.2 and not found.noisy


def test_steps_of_uneven_time_are_flagged():
    assert measured(Device(0.001, [0.5, 0.4, 0.6, 0.5, 0.7])).noisy


def test_energy_is_that_of_one_step():
    device = Device(0.001, 0.02)
    counter = EnergyCounter(part="cpu", read=lambda: 50.0 * device.now)

    def joules(meter):
        return joules_of_step(device.execute, meter, most_steps=20, now=lambda: device.now)

    assert joules(EnergyMeter(counters=(counter,))) == {
        "cpu": pytest.approx(50.0 * (0.001 + 2 * 0.02) / 2)
    }
    executed = len(device.executed)
    assert joules(EnergyMeter()) == {}
    assert len(device.executed) == executed
