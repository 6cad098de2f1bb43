"""A bundle: a sweep in one archive, and how it is known that nothing in it was changed.

The archive is a ZIP file with a folder ``sweep/`` (the sweep's own, without locks, logs and
checkpoints), ``study.journal`` (its Optuna studies, as a journal), ``requirements.txt`` (the lock
file of the project that made it) and ``manifest.json``, which says of each of the others its size
and SHA-256. The fingerprint is that of the list of these.

A bundle may come from anybody. So its members are exactly those of the manifest, with names that
cannot lead out of the folder they are unpacked to.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import StorageError

MANIFEST_NAME = "manifest.json"
STUDY_NAME = "study.journal"
LOCK_FILE_NAME = "requirements.txt"
SWEEP_PREFIX = "sweep/"
BUNDLE_SCHEMA_VERSION = 1
#: What every sweep has; a bundle without one of these is no sweep.
_NEEDED = (
    STUDY_NAME, LOCK_FILE_NAME,
    *(f"{SWEEP_PREFIX}{name}" for name in ("config.yaml", "description.json", "identity.json",
      "summary.json", "events/sweep.jsonl")),
)  # fmt: skip
# No segment begins with a dot, so that none is '.', '..' or hidden; no colon, no backslash.
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,5}}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_member_name(name: str) -> bool:
    """Whether a file of a bundle, its manifest aside, may have this name in the archive."""
    known = name in (STUDY_NAME, LOCK_FILE_NAME) or name.startswith(SWEEP_PREFIX)
    return known and _NAME.fullmatch(name) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of a bundle: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a bundle holds.

    Parameters
    ----------
    sweep
        The sweep's name.
    made
        When, where and with which versions, for people.
    members
        By name, the manifest itself left out.

    Raises
    ------
    StorageError
        A name could lead elsewhere, or a file that every sweep has is missing.
    """

    sweep: str
    made: Mapping[str, str]
    members: Mapping[str, Member]

    def __post_init__(self) -> None:
        for name, member in self.members.items():
            if not (is_member_name(name) and _DIGEST.fullmatch(member.digest)):
                raise StorageError(f"{name[:200]!r} is no name for a file of a bundle")
        missing = [name for name in _NEEDED if name not in self.members]
        if missing:
            raise StorageError(f"{missing[0]} is missing, which every sweep has")

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that stand for every file with its name."""
        lines = [f"{member.digest}  {name}\n" for name, member in sorted(self.members.items())]
        return hashlib.sha256("".join([f"{self.sweep}\n", *lines]).encode()).hexdigest()

    def to_text(self) -> str:
        """Return the content of ``manifest.json``."""
        values = {
            "schema_version": BUNDLE_SCHEMA_VERSION,
            "sweep": self.sweep,
            "fingerprint": self.fingerprint,
            "made": dict(self.made),
            "members": {
                name: {"size": member.size, "digest": member.digest}
                for name, member in sorted(self.members.items())
            },
        }
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str | bytes) -> "Manifest":
        """Read ``manifest.json``.

        Raises
        ------
        StorageError
            It is damaged, of another version, or does not have its own fingerprint.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values["schema_version"]
            if version != BUNDLE_SCHEMA_VERSION:
                raise StorageError(f"it is of version {version!r}, not {BUNDLE_SCHEMA_VERSION}")
            found = cls(
                sweep=str(values["sweep"]),
                made={str(name): str(value) for name, value in values["made"].items()},
                members={
                    str(name): Member(size=int(member["size"]), digest=str(member["digest"]))
                    for name, member in values["members"].items()
                },
            )
            is_unchanged = found.fingerprint == values["fingerprint"]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise StorageError(f"its {MANIFEST_NAME} is damaged ({error!r})") from error
        if not is_unchanged:
            raise StorageError(f"its {MANIFEST_NAME} was changed: it has another fingerprint")
        return found
