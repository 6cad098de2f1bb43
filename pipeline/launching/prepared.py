"""A worker's process, started before its sweep has a name: it imports while the sweep is planned.

It reads one line from its standard input, what it is to work for, and leaves where none comes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.launching.devices import lock_name, next_gpu
from pipeline.measuring.machine import this_machine
from pipeline.measuring.quiet import QuietLock

#: The number of the process that started the worker.
PARENT_VARIABLE = "SWEETSPOT_PARENT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a worker is to do.

    Parameters
    ----------
    mlruns, sweep
        The sweep, whose folder is there.
    threads
        Compute threads to train with.
    log
        The file to write to from now on.
    """

    mlruns: str
    sweep: str
    threads: int
    log: str


class WorkerProcess:
    """The process of a worker, as its supervisor sees it.

    Parameters
    ----------
    command
        What to run.
    gpu
        The identifier of the one GPU that it is to see; None for all.
    """

    def __init__(self, command: Sequence[str], gpu: str | None = None) -> None:
        self.gpu = gpu
        self._log: Path | None = None
        variables = {PARENT_VARIABLE: str(os.getpid())}
        if gpu is not None:
            variables["CUDA_VISIBLE_DEVICES"] = gpu
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open while it runs)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._said, stderr=subprocess.STDOUT,
            env=os.environ | variables,
            # Ctrl-C reaches the supervisor alone, which tells its workers in good order.
            start_new_session=True,
        )  # fmt: skip

    def assign(self, assignment: Assignment) -> bool:
        """Say what it is to work for, once; return False where it has died before."""
        if self.poll() is not None:
            return False
        assert self._process.stdin is not None
        self._log = Path(assignment.log)
        self._log.touch()
        try:
            with self._process.stdin as line:
                line.write(json.dumps(asdict(assignment)).encode() + b"\n")
        except BrokenPipeError:
            return False
        return True

    def poll(self) -> int | None:
        """Return its exit status; None while it runs. What it said before is in its log then."""
        status = self._process.poll()
        if status is not None and not self._said.closed:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with self._said as said:
                said.seek(0)
                text = said.read()
            if self._log is not None and not self._log.stat().st_size:
                self._log.write_bytes(text)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, seconds: float = 0.0) -> None:
        """Wait so long for its end, and kill it then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.poll()


class PreparedWorkers:
    """Processes that wait for an assignment; those that still do are ended with the block.

    Parameters
    ----------
    count
        How many to start.
    words
        Further words of their command lines, for whoever lists the processes of this machine:
        what they are to work for is told to them later.
    """

    def __init__(self, count: int, words: Sequence[str] = ()) -> None:
        self._words = tuple(words)
        self._waiting: list[WorkerProcess] = []
        self.want(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.want(0)

    def want(self, count: int) -> None:
        """Have so many wait: start further ones, or end some."""
        for process in self._waiting[count:]:
            process.end()
        del self._waiting[count:]
        while len(self._waiting) < count:
            self._waiting.append(self._start([process.gpu for process in self._waiting]))

    def take(self, gpus: Sequence[str | None], assignment: Assignment) -> WorkerProcess:
        """Return a process with this assignment, a new one where none waits.

        Parameters
        ----------
        gpus
            Those of the workers that run already.
        """
        while self._waiting:
            process = self._waiting.pop(0)
            if process.assign(assignment):
                return process
            process.end()
        process = self._start(gpus)
        process.assign(assignment)
        return process

    def _start(self, gpus: Sequence[str | None]) -> WorkerProcess:
        command = [sys.executable, "-m", "pipeline", "worker", "--prepared", *self._words]
        return WorkerProcess(command, next_gpu(this_machine().gpus, gpus))


def work_when_told() -> int:
    """Import what training needs, wait for the assignment and work; 0 where none comes."""
    # Importing takes seconds of all that the processor has: not while somebody measures.
    with QuietLock(lock_name()).training():
        import pipeline.launching.keras_trainer  # noqa: F401
        from pipeline.launching.planning import load_config
        from pipeline.launching.worker import work
    line = sys.stdin.readline()
    if not line:
        return 0
    assignment = Assignment(**json.loads(line))
    _write_to(Path(assignment.log))
    config = load_config(Path(assignment.mlruns), assignment.sweep)
    launch = config.launch.model_copy(update={"threads": assignment.threads})
    return work(config.model_copy(update={"launch": launch}))


def _write_to(log: Path) -> None:
    """Send what this process says to the log, beginning with what it has said so far."""
    sys.stdout.flush()
    sys.stderr.flush()
    said = os.pread(1, os.fstat(1).st_size, 0)
    with log.open("ab") as output, open(os.devnull, "rb") as nothing:
        output.write(said)
        output.flush()
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
