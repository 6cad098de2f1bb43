"""A Slurm cluster of one node, which the tests start and stop themselves.

It has its own keys, sockets, ports and folders: nothing of a Slurm that is installed on this
machine is touched. Two partitions: ``low`` (the default), whose jobs ``high`` preempts.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "scancel", "scontrol")
PACKAGES = "slurm-wlm and munge"
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=cred_expire=60,socket={folder}/munge.socket
SlurmdTimeout=30
KillWait=12
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 \
PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""
WAIT_SECONDS = 300
# Read before any test, which run in a clean environment.
REQUIRED = os.environ.get("SWEETSPOT_REQUIRE_SERVICES") == "1"


class Cluster:
    """The daemons, and the commands of a user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.munged: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.conf.write_text(
            CONF.format(
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                folder=self.folder,
                ports=free_ports(2),
            )
        )
        self.munged = subprocess.Popen(
            [program("munged"), "--foreground", "--force", f"--key-file={key}",
             *(f"--{kind}={self.folder}/munge.{kind.partition('-')[0]}"
               for kind in ("socket", "pid-file", "log-file", "seed-file"))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait_until((self.folder / "munge.socket").exists, "munged to listen")
        subprocess.run([program("slurmctld"), "-f", self.conf], check=True)
        self.start_node()

    def start_node(self) -> None:
        subprocess.run([program("slurmd"), "-f", self.conf], check=True)
        self.wait_until(
            lambda: self.call("sinfo", "--noheader", "--format=%T").strip().startswith("idle"),
            "the node to be idle",
        )

    def fail_node(self) -> None:
        """Kill slurmd and all that the jobs started, as if the node had lost its power."""
        killed = [self.pid("slurmd"), *descendants(self.stepds())]
        for number in killed:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def stop(self) -> None:
        subprocess.run(["scancel", "--me"], check=False, capture_output=True)
        for number in (*descendants(self.stepds()), self.pid("slurmd"), self.pid("slurmctld")):
            try:
                os.kill(number, signal.SIGKILL)
            except (ProcessLookupError, TypeError):
                continue
        if self.munged is not None:
            self.munged.kill()
            self.munged.wait()

    def pid(self, daemon: str) -> int:
        return int((self.folder / f"{daemon}.pid").read_text())

    def stepds(self) -> list[int]:
        """Return the processes that look after a step; they outlive slurmd."""
        return [
            number
            for number, (_, environment) in processes().items()
            if environment.startswith("slurmstepd") and str(self.folder) in environment
        ]

    def call(self, *words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def jobs(self, sweep: str) -> list[str]:
        """Return the states of a sweep's jobs, tasks of arrays one by one."""
        name = f"--name=sweetspot-{sweep}"
        return self.call("squeue", "--array", "--noheader", "--format=%T", name).split()

    def wait_until(self, condition, what: str, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds:.0f} s for {what}")
            time.sleep(0.1)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found is not None
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def processes() -> dict[int, tuple[int, str]]:
    """Return every process' parent and its command line and environment, by number."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        found[int(entry.name)] = parent, text.decode(errors="replace")
    return found


def descendants(roots: list[int]) -> list[int]:
    """Return the processes and all that they started."""
    known = processes()
    found = list(roots)
    for number in found:  # grows while it is read
        found += [child for child, (parent, _) in known.items() if parent == number]
    return found


@pytest.fixture(scope="session")
def slurm():
    """Return a running cluster whose commands work in this process and those it starts."""
    missing = [
        name for name in PROGRAMS
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]  # fmt: skip
    if missing:
        sentence = f"{', '.join(missing)} not found: install Debian's packages {PACKAGES}"
        if REQUIRED:
            pytest.fail(sentence)
        pytest.skip(sentence)
    # A socket's path is short, and munge wants a folder that others may enter.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(name).chmod(0o755)
        for variable in list(os.environ):
            if variable.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SRUN_", "SCANCEL_")):
                patch.delenv(variable)
        cluster = Cluster(Path(name))
        patch.setenv("SLURM_CONF", str(cluster.conf))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
