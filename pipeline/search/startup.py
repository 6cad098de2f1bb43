"""How a search starts: random networks for the sampler to learn from, the cheapest first.

Their order is free, and cheap ones first has two advantages: the cheap end of the front is there
within seconds; and the dear networks, which take most of the time, meet rungs that already have
peers to compare them with.

The whole start is settled when a sweep is planned, whatever its budget: one that is continued
with a larger budget goes on with the rest of it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import counted_costs, macs
from pipeline.core.proposal import Proposal
from pipeline.core.trial import derived_seed
from pipeline.search.dice import Dice
from pipeline.search.space import AnalyticCost, SearchSpace

#: Draws for each network that is wanted and each depth, before a depth counts as exhausted.
_DRAWS = 100


def startup_proposals(
    config: Config, space: SearchSpace, known: Sequence[Proposal]
) -> tuple[Proposal, ...]:
    """Return the networks of a search's start, in the order in which they are to be trained.

    The cheapest one of the space, with the references' recipe, then random ones by increasing
    multiply-accumulates, of every depth as many as of any other; those above a limit on
    parameters or multiply-accumulates are left out. Where ``search.trials`` has no room for all
    of them, what it has room for are those drawn first, not the cheapest ones: a short search,
    too, is to see the whole range.

    Parameters
    ----------
    known
        What the sweep begins with anyway; it counts among ``search.startup_trials``, as the
        references do.

    Returns
    -------
    tuple
        Nothing where nothing is searched, or by the sampler ``random``, which learns nothing.
    """
    search, recipe = config.search, config.training.recipe
    if search.sampler == "random" or config.architecture is not None or not config.references:
        return ()
    taken = [Proposal(architecture=network, recipe=recipe) for network in REFERENCES.values()]
    taken += known
    seen = set(taken)
    count = search.startup_trials - len(taken)
    cost: AnalyticCost = "parameters" if "parameters" in config.objective.costs else "macs"
    cheapest = Proposal(architecture=space.cheapest(cost), recipe=recipe)
    found: list[Proposal] = []

    def is_wanted(drawn: Proposal) -> bool:
        return drawn not in seen and _keeps_limits(drawn.architecture, config, space)

    def take(drawn: Proposal) -> None:
        found.append(drawn)
        seen.add(drawn)

    depths = deque(space.depths)
    if count > 0 and is_wanted(cheapest):
        take(cheapest)
        depths.rotate(-1)
    draws = _draws(space, Dice(derived_seed("startup", search.seed)))
    while depths and len(found) < count:
        depth = depths.popleft()
        some = islice(draws, _DRAWS * len(space.depths))
        drawn = next((p for p in some if p.architecture.depth == depth and is_wanted(p)), None)
        if drawn is not None:
            take(drawn)
            depths.append(depth)
    room = search.trials - len(taken)

    def place(item: Proposal) -> tuple[bool, int]:
        return item != cheapest, _work(item.architecture, space)

    return (*sorted(found[:room], key=place), *sorted(found[room:], key=place))


def _draws(space: SearchSpace, dice: Dice) -> Iterator[Proposal]:
    while True:
        architecture, recipe = space.draw(dice)
        yield Proposal(architecture=architecture, recipe=recipe)


def _keeps_limits(network: Architecture, config: Config, space: SearchSpace) -> bool:
    costs = counted_costs(network, space.image_shape, space.classes)
    return not config.objective.limits.broken(costs)


def _work(network: Architecture, space: SearchSpace) -> int:
    return macs(network, space.image_shape, space.classes)
