"""Measures once a machine what trains most images a second, in half a minute or so.

Processes are started as workers are, and asked for the rate of a reference network in one
way after the other: first the precision, XLA and the steps a call, in one process, then how
many processes with how many threads do most together. The answers decide what ``auto`` is.
"""

import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES
from pipeline.launching.devices import SHARED, lock_name
from pipeline.launching.forking import prepare
from pipeline.launching.planning import check_writable
from pipeline.launching.rate_processes import CalibrationError, processes
from pipeline.measuring.automatic import (
    Automatic,
    Calibration,
    Tried,
    best,
    by_rule,
    device_name,
    keep_calibration,
    read_calibration,
)
from pipeline.measuring.backends import compiles_with_xla_alone
from pipeline.measuring.machine import (
    Machine,
    Precision,
    resolve_precision,
    this_machine,
    workers_held,
)
from pipeline.measuring.quiet import QuietLock

#: How long each way is trained for, and how often, in turn: the fastest turn counts.
SECONDS, TURNS = 0.5, 3
STEPS = (1, 5, 20, 60, 240)
#: By how much another answer than the known one must be faster. A precision is part of a
#: sweep's identity and needs a better reason than the rest.
PRECISION_MARGIN, MARGIN = 0.10, 0.05
#: Trials that share a GPU, and the least of its memory that each of them then has, in MiB.
GPU_SHARES, MEMORY_A_SHARE = (1, 2, 4, 8), 2048
_CNN, _DNN = REFERENCES["cnn"].notation, REFERENCES["dnn"].notation


class Asked(Protocol):
    """A process that trains when it is asked to."""

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask; several processes that are asked before one answers work at the same time."""

    def receive(self) -> dict[str, Any]:
        """Wait for the answer."""


#: Starts that many processes of so many threads each, for as long as the block lasts.
Start = Callable[[Sequence[int]], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """Processes side by side."""

    members: Sequence[Asked]
    threads: int

    def alone(self) -> "Crew":
        """Return the first of them."""
        return replace(self, members=self.members[:1])


def settle(config: Config, say: Callable[[str], None]) -> None:
    """Calibrate this machine if an answer is wanted and there is none; go on if it cannot be."""
    training, launch = config.training, config.launch
    wanted = (training.precision, training.jit_compile, training.steps_per_execution,
              launch.workers, launch.threads)  # fmt: skip
    if not config.calibrate or "auto" not in wanted:
        return
    check_writable(config.mlruns)  # not after a minute
    if read_calibration(config.mlruns):
        return
    say("Measuring what this machine trains best with, once, for half a minute or so ...")
    prepare().wait()  # it imports only where nobody measures
    with closing(QuietLock(lock_name())) as quiet, quiet.measuring():
        if read_calibration(config.mlruns):
            return  # somebody else has done it meanwhile
        try:
            calibration = calibrate(this_machine(), processes)
        except CalibrationError as error:
            say(
                f"This machine could not be measured: {error}. So auto is what such hardware is "
                "known for; the next sweep tries again."
            )
            return
        keep_calibration(config.mlruns, calibration)
    say(f"{calibration.sentence()}.")


def calibrate(machine: Machine, start: Start) -> Calibration:
    """Return what trains most images a second on this machine.

    Parameters
    ----------
    start
        A context manager that yields a process for each number of threads.
    """
    began, rule = time.monotonic(), by_rule(machine)
    layouts = layouts_of(machine)
    tried: list[Tried] = []
    with crews_of(layouts, start) as crews:
        one = crews[layouts[0]].alone()
        known = replace(rule, workers=1, threads=one.threads)
        precise = [replace(known, precision=precision) for precision in precisions_of(machine)]
        known = best(measure_rates(tried, _CNN, precise, one), known, PRECISION_MARGIN)
        compiled = [replace(known, jit_compile=on) for on in _compilations()]
        known = best(measure_rates(tried, _CNN, compiled, one), known, MARGIN)
        # A network whose steps are short shows best what a call costs.
        ways = [replace(known, steps_per_execution=steps) for steps in STEPS]
        known = _fewest_steps(measure_rates(tried, _DNN, ways, one), known)
        together = {}
        for (workers, threads), crew in crews.items():
            layout = replace(known, workers=workers, threads=threads)
            together[workers, threads] = measure_rates(tried, _CNN, [layout], crew)[layout]
        workers, threads = best(together, layouts[0], MARGIN)
    if machine.gpus:
        threads = max(1, machine.cores // workers)
    return Calibration(
        answer=replace(known, workers=workers, threads=threads),
        measured_on=device_name(machine),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        seconds=round(time.monotonic() - began, 1),
        tried=tuple(tried),
    )


@contextmanager
def crews_of(
    layouts: Sequence[tuple[int, int]], start: Start
) -> Iterator[dict[tuple[int, int], Crew]]:
    """Start the processes of some layouts, of workers and threads a worker, for a block.

    A layout with fewer processes of the same threads uses some of those that are there.
    """
    needed = {t: max(w for w, of in layouts if of == t) for _, t in layouts}
    sizes = [threads for threads, count in needed.items() for _ in range(count)]
    with start(sizes) as members:
        of_size = {
            threads: [m for m, size in zip(members, sizes, strict=True) if size == threads]
            for threads in needed
        }
        yield {
            (workers, threads): Crew(members=of_size[threads][:workers], threads=threads)
            for workers, threads in layouts
        }


def precisions_of(machine: Machine) -> tuple[Precision, ...]:
    """Return what may be fastest here; hardware without bfloat16 would emulate it, slowly."""
    return tuple(dict.fromkeys((resolve_precision("auto", machine), "float32")))


def _fewest_steps(rates: Mapping[Automatic, float], known: Automatic) -> Automatic:
    """Return the known choice, or of those that are as good as the fastest the shortest calls.

    They differ little from some number on, and the answer should not from one time to the next.
    """
    fastest = best(rates, known, MARGIN)
    if fastest == known:
        return known
    enough = [choice for choice, rate in rates.items() if (1 + MARGIN) * rate >= rates[fastest]]
    return min(enough, key=lambda choice: choice.steps_per_execution)


def _compilations() -> tuple[bool, ...]:
    """Return whether to compile with XLA: what may be faster."""
    return (True,) if compiles_with_xla_alone() else (False, True)


def layouts_of(machine: Machine) -> list[tuple[int, int]]:
    """Return workers and threads a worker: ways to share this machine, the known one first.

    Beside a GPU all have the threads that the most workers would have: they matter little there,
    and so the same processes serve in every layout.
    """
    cores, rule = machine.cores, by_rule(machine)
    most = cores if machine.memory_bytes is None else workers_held(machine.memory_bytes)
    if machine.gpus:
        gpus = len(machine.gpus)
        # 0 is a GPU that shares the memory of the host, or a part of one, of which nobody says how
        # much it has.
        memory = min((g.memory_mib for g in machine.gpus if g.memory_mib), default=None)
        if any(gpu.is_part for gpu in machine.gpus):
            most = gpus
        elif memory is not None:
            most = min(most, gpus * int(SHARED * memory / MEMORY_A_SHARE))
        shares = [s for s in GPU_SHARES if s * gpus <= max(gpus, min(cores, most))]
        return [(share * gpus, max(1, cores // (shares[-1] * gpus))) for share in shares]
    found = [(rule.workers, 1), (1, cores)]
    if cores >= 4:
        found.append((max(1, min(cores // 2, most)), 2))
    return list(dict.fromkeys(found))


def measure_rates(
    tried: list[Tried], network: str, choices: Iterable[Automatic], crew: Crew
) -> dict[Automatic, float]:
    """Return the images a second of all members together, by way."""
    ways = {choice: _way(network, choice) for choice in choices}
    for way in ways.values():
        _ask(crew, {"build": way})
    rates = dict.fromkeys(ways, 0.0)
    for _ in range(TURNS):
        for choice, way in ways.items():
            found = _ask(crew, {"measure": way, "seconds": SECONDS})
            together = sum(answer["images_per_second"] for answer in found)
            rates[choice] = max(rates[choice], together)
    tried += [
        Tried(
            network=network,
            precision=choice.precision,
            jit_compile=choice.jit_compile,
            steps_per_execution=choice.steps_per_execution,
            workers=len(crew.members),
            threads=crew.threads,
            images_per_second=round(rate, 1),
        )
        for choice, rate in rates.items()
    ]
    return rates


def _way(network: str, choice: Automatic) -> dict[str, Any]:
    return {
        "network": network,
        "precision": choice.precision,
        "jit_compile": choice.jit_compile,
        "steps_per_execution": choice.steps_per_execution,
    }


def _ask(crew: Crew, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    for member in crew.members:
        member.send(request)
    return [member.receive() for member in crew.members]
