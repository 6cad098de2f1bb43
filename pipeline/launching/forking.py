"""Processes that train, forked from one that imports what they need while the sweep is planned.

An import takes seconds of all that a processor has, so it is done once: a worker, and whoever
replaces it, begins where it has ended. ``multiprocessing``'s fork server is that process. It opens
no file of a sweep, runs no operation of Keras' backend, and ends with the last process that it
works for.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.core.errors import StorageError, SweetspotError
from pipeline.core.places import temporary_place
from pipeline.launching.devices import next_gpu
from pipeline.measuring.machine import this_machine

if TYPE_CHECKING:
    # Imported by commands before anything else: the configuration takes half a second.
    from pipeline.config import Config

#: What the fork server imports.
PRELOADED = "pipeline.launching.preloaded"
#: Signals that wait at the fork server for ever, so that it does not leave before its workers, and
#: in a new worker until it is one.
BLOCKED = (signal.SIGTERM, signal.SIGUSR2)
#: Set where the device is held by whoever would start that process again.
IMPORT_AT_ONCE = "SWEETSPOT_IMPORT_AT_ONCE"
_ROOT = str(Path(__file__).resolve().parents[2])
CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a worker is to do.

    Parameters
    ----------
    mlruns, sweep
        The sweep, whose folder is there.
    threads
        Compute threads to train with.
    gpu_memory
        The share of its GPU's memory that it may take; None for all.
    jit_compile, steps_per_execution
        What these settings of training are here. A worker that sees one GPU of several finds no
        calibration, which is that of all of them.
    log
        The file that it writes to.
    """

    mlruns: Path
    sweep: str
    threads: int
    gpu_memory: float | None
    jit_compile: Literal["on", "off"]
    steps_per_execution: int
    log: Path


class WorkerProcess:
    """The process of a worker, as its supervisor sees it.

    Parameters
    ----------
    assignment
        What it is to do.
    taken
        The GPUs of the workers that run already, as their ``gpu`` says.
    work
        Works for a sweep and returns the exit status; by default ``worker.work``.
    """

    def __init__(
        self,
        assignment: Assignment,
        taken: Sequence[str | None] = (),
        work: "Callable[[Config], int] | None" = None,
    ) -> None:
        prepare()
        #: The identifier of the one GPU that it sees; None for all.
        self.gpu = next_gpu(this_machine().gpus, taken)
        arguments = (assignment, self.gpu, work)
        self._process = CONTEXT.Process(target=_work, args=arguments, daemon=True)
        try:
            with _own_modules():  # the server is started anew where it has gone
                self._process.start()
        except (EOFError, OSError) as error:
            raise StorageError(f"no worker can be started: {error!r}") from error

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit status, negative for the signal that ended it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def end(self, seconds: float = 0.0) -> None:
        """Wait so long for its end, and kill it then."""
        self._process.join(seconds)
        if self.poll() is None:
            self._process.kill()
            self._process.join()


@contextmanager
def _own_modules() -> Iterator[None]:
    """Have Python started without the current directory, whose ``pipeline`` may be another one."""
    ours = {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH")))),
    }
    before = {name: os.environ.pop(name, None) for name in ours}
    os.environ |= ours
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


@cache
def prepare() -> threading.Event:
    """Have imported what workers need, by the process that they are forked from.

    Returns
    -------
    threading.Event
        Set once that is done, so that workers start at once.

    Raises
    ------
    StorageError
        The process cannot be started, or there is no folder for temporary files.
    """
    place = temporary_place()
    forkserver.set_forkserver_preload([PRELOADED])
    try:
        with _own_modules():
            forkserver.ensure_running()
    except OSError as error:
        raise StorageError(
            f"the process that workers are forked from cannot be started: {error}; its socket is "
            f"in TMPDIR, {place}, whose name may be too long"
        ) from error
    ready = threading.Event()

    def wait() -> None:
        with suppress(EOFError, OSError):  # ended by `_give_up`
            first = CONTEXT.Process(target=_nothing, daemon=True)
            first.start()
            first.join()
        ready.set()

    threading.Thread(target=wait, name="preparing", daemon=True).start()
    atexit.register(_give_up, ready)
    return ready


def _give_up(ready: threading.Event) -> None:
    """End an import that nobody waits for any more."""
    if ready.is_set():
        return
    import psutil

    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any("multiprocessing.forkserver" in word for word in child.cmdline()):
                child.kill()


def _nothing() -> None:
    """Do what the first process does, which is there once everything is imported."""


def _work(assignment: Assignment, gpu: str | None, work: "Callable[[Config], int] | None") -> None:
    """Be a worker; its process' exit status is the worker's."""
    settle_in(assignment.log, gpu)
    from pipeline.launching import worker
    from pipeline.launching.sweep_folder import load_config

    try:
        config = load_config(assignment.mlruns, assignment.sweep)
        settled = {"threads": assignment.threads, "gpu_memory": assignment.gpu_memory or "auto"}
        launch = config.launch.model_copy(update=settled)
        ways = {
            "jit_compile": assignment.jit_compile,
            "steps_per_execution": assignment.steps_per_execution,
        }
        training = config.training.model_copy(update=ways)
        config = config.model_copy(update={"launch": launch, "training": training})
        status = (work or worker.work)(config)
    except SweetspotError as error:
        print(f"sweetspot: {error}", file=sys.stderr)
        status = error.status
    sys.exit(status)


def settle_in(log: Path, gpu: str | None) -> None:
    """Begin as a process of its own: what it says goes to a log, and it may see one GPU alone."""
    with log.open("ab") as output, open(os.devnull, "rb") as nothing:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        this_machine.cache_clear()
