"""The text of the job array that a sweep is on Slurm: a function from values to text.

Each task of the array is one peer with one worker. What it does when it is told to leave:

- The worker's step hears SIGUSR2 before the time limit and, where the cluster sends it, before
  a preemption; else SIGTERM. It leaves within seconds and ends with ``AGAIN_STATUS``, or by the
  signal where it has not begun to listen.
- The batch shell then queues its own task again, unless Slurm has cancelled it: on `scancel`
  the job is not running any more.
- Lost nodes are Slurm's to notice, and ``--requeue`` is what it does then.
"""

import re
import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import SlurmLaunch, hydra_value
from pipeline.core.errors import AGAIN_STATUS, SIGNAL_STATUS, ConfigurationError

LOGS = "logs"
#: What a worker that was told to leave ends with; srun says the latter of one without a handler.
_TOLD = (AGAIN_STATUS, SIGNAL_STATUS + signal.SIGUSR2, SIGNAL_STATUS + signal.SIGTERM)
#: Of the options whose variables are not called after them, or that others contradict.
_VARIABLES = {
    "array": ("ARRAY_INX",),
    "cpus-per-task": ("CPUS_PER_TASK", "CPUS_PER_GPU"),
    "gres": ("GRES", "GPUS", "GPUS_PER_NODE", "GPUS_PER_TASK"),
    "mem": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"),
    "output": ("OUTPUT", "ERROR"),
    "requeue": ("REQUEUE", "NO_REQUEUE"),
    "time": ("TIMELIMIT",),
}
#: We ask this cluster about the jobs, and sbatch is to answer at once.
_NEVER = ("CLUSTERS", "WAIT")


@dataclass(frozen=True, kw_only=True)
class SweepArray:
    """What the text needs to know.

    Parameters
    ----------
    sweep
        The sweep's name.
    mlruns
        The folder with the sweep's folder, absolute, the same on all nodes.
    project
        Where the program is; the jobs start there.
    python
        The interpreter with everything installed, absolute.
    """

    sweep: str
    mlruns: Path
    project: Path
    python: Path
    launch: SlurmLaunch

    @property
    def sweep_dir(self) -> Path:
        """The sweep's folder."""
        return self.mlruns / "sweeps" / self.sweep


def job_name(sweep: str) -> str:
    """Return the name under which ``squeue`` and ``scancel`` know a sweep's jobs."""
    return f"sweetspot-{sweep}"


def sbatch_text(array: SweepArray) -> str:
    """Return the batch script.

    Raises
    ------
    ConfigurationError
        A path that cannot be written into it.
    """
    launch = array.launch
    worker = shlex.join(
        ["srun", f"--cpus-per-task={launch.cpus}", str(array.python), "-m", "pipeline",
         "worker", array.sweep, f"mlruns={hydra_value(str(array.mlruns))}", "--peer"]
    )  # fmt: skip
    lines = [
        # `module` is a function that only a shell of a login knows.
        "#!/bin/bash -l" if launch.modules else "#!/bin/bash",
        *(f"#SBATCH {directive}" for directive in _directives(array)),
        "",
        *_preparation(launch),
        "# The worker's step is told to leave, not this shell, which has to outlive it.",
        "trap ':' TERM USR2",
        worker,
        "status=$?",
        "# One of an array's tasks has the number of them all for its SLURM_JOB_ID.",
        'task="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"',
        f"if [[ $status =~ ^({'|'.join(map(str, _TOLD))})$ ]] &&",
        f'  [ "${{SLURM_RESTART_COUNT:-0}}" -lt {launch.requeues} ] &&',
        '  scontrol show job --oneliner "$task" | grep -q " JobState=RUNNING "; then',
        '  scontrol requeue "$task"',
        "fi",
        "exit $status",
    ]
    return "\n".join(lines) + "\n"


def obeyed(environment: Mapping[str, str], script: str) -> dict[str, str]:
    """Return the variables with which ``sbatch`` does what the script says.

    Its own variables, such as ``SBATCH_PARTITION``, win over the script's lines: those of lines
    that are there are left out. The others stay, for a site may say with them who pays.
    """
    stated = re.findall(r"^#SBATCH --([a-z-]+)", script, re.MULTILINE)
    called = [_VARIABLES.get(name, (name.upper().replace("-", "_"),)) for name in stated]
    dropped = {f"SBATCH_{name}" for names in (*called, _NEVER) for name in names}
    return {name: value for name, value in environment.items() if name not in dropped}


def _directives(array: SweepArray) -> list[str]:
    launch = array.launch
    given = {
        "partition": launch.partition,
        "account": launch.account,
        "qos": launch.qos,
        "constraint": None if launch.constraint is None else f'"{launch.constraint}"',
        "time": launch.time,
        "mem": launch.memory,
        "gres": _gpus(launch),
    }
    # In names of files, Slurm replaces what stands behind a percent sign.
    log = str(array.sweep_dir / LOGS / "slurm-").replace("%", "%%") + "%a.log"
    return [
        f"--job-name={job_name(array.sweep)}",
        f"--comment={_quoted(array.sweep_dir)}",
        f"--array=0-{launch.workers - 1}",
        "--ntasks=1",
        f"--cpus-per-task={launch.cpus}",
        *(f"--{name}={value}" for name, value in given.items() if value is not None),
        "--requeue",
        f"--signal=USR2@{launch.notice_seconds}",
        "--open-mode=append",
        f"--output={_quoted(log)}",
        f"--chdir={_quoted(array.project)}",
        *launch.options,
    ]


def _gpus(launch: SlurmLaunch) -> str | None:
    if not launch.gpus:
        return None
    kind = f"{launch.gpu_type}:" if launch.gpu_type else ""
    return f"gpu:{kind}{launch.gpus}"


def _preparation(launch: SlurmLaunch) -> list[str]:
    commands = [f"module load {shlex.quote(module)}" for module in launch.modules]
    commands += launch.setup
    # A worker without its modules would train something else, or on something else.
    return ["set -e", *commands, "set +e"] if commands else []


def _quoted(path: Path | str) -> str:
    """Return a path between quotation marks, as the directives of sbatch take it."""
    text = str(path)
    if any(character in text for character in '"\\\n\r'):
        raise ConfigurationError(
            f"launch=slurm cannot work in {text!r}: a path with a quotation mark, a backslash or "
            "a line break cannot be given to sbatch"
        )
    return f'"{text}"'
