import numpy as np
import pytest

from pipeline.training.augmentation import DRAWS, augmented, draws, parts_of

HEIGHT, WIDTH = 14, 28


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(1, 256, (40, HEIGHT, WIDTH, 2), dtype=np.uint8)


def by_hand(image, drawn):
    """Do to one image what was drawn for it, pixel by pixel."""
    down, right, flip, row, column = drawn
    source = image[:, ::-1] if flip else image
    found = np.zeros_like(image)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if 0 <= y - down < HEIGHT and 0 <= x - right < WIDTH:
                found[y, x] = source[y - down, x - right]
            if -2 <= y - row < 2 and -3 <= x - column < 4:
                found[y, x] = 0
    return found


@pytest.mark.parametrize("augmentation", ["none", "shift", "flip", "cutout", "shift_flip_cutout"])
def test_each_image_is_as_it_was_drawn(images, augmentation):
    drawn = draws(augmentation, len(images), (HEIGHT, WIDTH), seed=3, epoch=1)
    found = np.asarray(augmented(images, drawn))
    assert found.dtype == np.uint8
    expected = np.stack([by_hand(*pair) for pair in zip(images, drawn, strict=True)])
    np.testing.assert_array_equal(found, expected)
    assert (augmentation == "none") == bool((found == images).all())


def test_a_cutout_is_a_quarter_of_the_side():
    images = np.ones((1, HEIGHT, WIDTH, 1), dtype=np.uint8)
    drawn = np.array([[0, 0, 0, 7, 14]], dtype=np.int32)
    found = np.asarray(augmented(images, drawn))
    assert int((found == 0).sum()) == 4 * 7  # 14 / 4 and 28 / 4


def test_draws_stay_within_their_bounds_and_reach_them():
    drawn = draws("shift_flip_cutout", 2000, (HEIGHT, WIDTH), seed=0, epoch=1)
    assert drawn.shape == (2000, DRAWS)
    bounds = [(-1, 1), (-2, 2), (0, 1), (0, HEIGHT - 1), (0, WIDTH - 1)]
    assert [(low, high) for low, high in zip(drawn.min(0), drawn.max(0), strict=True)] == bounds


def test_a_shift_is_the_same_with_and_without_the_rest():
    alone = draws("shift", 50, (HEIGHT, WIDTH), seed=5, epoch=2)
    with_all = draws("shift_flip_cutout", 50, (HEIGHT, WIDTH), seed=5, epoch=2)
    np.testing.assert_array_equal(alone[:, :2], with_all[:, :2])
    other = draws("shift", 50, (HEIGHT, WIDTH), seed=5, epoch=3)
    assert not np.array_equal(alone, other)


def test_parts_are_named():
    assert parts_of("none") == frozenset()
    assert parts_of("shift_cutout") == {"shift", "cutout"}
