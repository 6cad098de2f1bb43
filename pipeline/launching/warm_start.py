"""What a sweep begins with: networks that were named, then the front of an earlier sweep.

Settled once, when the sweep is planned, and kept in its folder: the earlier sweep may be
continued, renamed or removed afterwards.
"""

import json
from collections.abc import Callable
from pathlib import Path

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.journey import misfit
from pipeline.core.places import looking_at
from pipeline.core.proposal import Proposal, front_proposals
from pipeline.reporting.files import SUMMARY_NAME, read_summary, write_atomically
from pipeline.reporting.progress import read_records

FIRST_NAME = "first.json"


def first_proposals(
    config: Config, description: DataDescription, say: Callable[[str], None]
) -> tuple[Proposal, ...]:
    """Return the networks of ``search.first``, then those of the front of ``warm_start``.

    Parameters
    ----------
    say
        Hears where the front has nothing for this sweep, or networks that do not fit its images.

    Raises
    ------
    ConfigurationError
        A network of ``search.first`` does not fit the images, there is no such earlier sweep,
        or the budget is too small for what this one is to begin with.
    StorageError
        A file of the earlier sweep is damaged.
    """
    named = [
        Proposal(architecture=Architecture.parse(text), recipe=config.training.recipe)
        for text in config.search.first
    ]
    size = (description.image_shape, len(description.classes))
    for proposal in named:
        reason = misfit(proposal.architecture, *size)
        if reason is not None:
            raise ConfigurationError(f"search.first: {proposal.architecture}: {reason}")
    warm = [] if config.warm_start is None else _front(config, config.warm_start, named)
    if config.warm_start is not None and not warm:
        say(f"warm_start={config.warm_start}: its front has nothing new to begin with.")
    fitting = [proposal for proposal in warm if misfit(proposal.architecture, *size) is None]
    if len(fitting) < len(warm):
        say(
            f"warm_start={config.warm_start}: {len(warm) - len(fitting)} of {len(warm)} networks "
            "do not fit these images and are left out."
        )
    first = (*named, *fitting)
    needed = len(first) + (len(REFERENCES) if config.references else 0)
    if first and config.search.trials < needed:
        raise ConfigurationError(
            f"search.trials must be at least {needed}, for what the sweep begins with "
            f"(references: {needed - len(first)}, networks of search.first and warm_start: "
            f"{len(first)}), not {config.search.trials}"
        )
    return first


def _front(config: Config, name: str, named: list[Proposal]) -> list[Proposal]:
    folder = config.mlruns / "sweeps" / name
    with looking_at(folder):
        is_there = (folder / SUMMARY_NAME).exists()
    if not is_there:
        raise ConfigurationError(
            f"warm_start={name}: there is no sweep with results of this name in {folder.parent}"
        )
    front = [member["trial"] for member in read_summary(folder)["front"]]
    return front_proposals(read_records(folder), front, named)


def read_first(sweep_dir: Path) -> tuple[Proposal, ...]:
    """Return what a sweep that is set up began with.

    Raises
    ------
    StorageError
        The file is damaged.
    """
    path = sweep_dir / FIRST_NAME
    try:
        return tuple(Proposal.from_json(item) for item in json.loads(path.read_text()))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, ConfigurationError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error


def write_first(sweep_dir: Path, first: tuple[Proposal, ...]) -> None:
    """Keep what the sweep begins with, where it begins with anything."""
    if first:
        text = json.dumps([proposal.to_json() for proposal in first], indent=1)
        write_atomically(sweep_dir / FIRST_NAME, text + "\n")
