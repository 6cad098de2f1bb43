"""What one MLflow run holds: what it is to hold, and how much of it is there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.tracking.projection import RunView


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    """How far a run is mirrored; kept in a tag of the run itself.

    Parameters
    ----------
    position
        As in ``RunView``.
    files
        Digest by name of the artifacts.
    model
        Digest of the model; None where there is none.
    tags
        Names of the tags.
    complete
        False where artifacts were refused: then ``files`` and ``model`` are what is there.
    """

    position: tuple[int, int] = (0, 0)
    files: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    tags: tuple[str, ...] = ()
    complete: bool = True

    def to_text(self) -> str:
        """Return the text for the tag."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> "Mirrored | None":
        """Read the tag; None where it is missing or not ours, so that all is written again."""
        try:
            values = json.loads(text or "")
            log_end, sweep_end = values["position"]
            return cls(
                position=(int(log_end), int(sweep_end)),
                files={str(name): str(digest) for name, digest in values["files"].items()},
                model=None if values["model"] is None else str(values["model"]),
                tags=tuple(str(name) for name in values["tags"]),
                complete=bool(values.get("complete", True)),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRun:
    """A run that MLflow has; ``mirrored`` is None where nothing is known to be complete.

    ``parent_id`` is that of the sweep's own run, of a trial's.
    """

    run_id: str
    status: str
    artifact_uri: str
    mirrored: Mirrored | None = None
    parent_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunContent:
    """What a run is to hold: its view, artifacts by name, and the model's file."""

    view: RunView
    files: Mapping[str, bytes | Path]
    keras_file: Path | None = None

    @cached_property
    def mirrored(self) -> Mirrored:
        """What is mirrored once all of this is written."""
        return Mirrored(
            position=self.view.position,
            files={name: content_digest(content) for name, content in sorted(self.files.items())},
            model=None if self.keras_file is None else content_digest(self.keras_file),
            tags=tuple(sorted(self.view.tags)),
        )


def content_digest(content: bytes | Path) -> str:
    """Return 16 hexadecimal digits that stand for the bytes, or for those of the file."""
    data = content.read_bytes() if isinstance(content, Path) else content
    return hashlib.sha256(data).hexdigest()[:16]
