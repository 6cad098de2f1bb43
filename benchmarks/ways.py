"""The ways to train on a machine, each measured: what ``auto`` decides is one of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.core.architecture import REFERENCES
from pipeline.launching.calibrating import Start, crews_of, layouts_of, measure_rates
from pipeline.launching.rate_processes import processes
from pipeline.measuring.automatic import Automatic, Tried
from pipeline.measuring.machine import PRECISIONS, Machine

STEPS = (20, 60, 240)


def rates_of_ways(machine: Machine, answer: Automatic, start: Start = processes) -> list[Tried]:
    """Return the images a second of the ``cnn`` reference in each way, that of ``answer`` too.

    Each layout of workers in each precision (on a CPU in what ``answer`` has and in float32), with
    XLA as ``answer`` has it and some numbers of steps a call; one worker with XLA the other way.
    """
    network, tried = REFERENCES["cnn"].notation, list[Tried]()
    usual = dict.fromkeys((answer.precision, "float32"))
    precisions = PRECISIONS if machine.gpus else tuple(usual)
    layouts = layouts_of(machine)
    with crews_of(layouts, start) as crews:
        for (workers, threads), crew in crews.items():
            own = replace(answer, workers=workers, threads=threads)
            ways = {
                replace(own, precision=precision, steps_per_execution=steps): None
                for precision in precisions
                for steps in (*STEPS, answer.steps_per_execution)
            }
            measure_rates(tried, network, ways, crew)
        one = crews[layouts[0]].alone()
        other = replace(answer, jit_compile=not answer.jit_compile)
        measure_rates(tried, network, [replace(other, precision=p) for p in usual], one)
    return tried


def chosen_way(tried: Sequence[Tried], answer: Automatic) -> Tried:
    """Return what was measured in the way of ``answer``; beside a GPU with other threads.

    Raises
    ------
    RuntimeError
        None was measured in that way.
    """
    like = [
        way
        for way in tried
        if (way.precision, way.jit_compile, way.steps_per_execution, way.workers)
        == (answer.precision, answer.jit_compile, answer.steps_per_execution, answer.workers)
    ]
    if not like:
        raise RuntimeError("what auto decides could not be measured")
    return next((way for way in like if way.threads == answer.threads), like[0])


def plain_way(way: Tried) -> dict[str, Any]:
    """Return a way as plain values for JSON."""
    return {name: getattr(way, name) for name in Tried.__slots__}
