from collections import Counter

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import macs, parameters
from pipeline.core.proposal import Proposal
from pipeline.search.playback import parameters_of
from pipeline.search.space import SearchSpace
from pipeline.search.startup import startup_proposals

IMAGE = (28, 28, 1)


def start(*overrides, known=()):
    """Return a sweep's configuration, its space, and what its search starts with."""
    words = ("data=digits", "objective=macs", "sweep_name=test", *overrides)
    config = compose(CommandLine(command="sweep", overrides=words))
    space = SearchSpace(config.space, IMAGE, 10)
    return config, space, startup_proposals(config, space, known)


def work(proposals):
    return [macs(proposal.architecture, IMAGE, 10) for proposal in proposals]


def test_the_cheapest_network_of_the_space_is_the_first_and_the_others_follow_by_cost():
    config, space, found = start()
    assert found[0].architecture == space.cheapest("macs")
    assert found[0].recipe == config.training.recipe
    assert work(found) == sorted(work(found))
    assert len({proposal.architecture for proposal in found}) > 5


def test_every_depth_has_its_share():
    for seed in range(5):
        _, space, found = start(f"search.seed={seed}")
        counts = Counter(proposal.architecture.depth for proposal in found)
        assert counts == dict.fromkeys(space.depths, 2)


def test_every_one_of_them_is_of_the_space_for_the_sampler_to_learn_from():
    _, space, found = start("space=wide", "space/augmentation=all", "space/epochs=doubling")
    assert all(parameters_of(space, proposal) for proposal in found[1:])


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), 8),  # ten, the references among them
        (("search.startup_trials=4",), 2),
        (("search.trials=5",), 8),  # the budget may be raised
        (("search.trials=2",), 8),
        (("search.startup_trials=1",), 0),
        (("search=random",), 0),
        (("architecture=16k3-d32",), 0),
    ],
)
def test_how_many_there_are(overrides, expected):
    assert len(start(*overrides)[2]) == expected


@pytest.mark.parametrize("trials", [2, 3, 5, 9])
def test_a_small_budget_sees_the_whole_range_and_a_larger_one_goes_on_with_the_rest(trials):
    _, space, found = start(f"search.trials={trials}")
    within, behind = work(found[: trials - 2]), work(found[trials - 2 :])
    assert set(found) == set(start()[2])
    assert within == sorted(within) and behind == sorted(behind)
    if within:
        assert found[0].architecture == space.cheapest("macs")
    if trials == 5:  # not the three cheapest
        assert within[-1] > behind[0]


def test_what_the_sweep_begins_with_anyway_counts_and_is_not_repeated():
    found = start()[2]
    known = (found[0], found[3])
    rest = start(known=known)[2]
    assert len(rest) == len(found) - 2
    assert not set(known) & set(rest)


def test_a_reference_is_not_trained_a_second_time():
    dense = ("space.depth.choices=[0]", "space.dense_units.choices=[128]", "space/dropout=none")
    config, space, found = start(*dense)
    reference = Proposal(architecture=REFERENCES["dnn"], recipe=config.training.recipe)
    assert space.cheapest("macs") == reference.architecture
    assert reference not in found


def test_other_seeds_start_with_other_networks_and_the_same_seed_with_the_same():
    one, again, other = (start(f"search.seed={seed}")[2] for seed in (1, 1, 2))
    assert one == again
    assert one[0] == other[0]
    assert one[1:] != other[1:]


def test_networks_above_a_limit_are_not_begun_with():
    limits = ("objective.limits.parameters=30000", "objective.limits.macs=2000000")
    _, _, found = start(*limits)
    assert len(found) == 8
    for proposal in found:
        assert parameters(proposal.architecture, IMAGE, 10) <= 30_000
    assert max(work(found)) <= 2_000_000


def test_a_space_with_few_networks_is_begun_with_once_each():
    few = (
        "space.depth.choices=[1]", "space.filters.choices=[8,16]", "space/kernel_size=three",
        "space.dense_units.choices=[32]", "space/dropout=none", "space/learning_rate=fixed",
        "space/padding=valid", "space/normalisation=none", "space/batch_size=fixed",
    )  # fmt: skip
    found = start(*few)[2]
    assert [item.architecture for item in found] == [
        Architecture.parse("8k3-d32"),
        Architecture.parse("16k3-d32"),
    ]


def test_the_cheapest_by_parameters_where_these_are_the_cost():
    _, space, found = start("objective=size")
    assert space.cheapest("parameters") == found[0].architecture


def test_a_long_start_is_drawn_once_each_in_no_time():
    _, _, found = start("search.startup_trials=1500", "search.trials=3000")
    assert len(found) == len(set(found)) == 1498
    with pytest.raises(ConfigurationError, match=r"^search\.startup_trials: .* equal to 10000"):
        start("search.startup_trials=100000")
