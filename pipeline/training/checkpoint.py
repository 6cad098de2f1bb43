"""A trial on disk after each epoch: one archive, replaced by rename, without pickled objects."""

import json
import os
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import StorageError
from pipeline.core.trial import EpochResult

_VERSION = 1
#: What checkpoints from before 25 November 2026 do not name: their trials were trained so.
_UNNAMED = {"augmentation": "none", "averaging": "none"}


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptWeights:
    """The weights that a trial would end with now.

    Parameters
    ----------
    weights
        The model's weights; None where they are those in the network, or where training goes on
        whatever they are.
    labels
        Predicted labels of the validation images, int64 ``(n,)``.
    """

    epoch: int
    val_loss: float
    val_accuracy: float
    labels: NDArray[np.int64]
    weights: list[NDArray[Any]] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A trial after its last complete epoch.

    Parameters
    ----------
    trial
        What must be the same for the trial to go on: architecture, recipe, seed, precision, …
    costs, measurements, step_seconds
        What was measured before the first epoch.
    memory_mib
        The device's peak so far; None on a device that does not count it.
    state
        Weights, optimiser variables and seeds.
    """

    trial: dict[str, Any]
    costs: dict[str, float]
    measurements: dict[str, float]
    step_seconds: float
    history: tuple[EpochResult, ...]
    kept: KeptWeights
    memory_mib: float | None = None
    state: list[NDArray[Any]] = field(default_factory=list)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint at ``path``; whoever reads sees the old one or the new one.

    Raises
    ------
    StorageError
        The file cannot be written; the old one is untouched.
    """
    kept = checkpoint.kept
    about = {
        "version": _VERSION,
        "trial": checkpoint.trial,
        "costs": checkpoint.costs,
        "measurements": checkpoint.measurements,
        "step_seconds": checkpoint.step_seconds,
        "memory_mib": checkpoint.memory_mib,
        "history": [asdict(result) for result in checkpoint.history],
        "kept": {
            "epoch": kept.epoch,
            "val_loss": kept.val_loss,
            "val_accuracy": kept.val_accuracy,
            "apart": kept.weights is not None,
        },
    }
    arrays = {
        "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        "labels": kept.labels,
        **{f"state_{index}": value for index, value in enumerate(checkpoint.state)},
        **{f"kept_{index}": value for index, value in enumerate(kept.weights or ())},
    }
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.stem}-", suffix=".npz", delete=False
        ) as file:
            temporary = Path(file.name)
            np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"the checkpoint {path} cannot be written: {error.strerror or error}"
        ) from error


def read_checkpoint(path: Path, trial: dict[str, Any]) -> Checkpoint | None:
    """Return the checkpoint at ``path``; None where there is none that is of use.

    One that is damaged, another version's or another trial's would be so for whoever comes next,
    too. It is set aside, with a sentence on standard error, and the trial starts again.

    Parameters
    ----------
    trial
        What the checkpoint's ``trial`` must be.

    Raises
    ------
    StorageError
        The disk does not give the file, or does not let it be set aside.
    """
    try:
        with path.open("rb") as file:
            return _parse(file, trial)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"the checkpoint {path} cannot be read: {error}") from error
    except (ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        leave_aside(path, str(error))
        return None


def leave_aside(path: Path, why: str) -> None:
    """Keep a checkpoint that is of no use under another name, and say so on standard error.

    Raises
    ------
    StorageError
        The disk does not let it be renamed.
    """
    aside = set_aside(path)
    try:
        path.replace(aside)
    except OSError as error:
        raise StorageError(f"{path} cannot become {aside}: {error}") from error
    print(
        f"sweetspot: the checkpoint {path} is of no use, {why}; the trial starts again, and the "
        f"file is kept as {aside.name}",
        file=sys.stderr,
    )


def set_aside(path: Path) -> Path:
    """Return where a checkpoint that is of no use is kept, as long as its trial is trained."""
    return path.with_suffix(".unusable")


def _parse(file: BinaryIO, trial: dict[str, Any]) -> Checkpoint:
    """Return what the file holds; what it raises besides ``OSError`` says that it is of no use."""
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    about = json.loads(arrays["about"].tobytes())
    if about["version"] != _VERSION:
        raise ValueError("it is another version's")
    if _named(about["trial"]) != _named(trial):
        raise ValueError("it belongs to another trial")
    kept = about["kept"]
    return Checkpoint(
        trial=about["trial"],
        costs=about["costs"],
        measurements=about["measurements"],
        step_seconds=about["step_seconds"],
        memory_mib=about.get("memory_mib"),  # not there in an older version's
        history=tuple(EpochResult.from_json(result) for result in about["history"]),
        kept=KeptWeights(
            epoch=kept["epoch"],
            val_loss=kept["val_loss"],
            val_accuracy=kept["val_accuracy"],
            labels=arrays["labels"],
            weights=_numbered(arrays, "kept_") if kept["apart"] else None,
        ),
        state=_numbered(arrays, "state_"),
    )


def _named(trial: dict[str, Any]) -> dict[str, Any]:
    """Return what tells trials apart, as JSON has it."""
    values: dict[str, Any] = json.loads(json.dumps(trial))
    return {n: value for n, value in values.items() if n not in _UNNAMED or value != _UNNAMED[n]}


def _numbered(arrays: dict[str, NDArray[Any]], prefix: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(prefix) for name in arrays)
    return [arrays[f"{prefix}{index}"] for index in range(count)]
