"""What a version in the model registry says of itself, and all of them as a history.

The tags of a version: ``sweep``, ``trial``, ``architecture``, ``data_fingerprint``,
``val_accuracy``, ``val_accuracy_low``, ``val_accuracy_high`` (95% Wilson interval), the same of
``test_accuracy`` where it was read, ``best_val_accuracy`` (of it and of those that it follows on
the same images), each known cost by its name, ``leading_cost``, ``device``, ``protocol`` (JSON),
``git_commit``, ``model_digest``, ``reason``; ``forced`` where the gate was overruled,
``promoted`` (when), ``replaced`` (the version it took over from) and ``rolled_back`` (when it was
taken back).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.trial import COSTS
from pipeline.core.wording import number
from pipeline.tracking.summary_metrics import escaped

#: What MLflow's tables hold of a description on PostgreSQL and MySQL.
LONGEST_DESCRIPTION = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version of a registered model; ``number`` is what MLflow calls it, such as ``3``."""

    number: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called in a sentence: ``version 3, trial 4 of lesson (16k5b-d64)``."""
        if not {"trial", "sweep", "architecture"} <= self.tags.keys():
            return f"version {self.number}"
        return (
            f"version {self.number}, trial {self.tags['trial']} of {self.tags['sweep']} "
            f"({self.tags['architecture']})"
        )

    @property
    def costs(self) -> dict[str, float]:
        """The costs that it was promoted with, by name."""
        found = {name: self._number(name) for name in COSTS}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def protocol(self) -> dict[str, Any]:
        """The settings that the costs were measured with."""
        try:
            return dict(json.loads(self.tags.get("protocol", "{}")))
        except (ValueError, TypeError):
            return {}

    @property
    def best_accuracy(self) -> float | None:
        """The best validation accuracy of it and those that it follows; None of old versions."""
        return self._number("best_val_accuracy")

    def _number(self, name: str) -> float | None:
        try:
            return float(self.tags[name])
        except (KeyError, ValueError):
            return None


def brought_back(
    versions: Sequence[Version], champion: Version, previous: Version | None
) -> Version | None:
    """Return the version that a rollback brings back; None where there is none.

    It is the ``previous`` one, unless a promotion or a rollback broke off: then what the champion
    has replaced.
    """
    if previous is not None and previous.number == champion.number:
        previous = None
    if previous is not None and "rolled_back" not in champion.tags:
        return previous
    by_number = {version.number: version for version in versions}
    return by_number.get(champion.tags.get("replaced", ""), previous)


def begun_before(
    versions: Sequence[Version], champion: Version | None, tags: Mapping[str, str]
) -> Version | None:
    """Return what a promotion that broke off has made of the same model; None where it has not.

    Parameters
    ----------
    champion
        Which the new version is to replace.
    tags
        Of the new version.
    """
    names = ("model_digest", "replaced")
    return next(
        (
            version
            for version in versions
            if int(version.number) > (0 if champion is None else int(champion.number))
            and "rolled_back" not in version.tags
            and all(version.tags.get(name) == tags.get(name) for name in names)
        ),
        None,
    )


def history(data: str, versions: Sequence[Version], aliases: Mapping[str, str]) -> str:
    """Return the champions of a data set in Markdown, the newest first, as many as fit.

    Parameters
    ----------
    aliases
        Number of the version by alias.
    """
    lines = [
        f"The champions of {escaped(data)}: networks that `sweetspot promote` has put into use. "
        "`sweetspot rollback` brings the previous one back.",
        "",
        "| version | promoted | network | trial | validation | test | cost | now | why |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    newest_first = sorted(versions, key=lambda item: -int(item.number))
    for index, version in enumerate(newest_first):
        tags = version.tags
        leading = tags.get("leading_cost", "")
        cost = f"{leading} {number(version.costs[leading])}" if leading in version.costs else "–"
        cells = (
            version.number,
            tags.get("promoted", "–"),
            tags.get("architecture", "–"),
            f"{tags.get('trial', '–')} of {tags.get('sweep', '–')}",
            _percentage(tags.get("val_accuracy")),
            _percentage(tags.get("test_accuracy")),
            cost,
            _standing(version, aliases),
            ("forced: " if tags.get("forced") else "") + tags.get("reason", "–"),
        )
        row = "| " + " | ".join(escaped(cell) for cell in cells) + " |"
        rest = f"\nEarlier versions, in the list of versions: {len(newest_first) - index}."
        if len("\n".join([*lines, row, rest])) >= LONGEST_DESCRIPTION:
            lines.append(rest)
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def still_served(number: str) -> str:
    """Return what becomes of servers where a version is the champion no more."""
    return f"a `sweetspot serve` that runs goes on with version {number} until it is started again"


def _standing(version: Version, aliases: Mapping[str, str]) -> str:
    named = [alias for alias, number in sorted(aliases.items()) if number == version.number]
    if "rolled_back" in version.tags and "champion" not in named:
        named.append(f"rolled back {version.tags['rolled_back']}")
    return ", ".join(named) or "replaced"


def _percentage(share: str | None) -> str:
    try:
        return f"{100 * float(share or ''):.2f}%"
    except ValueError:
        return "–"
