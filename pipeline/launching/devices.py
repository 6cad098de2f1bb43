"""What the locks of the device that this process trains on are called."""

from pipeline.measuring.machine import Machine, this_machine


def lock_name(machine: Machine | None = None) -> str:
    """Return a name for the device, the same in every process of this host that uses it.

    That is the first GPU that is visible here, by its identifier: numbers are those of what
    each process may see. Without a GPU it is the processor.
    """
    machine = machine or this_machine()
    return machine.gpus[0].uuid if machine.gpus else "cpu"
