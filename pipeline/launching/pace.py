"""The pace of each device, and the one of each sweep; see ``core.pace``.

A device's is kept under ``mlruns/`` for longer than a sweep, so that the costs of sweeps of
different nights can be compared. A sweep has that of the device that measured first, in its own
folder: wherever it goes on, and whoever joins it, its seconds stay the same ones.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.config import Config
from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError
from pipeline.core.pace import TIMED_WARM, Pace, measured_pace
from pipeline.measuring.automatic import automatic, settled_training
from pipeline.measuring.backends import backend_part
from pipeline.reporting.files import write_atomically
from pipeline.reporting.progress import read_trainings

PACE_NAME = "pace.json"


class _KeptPace(ABC):
    """A pace in a file, read again only for what is not known yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, float] | None = None

    def known_or(self, measured: Pace) -> Pace:
        """Return the pace that is known; what nobody has measured before is kept from now on.

        Raises
        ------
        StorageError
            A file cannot be read or written.
        """
        if self._known is None or not measured.keys() <= self._known.keys():
            self._known = self._settle(measured)
        return self._known

    @abstractmethod
    def _settle(self, measured: Pace) -> dict[str, float]:
        """Return what the file says, with what it has not known before."""


class DevicePace(_KeptPace):
    """The pace of this device under the settings of a sweep.

    Parameters
    ----------
    folder
        The ``mlruns`` folder.
    circumstances
        All that the reference's time hangs on, by name.
    """

    def __init__(self, folder: Path, circumstances: Mapping[str, object]) -> None:
        super().__init__(folder / PACE_NAME)
        self._key = _key(circumstances)
        self._key_of_cold_steps = _key(
            {name: value for name, value in circumstances.items() if name not in TIMED_WARM}
        )

    @classmethod
    def of(
        cls, config: Config, description: DataDescription, device: Mapping[str, str], threads: int
    ) -> "DevicePace":
        """Return the pace of ``device`` for the networks of a sweep."""
        training = settled_training(config.training, automatic(config))
        # Memory differs by what the system keeps for itself, and no time hangs on it.
        named = {name: device[name] for name in ("device", "name", "cores") if name in device}
        circumstances = {
            **named,
            "threads": threads,
            "image_shape": list(description.image_shape),
            "classes": len(description.classes),
            "recipe": asdict(training.recipe),
            "precision": training.precision,
            "deterministic": training.deterministic,
            "jit_compile": training.jit_compile,
            "steps_per_execution": training.steps_per_execution,
            **TIMED_WARM,
            **backend_part(),
        }
        # A call has no more steps than an epoch: its share in a step is larger in a short one.
        recipe, most = training.recipe, training.steps_per_execution
        steps = math.ceil(description.train / recipe.batch_size)
        assert most != "auto"
        if steps < most:
            circumstances["steps_per_call"] = steps
        if training.averaging != "none":  # takes its time in each step
            circumstances["averaging"] = "ema"  # whichever it is, and for how long
        return cls(config.mlruns, circumstances)

    def _settle(self, measured: Pace) -> dict[str, float]:
        if not measured:
            return {}
        with _locked(self._path):
            paces = _read(self._path)
            before = paces.get(self._key_of_cold_steps, {}).get("ms", {})
            latencies = {name: ms for name, ms in before.items() if name.startswith("latency")}
            entry = paces.setdefault(
                self._key, {"since": datetime.now(UTC).isoformat("T", "seconds"), "ms": latencies}
            )
            known: dict[str, float] = entry["ms"]
            if not measured.keys() <= known.keys():
                entry["ms"] = known = {**measured, **known}
                write_atomically(self._path, json.dumps(paces, indent=1) + "\n")
            return known


class SweepPace(_KeptPace):
    """The one pace at which the costs of a sweep are told, whatever device it trains on.

    Parameters
    ----------
    sweep_dir
        The sweep's folder.
    device
        The pace of this process' device: the sweep's in what it has not measured before.
    """

    def __init__(self, sweep_dir: Path, device: DevicePace) -> None:
        super().__init__(sweep_dir / PACE_NAME)
        self._sweep_dir = sweep_dir
        self._device = device

    def known(self) -> Pace:
        """Return the pace as far as it is known.

        Raises
        ------
        StorageError
            The file cannot be read or written.
        """
        return self.known_or({})

    def _settle(self, measured: Pace) -> dict[str, float]:
        with _locked(self._path):
            before: dict[str, float] = _read(self._path)
            known = before or _told(self._sweep_dir)
            new = {name: value for name, value in measured.items() if name not in known}
            if new:
                of_device = self._device.known_or(new)
                known = {**known, **{name: of_device[name] for name in new}}
            if known != before:
                write_atomically(self._path, json.dumps(known, indent=1) + "\n")
            return known


def _told(sweep_dir: Path) -> dict[str, float]:
    """Return the pace at which a sweep from before it kept one has told its first costs."""
    found: dict[str, float] = {}
    for record in sorted(read_trainings(sweep_dir), key=lambda record: record.started or math.inf):
        values = record.measurements | record.costs
        told = dict(record.measurements)
        for name in record.measurements:
            timed = name.removesuffix("_reference_ms")
            ratio, median = values.get(f"{timed}_ratio"), values.get(f"{timed}_ms")
            if timed != name and ratio and median:
                told[name] = median / ratio
        found = measured_pace(told) | found
    return found


def _key(circumstances: Mapping[str, object]) -> str:
    return json.dumps(dict(circumstances), sort_keys=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others from a file."""
    try:
        with FileLock(path.with_suffix(".lock")):
            yield
    except OSError as error:
        raise StorageError(f"cannot keep {path}: {error.strerror or error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        paces = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        paces = None
    if not isinstance(paces, dict):
        raise StorageError(f"{path} is damaged; remove it, and times are told at a new pace")
    return paces
