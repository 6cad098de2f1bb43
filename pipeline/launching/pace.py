"""The pace of each device, kept once for all sweeps under ``mlruns/``; see ``core.pace``.

Kept for longer than a sweep, so that the costs of sweeps of different nights can be compared.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.core.pace import Pace
from pipeline.data.dataset import DataDescription
from pipeline.measuring.automatic import automatic, settled_training
from pipeline.measuring.backends import backend_part
from pipeline.reporting.files import write_atomically

PACE_NAME = "pace.json"


class DevicePace:
    """The pace of this device under the settings of a sweep.

    Parameters
    ----------
    folder
        The ``mlruns`` folder.
    circumstances
        All that the reference's time hangs on, by name.
    """

    def __init__(self, folder: Path, circumstances: Mapping[str, object]) -> None:
        self._path = folder / PACE_NAME
        self._key = json.dumps(dict(circumstances), sort_keys=True)
        self._known: dict[str, float] | None = None

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
            **backend_part(),
        }
        # A call has no more steps than an epoch: its share in a step is larger in a short one.
        recipe, most = training.recipe, training.steps_per_execution
        steps = math.ceil(description.train / recipe.batch_size)
        assert most != "auto"
        if steps < most:
            circumstances["steps_per_call"] = steps
        if training.averaging != "none":  # takes its time in each step
            circumstances["averaging"] = training.averaging
        return cls(config.mlruns, circumstances)

    def known(self) -> Pace:
        """Return the pace as far as it is known.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        entry = self._read().get(self._key)
        return {} if entry is None else entry["ms"]

    def known_or(self, measured: Pace) -> Pace:
        """Return the pace that is known; what nobody has measured before is kept from now on.

        Raises
        ------
        StorageError
            The file cannot be read or written.
        """
        if self._known is None or not measured.keys() <= self._known.keys():
            self._known = self._settle(measured)
        return self._known

    def _settle(self, measured: Pace) -> dict[str, float]:
        if not measured:
            return {}
        try:
            with FileLock(self._path.with_suffix(".lock")):
                paces = self._read()
                entry = paces.setdefault(
                    self._key, {"since": datetime.now(UTC).isoformat("T", "seconds"), "ms": {}}
                )
                known: dict[str, float] = entry["ms"]
                if not measured.keys() <= known.keys():
                    entry["ms"] = known = {**measured, **known}
                    write_atomically(self._path, json.dumps(paces, indent=1) + "\n")
                return known
        except OSError as error:
            raise StorageError(f"cannot keep {self._path}: {error.strerror or error}") from error

    def _read(self) -> dict[str, Any]:
        try:
            paces = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            paces = None
        if not isinstance(paces, dict):
            raise StorageError(
                f"{self._path} is damaged; remove it, and times are told at a new pace"
            )
        return paces
