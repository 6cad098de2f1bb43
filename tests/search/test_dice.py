import pytest

from pipeline.core.journey import shape_journey
from pipeline.search.dice import Dice


def test_a_seed_draws_the_same_network_of_the_space_again(space):
    drawn = [space.draw(Dice(seed)) for seed in range(20)]
    assert drawn == [space.draw(Dice(seed)) for seed in range(20)]
    assert len(set(drawn)) > 15
    for architecture, _ in drawn:
        shape_journey(architecture, space.image_shape, space.classes)


@pytest.mark.parametrize("log", [False, True])
def test_draws_stay_within_their_bounds(log):
    dice = Dice(0)
    assert {dice.integer("units", 1, 3, log=log) for _ in range(100)} == {1, 2, 3}
    assert all(0.001 <= dice.real("rate", 0.001, 0.01, log=log) <= 0.01 for _ in range(100))
