"""Which ways to train the benchmarks measure, with processes that are not started."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from benchmarks.ways import chosen_way, rates_of_ways
from pipeline.measuring.automatic import Automatic
from pipeline.measuring.machine import Gpu, Machine

CPU = Machine(cpu="A processor", flags=frozenset(), cores=4, memory_bytes=None, gpus=())
GPU = Gpu(name="A GPU", uuid="GPU-1", memory_mib=81920, capability=(8, 0))
ANSWER = Automatic(
    precision="float32", jit_compile=False, steps_per_execution=5, workers=2, threads=2
)


class Asked:
    """Trains as many images a second as a call has steps."""

    def send(self, request):
        self._request = request

    def receive(self):
        if "build" in self._request:
            return {"built": True}
        return {"images_per_second": float(self._request["measure"]["steps_per_execution"])}


@contextmanager
def start(threads):
    yield [Asked() for _ in threads]


@pytest.mark.parametrize(
    ("machine", "answer", "workers", "precisions"),
    [
        (CPU, ANSWER, {4, 1, 2}, {"float32"}),
        (
            replace(CPU, cores=16, gpus=(GPU,)),
            replace(ANSWER, precision="mixed_bfloat16", jit_compile=True),
            {1, 2, 4, 8},
            {"float32", "mixed_bfloat16", "mixed_float16"},
        ),
    ],
    ids=["cpu", "gpu"],
)
def test_what_auto_decides_is_among_the_ways(machine, answer, workers, precisions):
    tried = rates_of_ways(machine, answer, start)
    assert {way.workers for way in tried} == workers
    assert {way.precision for way in tried} == precisions
    assert {way.steps_per_execution for way in tried} == {5, 20, 60, 240}
    assert {way.workers for way in tried if way.jit_compile is not answer.jit_compile} == {1}
    chosen = chosen_way(tried, answer)
    assert chosen.images_per_second == 2 * 5  # two workers, five steps a call


def test_one_worker_with_all_threads_is_another_way_than_with_one():
    machine = replace(CPU, cores=2, memory_bytes=3 << 30)
    answer = replace(ANSWER, workers=1, threads=2)
    tried = rates_of_ways(machine, answer, start)
    assert {(way.workers, way.threads) for way in tried} == {(1, 1), (1, 2)}
    assert chosen_way(tried, answer).threads == 2
