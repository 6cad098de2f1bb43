"""Energy, where the machine counts it: processor packages (RAPL) and NVIDIA GPUs (NVML).

Both count the whole part, its idle draw and whatever else runs on it included, so energy is
read while the device is quiet, over timed work that lasts a few tenths of a second: RAPL counts
every millisecond, NVML about ten times a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pipeline.measuring.nvml import load_nvml

Part = Literal["cpu", "gpu"]
Reading = tuple[float | None, ...]

POWERCAP = Path("/sys/class/powercap")
MICROJOULES = 1e6
MILLIJOULES = 1e3


@dataclass(frozen=True, kw_only=True)
class EnergyCounter:
    """A counter that only grows, until it starts again.

    Parameters
    ----------
    part
        What it counts.
    read
        Returns joules, or None where the counter cannot be read.
    range_joules
        At this value it starts again from 0; None if it never does.
    """

    part: Part
    read: Callable[[], float | None]
    range_joules: float | None = None

    def between(self, before: float | None, after: float | None) -> float | None:
        """Return the joules between two readings less than a whole range apart."""
        if before is None or after is None:
            return None
        if after >= before:
            return after - before
        return None if self.range_joules is None else after + self.range_joules - before


@dataclass(frozen=True, kw_only=True)
class EnergyMeter:
    """The counters of one machine; none where it reports no energy."""

    counters: tuple[EnergyCounter, ...] = ()

    def read(self) -> Reading:
        """Return the counters' values, for ``joules_since``."""
        return tuple(counter.read() for counter in self.counters)

    def joules_since(self, before: Reading) -> dict[str, float]:
        """Return joules by part; a part with a counter that cannot be read is left out."""
        after = self.read()
        parts: dict[str, float] = {}
        unknown = set()
        for counter, first, last in zip(self.counters, before, after, strict=True):
            joules = counter.between(first, last)
            if joules is None:
                unknown.add(counter.part)
            else:
                parts[counter.part] = parts.get(counter.part, 0.0) + joules
        return {part: joules for part, joules in parts.items() if part not in unknown}


def open_meter(*, gpu_uuid: str | None = None, powercap: Path = POWERCAP) -> EnergyMeter:
    """Return a meter of what this machine reports.

    Parameters
    ----------
    gpu_uuid
        The GPU in use; None without one.
    powercap
        Where the kernel shows its power zones.
    """
    return EnergyMeter(counters=(*_packages(powercap), *_gpu(gpu_uuid)))


def _packages(powercap: Path) -> tuple[EnergyCounter, ...]:
    """Return a counter for each processor package; AMD's go by the same names.

    Zones within a package (cores, memory) are part of it and would be counted twice, as would
    ``psys``, the whole board. Since 2020 only root may read them, unless allowed otherwise.
    """
    counters = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        most = _number(zone / "max_energy_range_uj")
        if not _text(zone / "name").startswith("package") or most is None:
            continue
        energy = zone / "energy_uj"
        if _number(energy) is not None:
            counters.append(
                EnergyCounter(
                    part="cpu", read=partial(_joules, energy), range_joules=most / MICROJOULES
                )
            )
    return tuple(counters)


def _gpu(uuid: str | None) -> tuple[EnergyCounter, ...]:
    nvml = None if uuid is None else load_nvml()
    if nvml is None:
        return ()

    def read() -> float | None:
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / MILLIJOULES
        except nvml.NVMLError:
            return None  # older than Volta, or a part of a GPU

    return () if read() is None else (EnergyCounter(part="gpu", read=read),)


def _joules(path: Path) -> float | None:
    microjoules = _number(path)
    return None if microjoules is None else microjoules / MICROJOULES


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # not there, or not for this user
