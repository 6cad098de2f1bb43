from dataclasses import replace

import pytest

from pipeline.core.errors import ConfigurationError
from pipeline.measuring import machine as room
from pipeline.measuring.machine import (
    Gpu,
    Machine,
    default_threads,
    default_workers,
    describe_device,
    processor_name,
    read_cpu,
    resolve_precision,
    this_machine,
    visible_gpus,
)

GIB = 1024**3
CPU = Machine(cpu="Fast One", flags=frozenset({"avx2"}), cores=4, memory_bytes=64 * GIB, gpus=())
GPU = Gpu(name="NVIDIA H200", uuid="GPU-1", memory_mib=143771, capability=(9, 0))
LISTING = "NVIDIA A100-SXM4-40GB, GPU-aa, 40960, 8.0\nNVIDIA T4, GPU-bb, 15360, 7.5\n"


def test_this_machine_can_be_looked_at():
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.cpu
    assert default_workers() >= 1
    assert default_threads() >= 1
    assert resolve_precision("auto") in room.PRECISIONS
    assert describe_device()["device"] in ("cpu", "gpu")


@pytest.mark.parametrize("setting", room.PRECISIONS)
def test_a_named_precision_is_that_precision(setting):
    assert resolve_precision(setting, CPU) == setting


@pytest.mark.parametrize(
    ("machine", "precision"),
    [
        (CPU, "float32"),
        (replace(CPU, flags=frozenset({"avx2", "amx_bf16"})), "mixed_bfloat16"),
        (replace(CPU, flags=frozenset({"avx512_bf16"})), "mixed_bfloat16"),
        (replace(CPU, gpus=(GPU,)), "mixed_bfloat16"),
        (replace(CPU, gpus=(replace(GPU, capability=(7, 5)),)), "mixed_float16"),
        (replace(CPU, gpus=(GPU, replace(GPU, capability=(6, 1)))), "float32"),
    ],
)
def test_auto_is_mixed_only_where_the_hardware_has_it(machine, precision):
    assert resolve_precision("auto", machine) == precision


def test_an_unknown_precision_is_refused_with_the_valid_ones():
    with pytest.raises(ConfigurationError, match=r"auto, float32, .*'float8'"):
        resolve_precision("float8", CPU)


@pytest.mark.parametrize(
    ("machine", "workers"),
    [
        (CPU, 4),
        (replace(CPU, cores=64), 8),
        (replace(CPU, memory_bytes=5 * GIB), 2),
        (replace(CPU, memory_bytes=GIB), 1),
        (replace(CPU, memory_bytes=None), 4),
        (replace(CPU, cores=64, gpus=(GPU, GPU)), 2),
    ],
)
def test_workers(machine, workers):
    assert default_workers(machine) == workers


def test_threads_are_shared_beside_gpus_and_one_without():
    assert default_threads(CPU) == 1
    assert default_threads(replace(CPU, cores=16, gpus=(GPU, GPU))) == 8
    assert default_threads(replace(CPU, cores=1, gpus=(GPU, GPU))) == 1


def test_descriptions():
    assert describe_device(CPU) == {
        "device": "cpu",
        "name": "Fast One",
        "cores": "4",
        "memory_mib": "65536",
    }
    assert describe_device(replace(CPU, gpus=(GPU,))) == {
        "device": "gpu",
        "name": "NVIDIA H200",
        "count": "1",
        "memory_mib": "143771",
        "cpu": "Fast One",
        "cores": "4",
    }


def test_processors_of_one_name_are_told_apart_by_their_vectors():
    named = [
        processor_name("EPYC", frozenset({"fpu", *flags}))
        for flags in ((), ("avx2",), ("avx2", "avx512f"), ("avx2", "avx512f", "avx512_bf16"))
    ]
    assert named == ["EPYC", "EPYC (AVX2)", "EPYC (AVX-512)", "EPYC (AVX-512 with bfloat16)"]


def test_the_processor_is_read(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(
        "processor\t: 0\nmodel name\t: Fast One @ 3 GHz\nflags\t\t: fpu amx_bf16\n\n"
        "processor\t: 1\nmodel name\t: Other\nflags\t\t: none\n"
    )
    assert read_cpu(path) == ("Fast One @ 3 GHz", frozenset({"fpu", "amx_bf16"}))


def test_another_system_has_no_cpuinfo(tmp_path):
    assert read_cpu(tmp_path / "cpuinfo") == ("", frozenset())


def test_gpus_are_read():
    assert visible_gpus(LISTING, None) == (
        Gpu(name="NVIDIA A100-SXM4-40GB", uuid="GPU-aa", memory_mib=40960, capability=(8, 0)),
        Gpu(name="NVIDIA T4", uuid="GPU-bb", memory_mib=15360, capability=(7, 5)),
    )


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("", []),
        ("-1", []),
        ("1", ["GPU-bb"]),
        ("1,0", ["GPU-bb", "GPU-aa"]),
        ("GPU-aa", ["GPU-aa"]),
        ("0,7,1", ["GPU-aa"]),
        ("MIG-5f", ["MIG-5f"]),
        ("MIG-5f,MIG-6a", ["MIG-5f", "MIG-6a"]),
    ],
)
def test_the_environment_decides_which_gpus_are_seen(visible, names):
    assert [gpu.uuid for gpu in visible_gpus(LISTING, visible)] == names


def test_a_gpu_that_shares_the_hosts_memory_does_not_say_how_much():
    (gpu,) = visible_gpus("NVIDIA GB10, GPU-cc, [N/A], 12.1\n", None)
    assert gpu.memory_mib == 0
    assert gpu.capability == (12, 1)


def test_a_part_of_a_gpu_is_not_said_to_have_the_memory_of_the_whole():
    (part,) = visible_gpus(LISTING, "MIG-5f")
    assert (part.name, part.memory_mib, part.capability) == ("NVIDIA A100-SXM4-40GB", 0, (8, 0))
    assert visible_gpus("", "MIG-5f") == ()  # without a driver
    assert "memory_mib" not in describe_device(replace(CPU, gpus=(part,)))


def test_what_is_no_gpu_in_the_listing_is_left_out():
    warned = "Warning: persistence mode is off\n\n" + LISTING
    assert visible_gpus(warned, None) == visible_gpus(LISTING, None)


@pytest.mark.parametrize("capability", ["[N/A]", "", "8", "8.x"])
def test_a_gpu_of_unknown_capability_is_one_all_the_same(capability):
    (gpu,) = visible_gpus(f"NVIDIA Tesla K80, GPU-dd, 11441, {capability}\n", None)
    assert (gpu.uuid, gpu.memory_mib, gpu.capability) == ("GPU-dd", 11441, (0, 0))
    assert resolve_precision("auto", replace(CPU, gpus=(gpu,))) == "float32"
