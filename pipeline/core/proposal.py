"""A network that a sweep begins with, before its sampler proposes any."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe, TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """An architecture and how to train it."""

    architecture: Architecture
    recipe: Recipe

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, the architecture as its notation."""
        return {"architecture": self.architecture.notation, "recipe": asdict(self.recipe)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Proposal":
        """Rebuild a proposal from ``to_json``."""
        return cls(
            architecture=Architecture.parse(values["architecture"]),
            recipe=Recipe(**values["recipe"]),
        )


def dimensions_of(architecture: Architecture, recipe: Recipe) -> dict[str, Any]:
    """Return the values of a network and its recipe by the names of a space's dimensions.

    Blocks count from 1: ``filters_1``, ``kernel_size_1``, … What a recipe leaves to the sweep has
    no value.
    """
    layers = {
        f"{name}_{layer}": value
        for layer, block in enumerate(architecture.blocks, start=1)
        for name, value in asdict(block).items()
    }
    return {
        "depth": architecture.depth,
        **layers,
        "dense_units": architecture.dense_units,
        "dropout": architecture.dropout,
        **{name: value for name, value in asdict(recipe).items() if value is not None},
    }


def front_proposals(
    records: Sequence[TrialRecord], front: Sequence[int], known: Sequence[Proposal] = ()
) -> list[Proposal]:
    """Return what the front of an earlier sweep proposes to another one, in the front's order.

    Its references are left out, every sweep has them, and so is what is in ``known``.

    Parameters
    ----------
    records
        Of the earlier sweep.
    front
        Numbers of its front's members.
    """
    by_number = {record.number: record.specification for record in records}
    found: list[Proposal] = []
    for number in front:
        specification = by_number.get(number)
        if specification is None or specification.reference is not None:
            continue
        proposal = Proposal(architecture=specification.architecture, recipe=specification.recipe)
        if proposal not in (*known, *found):
            found.append(proposal)
    return found
