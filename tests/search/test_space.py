import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.config import SpaceConfig
from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import macs, parameters, shape_journey
from pipeline.search.space import SearchSpace

UNUSED = {"choices": None, "low": None, "high": None, "log": None, "step": None}


def listed(*choices):
    return UNUSED | {"choices": list(choices)}


def ranged(low, high, **more):
    return UNUSED | {"low": low, "high": high, **more}


def space_config(**dimensions):
    values = {
        "name": "test",
        "depth": ranged(0, 2),
        "filters": listed(4, 8),
        "kernel_size": listed(3, 5),
        "padding": listed("valid"),
        "pooling": listed("max"),
        "normalisation": listed("none"),
        "dense_units": listed(16),
        "dropout": listed(0.0),
        "batch_size": listed(128),
        "optimizer": listed("adam"),
        "learning_rate": listed(0.006),
        "schedule": listed("one_cycle"),
    }
    return SpaceConfig.model_validate(values | dimensions)


class Dice:
    """Chooses at random, and remembers what it was asked."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.asked = {}

    def integer(self, name, low, high, *, step=1, log=False):
        self.asked[name] = (low, high)
        return self.random.randrange(low, high + 1, step)

    def real(self, name, low, high, *, log=False):
        self.asked[name] = (low, high)
        return self.random.uniform(low, high)

    def named(self, name, choices):
        self.asked[name] = choices
        return self.random.choice(choices)

    def listed(self, name, values):
        return values[self.integer(f"{name}.index", 0, len(values) - 1)]


def subsets(*values):
    return st.lists(st.sampled_from(values), min_size=1, unique=True).map(lambda v: listed(*v))


spaces = st.fixed_dictionaries(
    {
        "depth": st.tuples(st.integers(0, 4), st.integers(0, 4)).map(
            lambda ends: ranged(min(ends), max(ends))
        ),
        "filters": st.one_of(subsets(1, 3, 16), st.just(ranged(2, 9, log=True))),
        "kernel_size": subsets(1, 3, 5, 7, 9),
        "padding": subsets("valid", "same"),
        "pooling": subsets("max", "average", "none"),
        "normalisation": subsets("none", "batch"),
        "dropout": st.sampled_from([listed(0.0), ranged(0.0, 0.5, step=0.1), ranged(0.1, 0.4)]),
    }
)
images = st.tuples(st.integers(8, 40), st.integers(8, 40), st.sampled_from([1, 3]))


def fits_nothing(dimensions, image):
    """Whether not even the least blocks with the least kernel leave a pixel, unpooled."""
    least, kernel = dimensions["depth"]["low"], min(dimensions["kernel_size"]["choices"])
    side, same = min(image[:2]), "same" in dimensions["padding"]["choices"]
    pooled = "none" not in dimensions["pooling"]["choices"]
    for _ in range(least):
        if side < kernel:
            return True
        side -= 0 if same else kernel - 1
        side //= 2 if pooled else 1
    return side < 1


@given(dimensions=spaces, image=images, seed=st.integers(0, 2**32))
def test_no_draw_fails_by_shape_and_the_notation_survives(dimensions, image, seed):
    try:
        space = SearchSpace(space_config(**dimensions), image, 10)
    except ConfigurationError as error:
        assert "nothing in space test fits" in str(error)
        assert fits_nothing(dimensions, image)
        assume(False)
    architecture, recipe = space.draw(Dice(seed))
    shape_journey(architecture, image, 10)
    assert Architecture.parse(architecture.notation) == architecture
    assert architecture.depth in space.depths
    assert recipe.batch_size == 128


@given(dimensions=spaces, image=images, seed=st.integers(0, 2**32))
def test_every_draw_lies_between_the_extremes(dimensions, image, seed):
    try:
        space = SearchSpace(space_config(**dimensions), image, 10)
    except ConfigurationError:
        assert fits_nothing(dimensions, image)
        assume(False)
    cheapest, dearest = space.extremes()
    drawn = macs(space.draw(Dice(seed))[0], image, 10)
    assert macs(cheapest, image, 10) <= drawn <= macs(dearest, image, 10)


def test_a_layers_parameters_exist_only_if_the_layer_does():
    space = SearchSpace(space_config(depth=listed(0)), (28, 28, 1), 10)
    dice = Dice(0)
    space.draw(dice)
    assert not any(name.endswith("_1") or "_1." in name for name in dice.asked)
    space = SearchSpace(space_config(depth=listed(1)), (28, 28, 1), 10)
    space.draw(dice)
    assert set(dice.asked) == {"filters_1.index", "kernel_size_1.index"}


def test_kernels_are_those_that_leave_room_for_the_layers_behind():
    # 8 pixels, two blocks without padding: a 7x7 kernel first would leave 2 pixels, not enough
    # for a second kernel of 3.
    config = space_config(depth=listed(2), kernel_size=listed(3, 5, 7))
    dice = Dice(0)
    first = [
        SearchSpace(config, (8, 8, 1), 10).draw(dice)[0].blocks[0].kernel_size for _ in range(300)
    ]
    assert set(first) == {3, 5}
    assert first.count(3) == pytest.approx(150, abs=30)  # as often as if nothing else were there


def test_a_name_has_the_same_range_on_every_map():
    config = space_config(
        depth=listed(2), kernel_size=listed(3, 5, 7, 9), pooling=listed("max", "none")
    )
    ranges: dict[str, set[tuple[int, int]]] = {}
    for seed in range(300):
        dice = Dice(seed)
        SearchSpace(config, (14, 14, 1), 10).draw(dice)
        for name in dice.asked:
            ranges.setdefault(name, set()).add(dice.asked[name])
    assert ranges["kernel_size_2.index"] == {(0, 3)}
    assert ranges["kernel_size_2_of_2.index"] == {(0, 1)}
    assert all(len(found) == 1 for found in ranges.values())


def test_of_two_kernels_nothing_is_asked_twice():
    """Neither standard nor small spaces draw anything else than they always did."""
    for seed in range(100):
        dice = Dice(seed)
        SearchSpace(space_config(), (9, 9, 1), 10).draw(dice)
        assert not any("_of_" in name for name in dice.asked)


def test_pooling_is_left_out_where_the_map_is_too_small():
    config = space_config(depth=listed(3), kernel_size=listed(3))
    architecture, _ = SearchSpace(config, (8, 8, 1), 10).draw(Dice(0))
    assert architecture.notation.count("k3n") >= 2


def test_a_space_in_which_nothing_fits_is_refused():
    config = space_config(depth=listed(4), kernel_size=listed(5, 7))
    with pytest.raises(ConfigurationError, match="nothing in space test fits 8×8 images: 4 blocks"):
        SearchSpace(config, (8, 8, 1), 10)


def test_depths_that_do_not_fit_are_left_out():
    config = space_config(depth=ranged(0, 4), kernel_size=listed(5))
    assert SearchSpace(config, (8, 8, 1), 10).depths == (0, 1)


def enumerate_networks(space):
    """Count the networks of a space by drawing every one, an independent way to its size."""
    found = set()

    class Odometer:
        def __init__(self, digits):
            self.digits, self.place, self.sizes = digits, 0, []

        def pick(self, options):
            digit = self.digits[self.place] if self.place < len(self.digits) else 0
            self.sizes.append(len(options))
            self.place += 1
            return options[digit]

        def integer(self, name, low, high, *, step=1, log=False):
            return self.pick(range(low, high + 1, step))

        def real(self, name, low, high, *, log=False):
            return low

        def named(self, name, choices):
            return self.pick(choices)

        def listed(self, name, values):
            return self.pick(values)

    digits: list[int] | None = []
    while digits is not None:
        odometer = Odometer(digits)
        found.add(space.draw(odometer))
        digits = (digits + [0] * len(odometer.sizes))[: len(odometer.sizes)]
        while digits and digits[-1] == odometer.sizes[len(digits) - 1] - 1:
            digits.pop()
        digits = [*digits[:-1], digits[-1] + 1] if digits else None
    return found


@pytest.mark.parametrize(
    ("dimensions", "side"),
    [
        ({}, 28),
        ({"pooling": listed("max", "average", "none"), "padding": listed("valid", "same")}, 9),
        ({"depth": ranged(0, 3), "normalisation": listed("none", "batch")}, 12),
        ({"depth": ranged(1, 2), "filters": ranged(2, 4, log=True),
          "dropout": ranged(0.0, 0.4, step=0.2)}, 8),
    ],
)  # fmt: skip
def test_size_and_extremes_agree_with_counting_every_network(dimensions, side):
    space = SearchSpace(space_config(**dimensions), (side, side, 1), 10)
    networks = enumerate_networks(space)
    assert space.size() == (len(networks), ())
    work = [macs(architecture, (side, side, 1), 10) for architecture, _ in networks]
    cheapest, dearest = space.extremes()
    assert macs(cheapest, (side, side, 1), 10) == min(work)
    assert macs(dearest, (side, side, 1), 10) == max(work)
    assert macs(space.cheapest("macs"), (side, side, 1), 10) == min(work)
    weights = [parameters(architecture, (side, side, 1), 10) for architecture, _ in networks]
    assert parameters(space.cheapest("parameters"), (side, side, 1), 10) == min(weights)


def test_continuous_dimensions_are_named_not_counted():
    config = space_config(depth=listed(0), learning_rate=ranged(0.001, 0.01, log=True))
    assert SearchSpace(config, (28, 28, 1), 10).size() == (1, ("learning_rate",))
