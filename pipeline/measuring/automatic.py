"""What ``auto`` stands for on this machine: measured once, or else what such hardware is known for.

``mlruns/calibration.json`` holds what was measured, by machine: a folder that several machines
share has an answer for each. The answer stays until the hardware or Keras' backend changes,
because the precision belongs to a sweep's identity.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from pipeline.config import Config, TrainingConfig
from pipeline.core.errors import StorageError
from pipeline.data.durable import replace_durably
from pipeline.measuring.backends import backend_name, backend_version, compiles_with_xla_alone
from pipeline.measuring.machine import (
    Machine,
    Precision,
    default_threads,
    default_workers,
    describe_device,
    resolve_precision,
    this_machine,
    workers_held,
)

#: Training steps in a call of the compiled function, where nothing was measured.
STEPS_PER_EXECUTION = 20
CALIBRATION_NAME = "calibration.json"
#: Of the images that a machine is calibrated with.
CALIBRATION_SHAPE, CALIBRATION_CLASSES = (28, 28, 1), 10
_VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Automatic:
    """An answer for every setting that may be ``auto``.

    Parameters
    ----------
    precision
        A Keras dtype policy.
    jit_compile
        Compile with XLA.
    steps_per_execution
        Training steps in a call.
    workers
        Processes that train side by side on this machine.
    threads
        Compute threads of each.
    """

    precision: Precision
    jit_compile: bool
    steps_per_execution: int
    workers: int
    threads: int

    def sentence(self) -> str:
        """Return it in a line for people, without a full stop."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return (
            f"auto is {self.precision}, XLA {'on' if self.jit_compile else 'off'}, "
            f"{self.steps_per_execution} steps a call, {workers} with {threads} each"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One way to train that was measured; images a second of all workers together."""

    network: str
    precision: Precision
    jit_compile: bool
    steps_per_execution: int
    workers: int
    threads: int
    images_per_second: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """What was measured on a machine, and what follows from it.

    Parameters
    ----------
    measured_on
        The device and the versions, by name.
    date
        The day, ISO 8601.
    seconds
        How long the measuring took.
    """

    answer: Automatic
    measured_on: Mapping[str, str]
    date: str
    seconds: float
    tried: tuple[Tried, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; ``from_json`` of them gives an equal calibration."""
        return asdict(self) | {"measured_on": dict(self.measured_on)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Calibration":
        """Rebuild a calibration from ``to_json``."""
        return cls(
            answer=Automatic(**values["answer"]),
            measured_on=values["measured_on"],
            date=values["date"],
            seconds=values["seconds"],
            tried=tuple(Tried(**tried) for tried in values["tried"]),
        )

    def sentence(self) -> str:
        """Return what ``auto`` stands for, in one line for people."""
        return (
            f"{self.answer.sentence()} (measured on {self.date} in {self.seconds:.0f} s on "
            f"{self.measured_on['name']})"
        )


def machine_key(machine: Machine | None = None) -> str:
    """Return what a calibration is valid for: the hardware that counts, and the backend."""
    machine = machine or this_machine()
    parts = [machine.cpu, f"{machine.cores} cores", *(gpu.name for gpu in machine.gpus)]
    return ", ".join((*parts, f"{backend_name()} {backend_version()}"))


def by_rule(machine: Machine | None = None) -> Automatic:
    """Return what such hardware is known for."""
    machine = machine or this_machine()
    return Automatic(
        precision=resolve_precision("auto", machine),
        # XLA pays on a GPU and costs on a CPU; JAX has nothing else.
        jit_compile=bool(machine.gpus) or compiles_with_xla_alone(),
        steps_per_execution=STEPS_PER_EXECUTION,
        workers=default_workers(machine),
        threads=default_threads(machine),
    )


def automatic(config: Config) -> Automatic:
    """Return what ``auto`` stands for here: as measured, else by rule.

    There may be less memory than when the machine was calibrated: on a processor, never more
    workers than it holds.
    """
    known = read_calibration(config.mlruns) if config.calibrate else None
    if known is None:
        return by_rule()
    machine = this_machine()
    if machine.gpus or machine.memory_bytes is None:
        return known.answer
    most = workers_held(machine.memory_bytes)
    if known.answer.workers <= most:
        return known.answer
    return replace(
        known.answer, workers=most, threads=max(known.answer.threads, machine.cores // most)
    )


def settled_training(training: TrainingConfig, auto: Automatic) -> TrainingConfig:
    """Return the settings of training without any ``auto``."""
    jit_compile, steps = training.jit_compile, training.steps_per_execution
    if training.deterministic:
        # TensorFlow's XLA does not repeat its numbers, JAX has been told to; and how a mean is
        # summed up must not depend on how fast the machine was.
        compiled = compiles_with_xla_alone()
        auto = replace(auto, jit_compile=compiled, steps_per_execution=STEPS_PER_EXECUTION)
    if jit_compile == "auto":
        jit_compile = "on" if auto.jit_compile else "off"
    return training.model_copy(
        update={
            "precision": auto.precision if training.precision == "auto" else training.precision,
            "jit_compile": jit_compile,
            "steps_per_execution": auto.steps_per_execution if steps == "auto" else steps,
        }
    )


def read_calibration(mlruns: Path, machine: Machine | None = None) -> Calibration | None:
    """Return what was measured on this machine, or None.

    Raises
    ------
    StorageError
        The file is there but cannot be read.
    """
    values = _read(mlruns / CALIBRATION_NAME).get(machine_key(machine))
    try:
        return None if values is None else Calibration.from_json(values)
    except (KeyError, TypeError) as error:
        raise _damaged(mlruns / CALIBRATION_NAME, error) from error


def keep_calibration(
    mlruns: Path, calibration: Calibration, machine: Machine | None = None
) -> None:
    """Write down what was measured on this machine, beside what is known of others.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    path = mlruns / CALIBRATION_NAME
    try:
        mlruns.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            machines = _read(path) | {machine_key(machine): calibration.to_json()}
            text = json.dumps({"schema_version": _VERSION, "machines": machines}, indent=1)
            fresh = path.with_suffix(".new")
            fresh.write_text(text + "\n")
            replace_durably(fresh, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}") from error


def device_name(machine: Machine | None = None) -> dict[str, str]:
    """Return what a calibration was measured on; what changes from day to day is left out."""
    described = describe_device(machine)
    return {name: value for name, value in described.items() if name != "memory_mib"} | {
        backend_name(): backend_version()
    }


def best(rates: Mapping[T, float], known: T, margin: float) -> T:
    """Return the fastest choice, or the ``known`` one if nothing beats it by ``margin``.

    Parameters
    ----------
    rates
        Images a second by choice.
    known
        What is taken without good reason for another; one of the choices.
    margin
        A share: measured rates differ by a few percent from one time to the next, and the
        answer should not.
    """
    fastest = max(rates, key=lambda choice: rates[choice])
    own = rates.get(known, -math.inf)
    return fastest if rates[fastest] > (1.0 + margin) * own else known


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
        machines: dict[str, Any] = {**values["machines"]}
        version = values["schema_version"]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if version != _VERSION:
        raise StorageError(
            f"{path} has schema_version {version}, but this version of sweetspot reads "
            f"{_VERSION}; remove it to have it measured again"
        )
    return machines


def _damaged(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be read: {error}; remove it to have it measured again")
