"""Recorded learning curves: what each network of a space reached after every epoch.

One line of JSON a network, behind a first line that says how they were trained; a recording
that was cut off goes on behind its last whole line.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """How one network learned.

    Parameters
    ----------
    reference
        ``dnn`` or ``cnn``, else None.
    precision
        The Keras dtype policy it was trained with.
    costs
        What the network costs, by cost name.
    val_accuracy, val_loss
        Of the validation images after each epoch.
    """

    architecture: Architecture
    recipe: Recipe
    reference: str | None
    precision: str
    costs: Mapping[str, float]
    val_accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, the architecture as its notation."""
        return asdict(self) | {
            "architecture": self.architecture.notation,
            "recipe": asdict(self.recipe),
            "costs": dict(self.costs),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Curve":
        """Rebuild a curve from ``to_json``."""
        return cls(
            architecture=Architecture.parse(values["architecture"]),
            recipe=Recipe(**values["recipe"]),
            reference=values["reference"],
            precision=values["precision"],
            costs=values["costs"],
            val_accuracy=tuple(values["val_accuracy"]),
            val_loss=tuple(values["val_loss"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Curves of one data set, all of the same length.

    Parameters
    ----------
    origin
        What all of them have in common: the data and its split, the epochs, and what the
        references were trained by.
    """

    origin: Mapping[str, Any]
    curves: tuple[Curve, ...]

    @property
    def epochs(self) -> int:
        """The epochs of every curve."""
        return int(self.origin["epochs"])


def read_recording(path: Path) -> Recording:
    """Return what is recorded; a last line that was cut off is left out."""
    lines = path.read_text().split("\n")[:-1]
    origin = json.loads(lines[0])
    return Recording(
        origin=origin, curves=tuple(Curve.from_json(json.loads(line)) for line in lines[1:])
    )


def start_recording(path: Path, origin: Mapping[str, Any]) -> Recording:
    """Begin a recording, or return what there is of one to go on with.

    Raises
    ------
    ValueError
        The file holds curves that were recorded otherwise.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(origin)) + "\n")
        return Recording(origin=origin, curves=())
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rfind(b"\n") + 1])
    found = read_recording(path)
    differing = sorted(key for key in origin if found.origin.get(key) != origin[key])
    if differing:
        raise ValueError(f"{path} was recorded with another {', '.join(differing)}")
    return found


def add_curve(path: Path, curve: Curve) -> None:
    """Write a network's curve behind those that are there."""
    with path.open("a") as file:
        file.write(json.dumps(curve.to_json()) + "\n")
