import os
import shlex
import subprocess
from pathlib import Path

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import SlurmLaunch
from pipeline.core.errors import ConfigurationError
from pipeline.launching.sbatch import SweepArray, obeyed, sbatch_text

LEAST = {
    "kind": "slurm", "workers": 4, "threads": "auto", "follow": True, "notice_seconds": 60,
    "requeues": 100, "cpus": 1, "gpus": 0,
}  # fmt: skip

PLAIN = """\
#!/bin/bash
#SBATCH --job-name=sweetspot-digits-1
#SBATCH --comment="/data/mlruns/sweeps/digits-1"
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --signal=USR2@60
#SBATCH --open-mode=append
#SBATCH --output="/data/mlruns/sweeps/digits-1/logs/slurm-%a.log"
#SBATCH --chdir="/data/project"

# The worker's step is told to leave, not this shell, which has to outlive it.
trap ':' TERM USR2
srun --cpus-per-task=1 /data/.venv/bin/python -m pipeline worker digits-1 mlruns=/data/mlruns --peer
status=$?
# One of an array's tasks has the number of them all for its SLURM_JOB_ID.
task="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
if [[ $status =~ ^(75|140|143)$ ]] &&
  [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ] &&
  scontrol show job --oneliner "$task" | grep -q " JobState=RUNNING "; then
  scontrol requeue "$task"
fi
exit $status
"""

RICH = """\
#!/bin/bash -l
#SBATCH --job-name=sweetspot-digits-1
#SBATCH --comment="/my runs/100%/sweeps/digits-1"
#SBATCH --array=0-15
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --partition=gpu,gpu-low
#SBATCH --account=vision
#SBATCH --qos=night
#SBATCH --constraint="a100|h100"
#SBATCH --time=04:00:00
#SBATCH --mem=16G
#SBATCH --gres=gpu:a100:2
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --open-mode=append
#SBATCH --output="/my runs/100%%/sweeps/digits-1/logs/slurm-%a.log"
#SBATCH --chdir="/data/project"
#SBATCH --exclude=node7

set -e
module load cuda/12.4
export HTTPS_PROXY="http://proxy:3128"
set +e
# The worker's step is told to leave, not this shell, which has to outlive it.
trap ':' TERM USR2
srun --cpus-per-task=8 /data/.venv/bin/python -m pipeline worker digits-1 'mlruns=/my runs/100%' --peer
status=$?
# One of an array's tasks has the number of them all for its SLURM_JOB_ID.
task="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
if [[ $status =~ ^(75|140|143)$ ]] &&
  [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ] &&
  scontrol show job --oneliner "$task" | grep -q " JobState=RUNNING "; then
  scontrol requeue "$task"
fi
exit $status
"""  # noqa: E501


def text(mlruns="/data/mlruns", **launch):
    return sbatch_text(
        SweepArray(
            sweep="digits-1",
            mlruns=Path(mlruns),
            project=Path("/data/project"),
            python=Path("/data/.venv/bin/python"),
            launch=SlurmLaunch.model_validate(LEAST | launch),
        )
    )


def test_the_least():
    assert text() == PLAIN


def test_everything_at_once():
    rich = text(
        "/my runs/100%", workers=16, cpus=8, partition="gpu,gpu-low", account="vision",
        qos="night", constraint="a100|h100", time="04:00:00", memory="16G", gpus=2,
        gpu_type="a100", notice_seconds=120, modules=("cuda/12.4",),
        setup=('export HTTPS_PROXY="http://proxy:3128"',), options=("--exclude=node7",),
    )  # fmt: skip
    assert rich == RICH


def test_bash_reads_it():
    done = subprocess.run(["bash", "-n"], input=RICH, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mlruns", ['/a"b', "/a\\b", "/a\nb"])
def test_a_path_that_sbatch_cannot_be_given_is_refused(mlruns):
    with pytest.raises(ConfigurationError, match="cannot be given to sbatch"):
        text(mlruns)


@pytest.mark.parametrize("folder", ["/home/müller/x", "/data/run=3/a,b", "/it's (mine)", "/a~#&;!"])
def test_a_job_understands_its_folder_whatever_hydra_thinks_of_it(folder):
    (line,) = (line for line in text(mlruns=folder).splitlines() if line.startswith("srun "))
    word = next(word for word in shlex.split(line) if word.startswith("mlruns="))
    assert compose(CommandLine(command="worker", overrides=(word,))).mlruns == Path(folder)


def test_what_the_script_says_wins_over_the_users_variables():
    kept = {"PATH": "/bin", "SBATCH_ACCOUNT": "a", "SBATCH_PARTITION": "p", "SBATCH_TIMELIMIT": "1"}
    kept |= {"SBATCH_GRES": "gpu:8", "SBATCH_RESERVATION": "r", "SBATCH_MEM_PER_CPU": "1G"}
    dropped = {
        f"SBATCH_{name}": "x"
        for name in (
            "JOB_NAME", "COMMENT", "ARRAY_INX", "REQUEUE", "NO_REQUEUE", "SIGNAL", "OPEN_MODE",
            "OUTPUT", "ERROR", "WAIT", "CLUSTERS", "CPUS_PER_GPU",
        )
    }  # fmt: skip
    assert obeyed(kept | dropped, text()) == kept  # the site's defaults
    stated = text(
        partition="gpu", account="vision", time="04:00:00", memory="16G", gpus=2,
        options=("--reservation=mine",),
    )  # fmt: skip
    assert obeyed(kept | dropped, stated) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("ends", "state", "again"),
    [
        ("exit 75", "RUNNING", True),
        ("kill -USR2 $$", "RUNNING", True),  # it was still starting up
        ("kill -TERM $$", "RUNNING", True),
        ("kill -TERM $$", "CANCELLED", False),
        ("kill -KILL $$", "RUNNING", False),
        ("exit 0", "RUNNING", False),
        ("exit 1", "RUNNING", False),
    ],
)
def test_who_was_told_to_leave_is_queued_again(tmp_path, ends, state, again):
    programs = {
        "srun": f"bash -c '{ends}'; exit $?",
        "scontrol": f'[ $1 = requeue ] && echo "$@" > {tmp_path}/again\n'
        f'echo "JobId=8 JobState={state} Reason=None"',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "3",
    }
    subprocess.run(
        ["bash"], input=text(), text=True, env=variables, capture_output=True, check=False
    )
    asked = tmp_path / "again"
    assert asked.exists() is again
    assert not again or asked.read_text() == "requeue 7_3\n"
