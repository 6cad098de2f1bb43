"""Where a given network lies in a space: what Optuna would have had to choose to draw it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.core.proposal import Proposal
from pipeline.search.space import Name, Number, SearchSpace


def parameters_of(space: SearchSpace, proposal: Proposal) -> dict[str, Any] | None:
    """Return the parameters, under Optuna's names, with which ``space`` draws a proposal.

    Returns
    -------
    dict
        None where the space has no such network or no such recipe.
    """
    player = _Player(wanted=_by_dimension(proposal))
    try:
        architecture, recipe = space.draw(player)
    except _Outside:
        return None
    drawn = Proposal(architecture=architecture, recipe=recipe)
    return player.parameters if drawn == proposal else None


class _Outside(Exception):
    """A dimension of the space does not have the value."""


def _by_dimension(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal's values under the names by which a space asks for them."""
    network = proposal.architecture
    layers = {
        f"{name}_{layer}": value
        for layer, block in enumerate(network.blocks, start=1)
        for name, value in asdict(block).items()
    }
    head = {
        "depth": network.depth,
        "dense_units": network.dense_units,
        "dropout": network.dropout,
    }
    return head | layers | asdict(proposal.recipe)


@dataclass
class _Player:
    """Chooses what is wanted and keeps the parameters that this amounts to."""

    wanted: dict[str, Any]
    parameters: dict[str, Any] = field(default_factory=dict)

    def integer(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        value: int = self._value(name)
        return self._keep(name, value, low <= value <= high and (value - low) % step == 0)

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        value: float = self._value(name)
        return self._keep(name, value, low <= value <= high)

    def named(self, name: str, choices: tuple[Name, ...]) -> Name:
        value: Name = self._value(name)
        return self._keep(name, value, value in choices)

    def listed(self, name: str, values: tuple[Number, ...]) -> Number:
        value: Number = self._value(name)
        if value not in values:
            raise _Outside
        self.parameters[f"{name}.index"] = values.index(value)
        return value

    def _value(self, name: str) -> Any:
        if name not in self.wanted:  # the space has more layers than the network
            raise _Outside
        return self.wanted[name]

    def _keep(self, name: str, value: Any, has_it: bool) -> Any:
        if not has_it:
            raise _Outside
        self.parameters[name] = value
        return value
