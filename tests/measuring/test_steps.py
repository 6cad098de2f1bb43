import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measuring.steps import EXECUTION_SECONDS, measure_step


class Device:
    """Takes the same time for every call and for every step."""

    def __init__(self, call, step):
        self.now = 0.0
        self.call = call
        self.step = step
        self.executed = []

    def execute(self, steps):
        self.executed.append(steps)
        self.now += self.call + steps * self.step


def measured(device, most_steps=20):
    return measure_step(device.execute, executions=5, most_steps=most_steps, now=lambda: device.now)


@given(st.floats(1e-4, 1e-2), st.floats(1e-5, 2.0), st.integers(1, 50))
def test_the_step_has_its_share_of_the_call(call, step, most_steps):
    found = measured(Device(call, step), most_steps)
    assert found.step_seconds == pytest.approx(step + call / most_steps, rel=1e-6)
    assert found.call_seconds == pytest.approx(call, rel=1e-6)


def test_a_slow_step_is_executed_alone():
    device = Device(0.001, 0.5)
    assert measured(device).steps == 1
    assert device.executed[-5:] == [1] * 5


def test_quick_steps_are_executed_together_until_the_clock_does_not_matter():
    found = measured(Device(0.001, EXECUTION_SECONDS / 8 - 1e-6))
    assert found.steps == 9


def test_never_more_steps_than_in_training():
    assert measured(Device(0.0001, 1e-5), most_steps=7).steps == 7
