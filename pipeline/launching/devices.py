"""Which device a worker trains on, and what its locks are called."""

from collections.abc import Sequence

from pipeline.measuring.machine import Gpu, Machine, this_machine


def lock_name(machine: Machine | None = None) -> str:
    """Return a name for the device, the same in every process of this host that uses it.

    That is the first GPU that is visible here, by its identifier: numbers are those of what
    each process may see. Without a GPU it is the processor.
    """
    machine = machine or this_machine()
    return machine.gpus[0].uuid if machine.gpus else "cpu"


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
