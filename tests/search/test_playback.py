import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.architecture import Architecture
from pipeline.core.proposal import Proposal
from pipeline.core.trial import Recipe
from pipeline.search.playback import parameters_of
from pipeline.search.space import SearchSpace

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")


class Remembering:
    """Chooses at random and keeps what Optuna would keep."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.parameters = {}

    def integer(self, name, low, high, *, step=1, log=False):
        return self.parameters.setdefault(name, self.random.randrange(low, high + 1, step))

    def real(self, name, low, high, *, log=False):
        return self.parameters.setdefault(name, self.random.uniform(low, high))

    def named(self, name, choices):
        return self.parameters.setdefault(name, self.random.choice(choices))

    def listed(self, name, values):
        return values[self.integer(f"{name}.index", 0, len(values) - 1)]


@given(st.integers(0, 10**6))
def test_what_a_space_draws_is_found_in_it_again(base_config, seed):
    space = SearchSpace(base_config.space, (28, 28, 1), 10)
    chooser = Remembering(seed)
    architecture, recipe = space.draw(chooser)
    proposal = Proposal(architecture=architecture, recipe=recipe)
    assert parameters_of(space, proposal) == chooser.parameters


@pytest.mark.parametrize(
    ("architecture", "recipe"),
    [
        ("100k3-d128", {}),  # filters between two choices
        ("64k3-d100", {}),
        ("64k9-d128", {}),
        ("16k3s-16k3s-16k3s-16k3s-d128", {}),  # more layers than the space has
        ("64k3a-d128", {}),  # a pooling that is fixed otherwise
        ("64k3-d128", {"optimizer": "sgd"}),
        ("64k3-d128", {"learning_rate": 0.5}),
        ("64k3-d128", {"batch_size": 100}),
    ],
)
def test_what_a_space_lacks_has_no_parameters(space, architecture, recipe):
    values = {"batch_size": 128, "optimizer": "adam", "learning_rate": 0.004}
    proposal = Proposal(
        architecture=Architecture.parse(architecture),
        recipe=Recipe(**values | {"schedule": "one_cycle"} | recipe),
    )
    assert parameters_of(space, proposal) is None


def test_the_lessons_network_lies_in_the_standard_space(space):
    proposal = Proposal(architecture=Architecture.parse("64k3-64k3-d128"), recipe=RECIPE)
    found = parameters_of(space, proposal)
    assert found is not None
    assert found["learning_rate"] == 0.004
    assert {"depth.index", "filters_1.index", "kernel_size_2.index"} <= set(found)
