from dataclasses import replace

from pipeline.launching.devices import lock_name
from pipeline.measuring.machine import Gpu, this_machine


def gpu(uuid):
    return Gpu(name="A100", uuid=uuid, memory_mib=40_000, capability=(8, 0))


def test_each_gpu_has_locks_of_its_own_and_the_processor_too():
    machine = replace(this_machine(), gpus=())
    names = {lock_name(replace(machine, gpus=(gpu(uuid),))) for uuid in ("GPU-1", "GPU-2")}
    assert names == {"GPU-1", "GPU-2"}
    assert lock_name(machine) == "cpu"
    assert lock_name() == lock_name()
