import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.trial import Recipe, peak_rate
from pipeline.training.schedule import WARM_UP, TrainingSchedule


def recipe(batch_size, optimizer="adam"):
    return Recipe(
        batch_size=batch_size, optimizer=optimizer, learning_rate=0.004, schedule="one_cycle"
    )


def rates(shape, total_steps, peak=1.0):
    schedule = TrainingSchedule(shape, peak, total_steps)
    return np.broadcast_to(np.asarray(schedule(np.arange(total_steps))), total_steps)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_the_recipes_rate_is_the_peak_at_batch_128(optimizer):
    assert peak_rate(recipe(128, optimizer)) == 0.004


def test_the_peak_grows_with_the_square_root_of_the_batch_and_linearly_for_sgd():
    assert peak_rate(recipe(512)) == pytest.approx(0.008)
    assert peak_rate(recipe(32, "rmsprop")) == pytest.approx(0.002)
    assert peak_rate(recipe(512, "sgd")) == pytest.approx(0.016)


def test_constant_is_constant():
    np.testing.assert_allclose(rates("constant", 9, peak=0.5), 0.5)


def test_one_cycle_climbs_and_falls_in_straight_lines():
    found = rates("one_cycle", 100)
    assert int(found.argmax()) in (14, 15)
    np.testing.assert_allclose(np.diff(found[:14]), 1 / 15, rtol=1e-4)
    np.testing.assert_allclose(np.diff(found[16:]), -1 / 85, rtol=1e-3)


def test_cosine_falls_as_half_a_cosine():
    found = rates("cosine", 1000)
    middle = 0.5 * (1 + math.cos(math.pi * (0.5005 - 0.05) / 0.95))
    assert found[500] == pytest.approx(middle, rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["one_cycle", "cosine"]), st.integers(1, 60), st.floats(1e-5, 1.0))
def test_a_schedule_climbs_once_falls_once_and_is_never_0(shape, total_steps, peak):
    found = rates(shape, total_steps, peak)
    top = int(found.argmax())
    assert np.all(np.diff(found[: top + 1]) >= 0) and np.all(np.diff(found[top:]) <= 0)
    assert np.all(found > 0) and found[top] <= peak * 1.000001
    assert abs(top - WARM_UP[shape] * total_steps) <= 1


def test_training_ends_at_almost_0():
    for shape in ("one_cycle", "cosine"):
        assert rates(shape, 400)[-1] < 0.01


def test_beyond_the_end_the_rate_stays():
    schedule = TrainingSchedule("one_cycle", 1.0, 50)
    assert float(schedule(49)) == float(schedule(50)) == float(schedule(500))


def test_a_schedule_can_be_rebuilt_from_its_configuration():
    schedule = TrainingSchedule("cosine", 0.3, 50)
    again = TrainingSchedule.from_config(schedule.get_config())
    assert float(again(20)) == float(schedule(20))
