"""Which device a worker trains on, and what its locks are called."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Literal

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES
from pipeline.core.description import DataDescription
from pipeline.core.journey import shape_journey, timed_beside
from pipeline.measuring.automatic import automatic
from pipeline.measuring.machine import MEMORY_A_WORKER, Gpu, Machine, this_machine, workers_held
from pipeline.measuring.quiet import QuietLock

#: Of a GPU's memory, what workers that share it may take together.
SHARED = 0.9
#: Of a worker's memory, what Python and Keras' backend take, in bytes.
_BARE_WORKER = 1024**3
_VALUE_BYTES = 4


def lock_name(machine: Machine | None = None) -> str:
    """Return a name for the device, the same in every process of this host that uses it.

    That is the first GPU that is visible here, by its identifier: numbers are those of what
    each process may see. Without a GPU it is the processor.
    """
    machine = machine or this_machine()
    return machine.gpus[0].uuid if machine.gpus else "cpu"


@contextmanager
def shared_device() -> Iterator[None]:
    """Use this process' device together with whoever trains, and not while somebody measures."""
    with closing(QuietLock(lock_name())) as quiet, quiet.training():
        yield


def memory_share(setting: float | Literal["auto"], gpus: int, workers: int) -> float | None:
    """Return the share of a GPU's memory that each of ``workers`` may take, or None for all.

    ``auto`` leaves a worker alone with its GPU all of it, for it takes only what it needs.
    Several share it evenly: else one of them takes what another one needs a little later. What
    CUDA takes for each process comes on top, so a part is left.

    Parameters
    ----------
    gpus, workers
        Of this machine.
    """
    if setting != "auto":
        return setting
    side_by_side = math.ceil(workers / max(1, gpus))
    return None if gpus == 0 or side_by_side == 1 else SHARED / side_by_side


def workers_with(threads: int, known: int, machine: Machine) -> int:
    """Return how many workers of so many threads have a core for each of them.

    Parameters
    ----------
    known
        The most: how many a calibration, with threads of its own, has found to be best.
    """
    return max(1, len(machine.gpus), min(known, machine.cores // threads))


def workers_in_memory(data: DataDescription, batch_size: int, machine: Machine) -> int | None:
    """Return how many workers the memory of this machine holds, at least 1; None if nobody knows.

    Each has the images that it learns from, and once more while they are split; and takes steps of
    the reference, whose largest layer's outputs are there beside their gradient. Where that is
    little, a worker is counted at ``MEMORY_A_WORKER``.

    Parameters
    ----------
    batch_size
        Of the reference's recipe.
    """
    if machine.memory_bytes is None:
        return None
    shape, classes = data.image_shape, len(data.classes)
    images = (data.train + data.validation) * math.prod(shape)
    journey = shape_journey(REFERENCES[timed_beside(shape, classes)], shape, classes)
    values = batch_size * max(math.prod(stage.shape) for stage in journey)
    outputs = 0 if machine.gpus else 2 * _VALUE_BYTES * values  # those are in the GPU's memory
    needed = max(MEMORY_A_WORKER, _BARE_WORKER + 2 * images + outputs)
    return workers_held(machine.memory_bytes, needed)


def shared_out(config: Config, data: DataDescription) -> tuple[int, int]:
    """Return the workers of ``auto`` and their threads, as many as memory holds with the images."""
    auto, machine = automatic(config), this_machine()
    most = workers_in_memory(data, config.training.recipe.batch_size, machine)
    if most is None or auto.workers <= most:
        return auto.workers, auto.threads
    return most, max(1, machine.cores // most)


def next_gpu(gpus: Sequence[Gpu], taken: Sequence[str | None]) -> str | None:
    """Return the identifier of the GPU that the next worker is to see, or None to see all.

    TensorFlow trains on the first one that it sees, so with several each worker sees its own.

    Parameters
    ----------
    taken
        The GPUs of the workers that run; the one with the fewest is next.
    """
    if len(gpus) < 2:
        return None
    return min((gpu.uuid for gpu in gpus), key=taken.count)
