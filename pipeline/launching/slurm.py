"""What we ask of Slurm: which jobs a sweep has, and to take an array of them."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import ConfigurationError, SweetspotError
from pipeline.launching.sbatch import LOGS, job_name
from pipeline.tracking.event_log import sweep_log_path

_SECONDS = 60.0
#: How often an answer without jobs is asked for again before it is believed, and how soon.
_REPEATED, _AGAIN_SECONDS = 2, 5.0
#: What was written so lately may be the work of jobs that come back.
_LATELY_SECONDS = 60.0
#: Ends of jobs for which `squeue` may still show them for a moment.
_LEAVING = frozenset({"COMPLETING", "CANCELLED", "COMPLETED", "FAILED", "TIMEOUT"})
_HELD = frozenset({"REQUEUE_HOLD", "SPECIAL_EXIT"})
_WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", *_HELD})
#: As in JobHeldAdmin, JobHoldMaxRequeue, and "launch failed requeued held".
_HELD_REASON = re.compile(r"held|JobHold", re.IGNORECASE)


class SlurmError(SweetspotError):
    """Slurm refuses something, or does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A task of an array that Slurm knows.

    Parameters
    ----------
    id
        As in ``123_0``.
    state
        As Slurm writes it: ``RUNNING``.
    reason
        Why a waiting job waits, in Slurm's words; empty or ``None`` otherwise.
    """

    id: str
    state: str
    reason: str = ""

    @property
    def is_leaving(self) -> bool:
        """Whether it is ending: it either vanishes or waits in the queue again."""
        return self.state in _LEAVING

    @property
    def is_waiting(self) -> bool:
        """Whether it has not started yet."""
        return self.state in _WAITING

    @property
    def is_held(self) -> bool:
        """Whether it waits until somebody releases it."""
        held = self.state in _HELD or _HELD_REASON.search(self.reason) is not None
        return self.is_waiting and held


def jobs_of(sweep: str, sweep_dir: Path, was_seen: bool = False) -> list[Job]:
    """Return the jobs of a sweep that are not over.

    A sweep of the same name in another folder has other jobs: the comment tells them apart. Between
    its end and its return to the queue a task is listed nowhere, so where there may be such a one,
    no jobs have to be listed several times, some seconds apart, before there are none.

    Parameters
    ----------
    was_seen
        Whether there was a job when this was last asked.

    Raises
    ------
    SlurmError
        Slurm does not answer.
    """
    jobs = _listed(sweep, sweep_dir)
    for _ in range(_REPEATED):
        if jobs or not (was_seen or _is_written_lately(sweep_dir)):
            break
        time.sleep(_AGAIN_SECONDS)
        jobs = _listed(sweep, sweep_dir)
    return jobs


def _is_written_lately(sweep_dir: Path) -> bool:
    """Whether a job of the sweep, or who ended its session, has just written something."""
    logs = (sweep_log_path(sweep_dir), *(sweep_dir / LOGS).glob("slurm-*.log"))
    now = time.time()
    return any(abs(now - log.stat().st_mtime) < _LATELY_SECONDS for log in logs if log.exists())


def _listed(sweep: str, sweep_dir: Path) -> list[Job]:
    printed = _call([
        "squeue", "--me", "--array", "--noheader", f"--name={job_name(sweep)}",
        "--format=%i|%T|%r|%k",
    ], _unfiltered(os.environ))  # fmt: skip
    return parse_jobs(printed, sweep_dir)


def _unfiltered(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those by which ``squeue`` leaves jobs out."""
    return {name: value for name, value in environment.items() if not name.startswith("SQUEUE_")}


def parse_jobs(printed: str, sweep_dir: Path) -> list[Job]:
    """Return the jobs in what ``squeue`` prints (``id|state|reason|comment``)."""
    found = []
    for line in printed.splitlines():
        identifier, state, reason, comment = line.split("|", 3)
        if comment == str(sweep_dir):
            found.append(Job(id=identifier, state=state, reason=reason))
    return found


def submit(script: Path, environment: Mapping[str, str]) -> str:
    """Hand a batch script over and return the number of its job.

    The jobs inherit the environment, so that secrets in it stay off every command line.

    Raises
    ------
    SlurmError
        Slurm refuses it; the message is Slurm's.
    """
    printed = _call(["sbatch", "--parsable", "--export=ALL", str(script)], environment)
    return printed.strip().partition(";")[0]


def check_lines(lines: Sequence[str]) -> None:
    """Check that each line is a command of its own for bash.

    Raises
    ------
    ConfigurationError
        A line that bash cannot read, for example for want of a quotation mark.
    """
    for line in lines:
        checked = subprocess.run(
            ["bash", "-n", "-c", line], capture_output=True, text=True, check=False
        )
        if checked.returncode:
            # bash: -c: line 1: unexpected EOF while looking for …
            why = re.sub(r"^.*?line \d+: ", "", checked.stderr.strip().splitlines()[0])
            raise ConfigurationError(f"launch.setup: {line!r} is no command of bash: {why}")


def check_moving(sweep: str, jobs: Sequence[Job]) -> None:
    """Check that of a sweep's jobs, if there are any, one runs or will by itself.

    Raises
    ------
    SlurmError
        All of them wait until somebody releases them.
    """
    if not jobs or not all(job.is_held for job in jobs):
        return
    why = ", ".join(sorted({job.reason for job in jobs} - {"", "None"})) or jobs[0].state
    arrays = ",".join(sorted({job.id.partition("_")[0] for job in jobs}))
    raise SlurmError(
        f"{sweep} does not go on, for what is left of its jobs is held by Slurm ({why}): "
        f"`scontrol release {arrays}` lets it, `scancel --name={job_name(sweep)}` gives it up"
    )


def summarise(jobs: Sequence[Job]) -> str:
    """Return in words what the jobs do: ``2 jobs run, 3 wait (Resources)``."""
    waiting = [job for job in jobs if job.is_waiting]
    leaving = sum(job.is_leaving for job in jobs)
    running = len(jobs) - len(waiting) - leaving
    reasons = sorted({job.reason for job in waiting} - {"", "None"})
    why = f" ({', '.join(reasons)})" if reasons else ""
    counts = {
        ("runs", "run"): running,
        (f"waits in the queue{why}", f"wait in the queue{why}"): len(waiting),
        ("is ending", "are ending"): leaving,
    }
    said = [(count, one if count == 1 else many) for (one, many), count in counts.items() if count]
    if not said:
        return "no job is left"
    (first, does), *others = said
    rest = "".join(f", {count} {verb}" for count, verb in others)
    return f"{first} {'job' if first == 1 else 'jobs'} {does}{rest}"


def missing_program(name: str) -> str | None:
    """Return in words that a program is not there; None where it is."""
    return None if shutil.which(name) else f"{name}, which is not on the PATH here"


def _call(words: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    program = words[0]
    if (missing := missing_program(program)) is not None:
        raise ConfigurationError(
            f"launch=slurm needs {missing}; run it on a login node of a Slurm cluster, or choose "
            "launch=local"
        )
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_SECONDS, check=True,
            stdin=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise SlurmError(f"{program} failed: {_sentence(error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"{program} did not answer within {_SECONDS:.0f} s") from error
    return done.stdout


def _sentence(printed: str) -> str:
    """Return Slurm's complaint on one line, without the programs' names."""
    lines = [re.sub(r"^\w+: (error: |fatal: )?", "", line.strip()) for line in printed.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "it gave no reason"
