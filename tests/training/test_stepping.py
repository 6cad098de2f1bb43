import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.stepping import epoch_order, steps_per_epoch


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 9), st.integers(1, 9))
def test_every_image_comes_once_and_the_last_batch_is_filled_from_the_start(
    images, batch_size, seed, epoch
):
    order = epoch_order(images, batch_size, seed, epoch)
    assert order.dtype == np.int32
    assert order.shape == (steps_per_epoch(images, batch_size), batch_size)
    row = order.ravel()
    assert sorted(row[:images]) == list(range(images))
    np.testing.assert_array_equal(row[images:], np.resize(row[:images], len(row) - images))


def test_the_order_is_decided_by_seed_and_epoch():
    np.testing.assert_array_equal(epoch_order(90, 16, 1, 2), epoch_order(90, 16, 1, 2))
    assert not np.array_equal(epoch_order(90, 16, 1, 2), epoch_order(90, 16, 1, 3))
    assert not np.array_equal(epoch_order(90, 16, 1, 2), epoch_order(90, 16, 2, 2))


def test_steps_are_rounded_up():
    assert [steps_per_epoch(images, 10) for images in (1, 10, 11)] == [1, 1, 2]
