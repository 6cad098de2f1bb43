"""The trained networks that a sweep keeps: those of its front, and its references."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import StorageError, one_of
from pipeline.core.summary import why_no_sweet_spot
from pipeline.launching.results import model_path
from pipeline.measuring.machine import default_threads
from pipeline.reporting.files import read_summary


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepNetwork:
    """A trained network of a sweep, on the disk."""

    sweep: str
    trial: int
    architecture: str
    path: Path

    @property
    def title(self) -> str:
        """What it is called in a sentence: ``trial 4 of lesson (16k5b-d64)``."""
        return f"trial {self.trial} of {self.sweep} ({self.architecture})"


def kept_network(sweep_dir: Path, trial: int | None) -> SweepNetwork:
    """Return a network of a sweep.

    Parameters
    ----------
    trial
        Its number; None for the sweet spot.

    Raises
    ------
    StorageError
        There is no such sweep, no sweet spot yet, or no model of this trial: only those of the
        front and of the references are kept.
    """
    summary = read_summary(sweep_dir)
    spot = summary["sweet_spot"]
    if trial is None and spot is None:
        raise StorageError(f"{sweep_dir.name} has no sweet spot yet: {why_no_sweet_spot(summary)}")
    number = spot["trial"] if trial is None else trial
    networks = [*summary["front"], *summary["references"].values()]
    known = {n["trial"]: n["architecture"] for n in networks if n["val_accuracy"] is not None}
    path = model_path(sweep_dir, number)
    if number not in known or not path.is_file():
        kept = sorted(n for n in known if model_path(sweep_dir, n).is_file())
        raise StorageError(
            f"{sweep_dir.name} keeps no model of trial {number}, only those of its front and its "
            f"references: {one_of(kept)}"
        )
    return SweepNetwork(sweep=sweep_dir.name, trial=number, architecture=known[number], path=path)


def model_digest(network: SweepNetwork) -> str:
    """Return the SHA-256 of a network's file.

    Raises
    ------
    StorageError
        It cannot be read: a sweep that goes on removes the networks that leave its front.
    """
    try:
        return hashlib.sha256(network.path.read_bytes()).hexdigest()
    except OSError as error:
        raise StorageError(f"the model of {network.title} cannot be read: {error}") from error


def set_up_backend() -> None:
    """Set Keras up as a worker does; imports it, which takes ten seconds."""
    from pipeline.training.backend import set_up

    set_up(threads=default_threads(), deterministic=False)
