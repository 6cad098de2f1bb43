"""Which processes train: on this machine, with others on one sweep, or as jobs of a cluster."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config.section import Count, Positive, Section, as_text

#: Seconds that Slurm's own kill wait, the workers and the last files need before the time limit.
_LEAST_NOTICE_SECONDS = 30
#: What the sbatch text says itself; saying it twice would undo what the project relies on.
_OWN_OPTIONS = frozenset({
    "account", "array", "chdir", "comment", "constraint", "cpus-per-task", "error", "export",
    "gres", "job-name", "mem", "no-requeue", "ntasks", "open-mode", "output", "parsable",
    "partition", "qos", "requeue", "signal", "time", "wait", "wrap",
})  # fmt: skip


def _matching(pattern: str, what: str) -> AfterValidator:
    """Return a check that the whole value matches; ``what`` ends ``must be …``."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {what}, not {value!r}")
        return value

    return AfterValidator(check)


def _one_line(value: str) -> str:
    if not value.strip():
        raise ValueError("must be a shell command, not an empty line")
    if not value.replace("\t", " ").isprintable():
        raise ValueError(f"must be one line without control characters, not {value!r}")
    return value


Name = Annotated[
    str,
    BeforeValidator(as_text),
    _matching(r"[A-Za-z0-9_][A-Za-z0-9_.:@+/-]{0,127}", "a name of letters, digits and _.:@+/-"),
]
Names = Annotated[
    str,
    BeforeValidator(as_text),
    _matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(,[A-Za-z0-9_][A-Za-z0-9_.-]*)*",
        "a name, or several with commas between them",
    ),
]
Constraint = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9_\[(][A-Za-z0-9_.:=,&|*\[\]()-]{0,255}",
        "features of nodes joined by & or |, such as a100|h100",
    ),
]
Memory = Annotated[
    str,
    BeforeValidator(as_text),
    _matching(r"[1-9][0-9]{0,9}[KMGT]", "a size with its unit, such as 8G"),
]
TimeLimit = Annotated[
    str,
    BeforeValidator(as_text),
    _matching(
        r"(?=.*[1-9])([0-9]{1,7}(:[0-5]?[0-9]){0,2}|[0-9]{1,4}-[0-9]{1,2}(:[0-5]?[0-9]){0,2})",
        "minutes, minutes:seconds, hours:minutes:seconds or days-hours[:minutes[:seconds]]",
    ),
]
ShellLine = Annotated[str, AfterValidator(_one_line)]
SbatchOption = Annotated[
    str,
    _matching(
        r"--[a-z][a-z-]*(=[A-Za-z0-9_.,:/@%+*\[\]()&|=-]+)?",
        "an option of sbatch, such as --exclude=node7, without spaces",
    ),
]


def seconds_of(limit: str) -> int:
    """Return the seconds of a time limit in Slurm's notation; see ``man sbatch``, ``--time``."""
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


#: Of a GPU's memory.
MemoryShare = Annotated[float, Field(gt=0, le=1)] | Literal["auto"]


class LocalLaunch(Section):
    """Worker processes on this machine."""

    kind: Literal["local", "peer"]  #: a `peer` shares its sweep with others, on any machine
    workers: Count
    threads: Count  #: compute threads a worker
    gpu_memory: MemoryShare = "auto"  #: that a worker may take; auto: those on one GPU share evenly


class SlurmLaunch(Section):
    """An array of Slurm jobs, one worker each."""

    kind: Literal["slurm"]  #: jobs of a cluster
    workers: Positive  #: tasks of the array
    threads: Count  #: compute threads a worker; auto: its `cpus`
    follow: bool  #: stay and show progress until the jobs are over
    partition: Names | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: Constraint | None = None
    time: TimeLimit | None = None  #: longest run of one job; it is queued again where it stopped
    notice_seconds: Annotated[int, Field(ge=_LEAST_NOTICE_SECONDS, le=65_535)]
    requeues: Annotated[int, Field(ge=0)]  #: how often a job queues itself again at most
    cpus: Positive  #: processors a worker
    gpus: Annotated[int, Field(ge=0, le=64)]  #: GPUs a worker
    gpu_type: Name | None = None
    gpu_memory: MemoryShare = "auto"  #: that a worker may take; auto: all
    memory: Memory | None = None
    modules: tuple[Name, ...] = ()
    setup: tuple[ShellLine, ...] = ()
    options: tuple[SbatchOption, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.gpu_type is not None and not self.gpus:
            raise ValueError(f"gpu_type={self.gpu_type} needs gpus, how many of them a worker has")
        if self.time is not None and seconds_of(self.time) <= self.notice_seconds:
            raise ValueError(
                f"time={self.time} leaves nothing to train in: a worker hears of its end "
                f"notice_seconds={self.notice_seconds} before"
            )
        for option in self.options:
            name = option.removeprefix("--").partition("=")[0]
            if name in _OWN_OPTIONS:
                raise ValueError(f"options: --{name} is the project's own to say, leave it out")
        return self


LaunchConfig = Annotated[LocalLaunch | SlurmLaunch, Field(discriminator="kind")]
