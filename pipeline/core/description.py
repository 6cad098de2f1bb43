"""A data set in plain values: what the rest of the project knows of it without its images."""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.core.journey import ImageShape


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """A data set in plain values.

    Parameters
    ----------
    name
        The source: ``fashion_mnist``, ``folder``, …
    fingerprint
        64 hexadecimal digits; see ``pipeline.data.dataset.fingerprint``.
    train, validation, test
        Images in each split.
    image_shape
        (height, width, channels).
    classes
        The name of each label, from 0 on.
    """

    name: str
    fingerprint: str
    train: int
    validation: int
    test: int
    image_shape: ImageShape
    classes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; ``from_json`` of them gives an equal description."""
        return asdict(self) | {"image_shape": list(self.image_shape), "classes": list(self.classes)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DataDescription":
        """Rebuild a description from ``to_json``."""
        height, width, channels = values["image_shape"]
        return cls(
            **values
            | {"image_shape": (height, width, channels), "classes": tuple(values["classes"])}
        )
