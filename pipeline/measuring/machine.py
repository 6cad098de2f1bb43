"""What this machine is, asked without loading TensorFlow: processor, cores, memory, GPUs."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pipeline.core.cgroups import available_memory, own_cgroup, text_of, usable_cores
from pipeline.core.errors import ConfigurationError, one_of

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

#: Processors with one of these multiply bfloat16 matrices faster than float32 ones.
BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
#: The widest vectors of a processor by the Linux name of the feature, the fastest first.
_VECTORS = (
    ("amx_bf16", "AMX"),
    ("avx512_bf16", "AVX-512 with bfloat16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
)
#: NVIDIA compute capability from which on a GPU has bfloat16 (Ampere) and float16 matrix units.
BFLOAT16_CAPABILITY = (8, 0)
FLOAT16_CAPABILITY = (7, 0)

MEMORY_A_WORKER = 2 * 1024**3
#: The part of a worker that may be missing.
_SLACK = 0.25
MOST_WORKERS = 8
_NVIDIA_SECONDS = 20.0
_PART = "MIG-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """An NVIDIA GPU as ``nvidia-smi`` describes it, or a part of one.

    Parameters
    ----------
    uuid
        The GPU's, or as ``CUDA_VISIBLE_DEVICES`` names the part.
    memory_mib
        0 where nobody says, which is so of a part.
    capability
        (0, 0) where nobody says.
    """

    name: str
    uuid: str
    memory_mib: int
    capability: tuple[int, int]

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a GPU (MIG), with memory of its own."""
        return self.uuid.startswith(_PART)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What matters here of a machine.

    Parameters
    ----------
    cpu
        The processor's model name and its widest vectors: rented machines of one name differ.
    flags
        The processor's features by their Linux names.
    cores
        Cores this process may use: affinity and cgroup quota taken into account, at least 1.
    memory_bytes
        Memory that is available within the cgroup's limit; None where the system does not say.
    gpus
        Those that a process started here would see.
    """

    cpu: str
    flags: frozenset[str]
    cores: int
    memory_bytes: int | None
    gpus: tuple[Gpu, ...]


@cache
def this_machine() -> Machine:
    """Look at this machine, once a process."""
    cpu, flags = read_cpu(Path("/proc/cpuinfo"))
    cgroup = own_cgroup()
    return Machine(
        cpu=processor_name(cpu or platform.processor() or platform.machine(), flags),
        flags=flags,
        cores=usable_cores(_affinity(), cgroup),
        memory_bytes=available_memory(cgroup),
        gpus=visible_gpus(_nvidia_smi(), os.environ.get("CUDA_VISIBLE_DEVICES")),
    )


def processor_name(model: str, flags: frozenset[str]) -> str:
    """Return a model name with the widest vectors among ``flags``, which decide the speed."""
    vectors = next((name for flag, name in _VECTORS if flag in flags), None)
    return model if vectors is None else f"{model} ({vectors})"


def resolve_precision(setting: str, machine: Machine | None = None) -> Precision:
    """Return the precision that ``training.precision`` stands for on this machine.

    ``auto`` is a mixed precision only where the hardware is faster with it.

    Raises
    ------
    ConfigurationError
        There is no such setting.
    """
    for precision in PRECISIONS:
        if setting == precision:
            return precision
    if setting != "auto":
        raise ConfigurationError(
            f"training.precision must be {one_of(('auto', *PRECISIONS))}, not {setting!r}"
        )
    machine = machine or this_machine()
    if machine.gpus:
        capability = min(gpu.capability for gpu in machine.gpus)
        if capability >= BFLOAT16_CAPABILITY:
            return "mixed_bfloat16"
        return "mixed_float16" if capability >= FLOAT16_CAPABILITY else "float32"
    return "mixed_bfloat16" if machine.flags & BFLOAT16_FLAGS else "float32"


def default_workers(machine: Machine | None = None) -> int:
    """Return how many workers ``launch.workers=auto`` is.

    One a GPU; without a GPU one a usable core, at most ``MOST_WORKERS`` and as many as have
    2 GiB of memory each.
    """
    machine = machine or this_machine()
    if machine.gpus:
        return len(machine.gpus)
    workers = min(machine.cores, MOST_WORKERS)
    if machine.memory_bytes is not None:
        workers = min(workers, workers_held(machine.memory_bytes))
    return workers


def workers_held(memory_bytes: int, each: int = MEMORY_A_WORKER) -> int:
    """Return how many workers memory holds, at least 1.

    What one needs is an estimate, and of a round number of gigabytes something is taken already.
    """
    return max(1, int(memory_bytes / each + _SLACK))


def default_threads(machine: Machine | None = None) -> int:
    """Return how many compute threads a worker has under ``launch.threads=auto``.

    One on a CPU, where several single-threaded workers do more than one with all threads; the
    worker's share of the cores beside a GPU.
    """
    machine = machine or this_machine()
    return max(1, machine.cores // len(machine.gpus)) if machine.gpus else 1


def describe_device(machine: Machine | None = None) -> dict[str, str]:
    """Return what trials run on, by name, for tracking.

    ``device`` is ``cpu`` or ``gpu``; ``name`` the GPU's or processor's model; ``cores``, and
    ``memory_mib`` where known, which is the GPU's where there is one.
    """
    machine = machine or this_machine()
    if machine.gpus:
        gpu = machine.gpus[0]
        return {
            "device": "gpu",
            "name": gpu.name,
            "count": str(len(machine.gpus)),
            **({"memory_mib": str(gpu.memory_mib)} if gpu.memory_mib else {}),
            "cpu": machine.cpu,
            "cores": str(machine.cores),
        }
    described = {"device": "cpu", "name": machine.cpu, "cores": str(machine.cores)}
    if machine.memory_bytes is not None:
        described["memory_mib"] = str(machine.memory_bytes // 1024**2)
    return described


def read_cpu(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """Return model name and features from ``/proc/cpuinfo``; empty where there is none."""
    name, flags = "", frozenset[str]()
    for line in text_of(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = frozenset(value.split())
        if name and flags:
            break
    return name, flags


def visible_gpus(listing: str, visible_devices: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs that CUDA would show.

    Parameters
    ----------
    listing
        ``nvidia-smi``'s CSV of name, uuid, memory.total and compute_cap without units. A line of
        another form, such as a warning, is left out.
    visible_devices
        ``CUDA_VISIBLE_DEVICES``; None if unset.
    """
    gpus = [gpu for line in listing.splitlines() if (gpu := _gpu(line)) is not None]
    if visible_devices is None:
        return tuple(gpus)
    shown: list[Gpu] = []
    for device in (part.strip() for part in visible_devices.split(",")):
        if gpus and device.startswith(_PART):
            # Listed as its whole.
            shown.append(replace(gpus[0], uuid=device, memory_mib=0))
            continue
        # CUDA stops at the first device that it does not know.
        match = [
            gpu for index, gpu in enumerate(gpus)
            if device == str(index) or (device and gpu.uuid.startswith(device))
        ]  # fmt: skip
        if not match:
            break
        shown.append(match[0])
    return tuple(shown)


def _gpu(line: str) -> Gpu | None:
    """Return the GPU of a line of ``nvidia-smi``; None where it is a warning or the like."""
    parts = [part.strip() for part in line.rsplit(",", 3)]
    if len(parts) < 4:
        return None
    name, uuid, memory, capability = parts
    # What it does not know is [N/A], such as the memory of a GPU that shares the host's.
    size = int(memory) if memory.isdigit() else 0
    major, _, minor = capability.partition(".")
    known = major.isdigit() and minor.isdigit()
    return Gpu(
        name=name,
        uuid=uuid,
        memory_mib=size,
        capability=(int(major), int(minor)) if known else (0, 0),
    )


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _nvidia_smi() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = "--query-gpu=name,uuid,memory.total,compute_cap"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=_NVIDIA_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a driver that does not answer is a machine without a usable GPU
    return done.stdout if done.returncode == 0 else ""
