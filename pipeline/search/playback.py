"""Where a given network lies in a space: what Optuna would have had to choose to draw it."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.core.proposal import Proposal, dimensions_of
from pipeline.search.space import Name, Number, SearchSpace


def parameters_of(space: SearchSpace, proposal: Proposal) -> dict[str, Any] | None:
    """Return the parameters, under Optuna's names, with which ``space`` draws a proposal.

    Returns
    -------
    dict
        None where the space has no such network or no such recipe.
    """
    player = _Player(wanted=dimensions_of(proposal.architecture, proposal.recipe))
    try:
        architecture, recipe = space.draw(player)
    except _Outside:
        return None
    drawn = Proposal(architecture=architecture, recipe=recipe)
    return player.parameters if drawn == proposal else None


class _Outside(Exception):
    """A dimension of the space does not have the value."""


@dataclass
class _Player:
    """Chooses what is wanted and keeps the parameters that this amounts to."""

    wanted: dict[str, Any]
    parameters: dict[str, Any] = field(default_factory=dict)

    def integer(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        value: int = self._value(name)
        self._keep(name, value, low <= value <= high and (value - low) % step == 0)
        return value

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        value: float = self._value(name)
        self._keep(name, value, low <= value <= high)
        return value

    def named(self, name: str, choices: tuple[Name, ...]) -> Name:
        value: Name = self._value(name)
        self._keep(name, value, value in choices)
        return value

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

    def _keep(self, name: str, value: Any, has_it: bool) -> None:
        if not has_it:
            raise _Outside
        self.parameters[name] = value
