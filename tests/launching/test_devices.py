import fcntl
from dataclasses import replace

import pytest

from pipeline.core.description import DataDescription
from pipeline.launching import devices
from pipeline.launching.devices import (
    lock_name,
    memory_share,
    next_gpu,
    shared_device,
    workers_in_memory,
)
from pipeline.measuring.machine import Gpu, this_machine, visible_gpus
from pipeline.measuring.quiet import QuietLock


def gpu(uuid):
    return Gpu(name="A100", uuid=uuid, memory_mib=40_000, capability=(8, 0))


def test_each_gpu_has_locks_of_its_own_and_the_processor_too():
    machine = replace(this_machine(), gpus=())
    names = {lock_name(replace(machine, gpus=(gpu(uuid),))) for uuid in ("GPU-1", "GPU-2")}
    assert names == {"GPU-1", "GPU-2"}
    assert lock_name(machine) == "cpu"
    assert lock_name() == lock_name()


@pytest.mark.parametrize(
    ("setting", "gpus", "workers", "expected"),
    [
        ("auto", 0, 4, None),
        ("auto", 1, 1, None),
        ("auto", 4, 4, None),
        ("auto", 1, 2, 0.45),
        ("auto", 2, 8, 0.225),
        ("auto", 2, 3, 0.45),  # the fuller one
        (0.3, 1, 1, 0.3),
        (0.3, 1, 2, 0.3),
    ],
)
def test_workers_on_one_gpu_share_its_memory_evenly(setting, gpus, workers, expected):
    assert memory_share(setting, gpus, workers) == pytest.approx(expected)


def test_each_worker_has_a_part_of_a_gpu_to_itself():
    listing = "A100, GPU-1, 40960, 8.0\n"
    gpus = visible_gpus(listing, "MIG-a,MIG-b")
    assert [next_gpu(gpus, taken) for taken in ([], ["MIG-a"])] == ["MIG-a", "MIG-b"]
    # Of whom each sees its own, with locks of its own.
    (own,) = visible_gpus(listing, "MIG-b")
    assert own == gpus[1]
    assert lock_name(replace(this_machine(), gpus=(own,))) == "MIG-b"


def test_who_shares_the_device_keeps_those_out_who_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "lock_name", lambda: tmp_path.name)
    other = QuietLock(tmp_path.name)
    with shared_device():
        with shared_device(), other.training():  # beside others
            pass
        with pytest.raises(BlockingIOError):
            fcntl.flock(other._device, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with other.measuring():
        pass


GIB = 1024**3


def described(images, shape):
    return DataDescription(
        name="folder", fingerprint="0" * 64, train=images, validation=images // 5, test=0,
        image_shape=shape, classes=tuple("abcdefghij"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("images", "shape", "memory", "workers"),
    [
        (50_000, (28, 28, 1), 32 * GIB, 16),  # at 2 GiB each: the images are a small part
        (50_000, (28, 28, 1), 3 * GIB, 1),
        (20_000, (224, 224, 3), 32 * GIB, 3),  # 3.4 GiB of images and 1.5 GiB of a layer, twice
        (20_000, (224, 224, 3), 8 * GIB, 1),
        (50_000, (28, 28, 1), None, None),
    ],
)
def test_memory_holds_as_many_workers_as_it_holds_their_images(images, shape, memory, workers):
    machine = replace(this_machine(), memory_bytes=memory)
    assert workers_in_memory(described(images, shape), 128, machine) == workers
