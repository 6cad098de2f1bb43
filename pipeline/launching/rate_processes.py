"""Processes that are asked how many images a second they train, forked as workers are."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline.core.errors import SweetspotError
from pipeline.launching.devices import memory_share, next_gpu
from pipeline.launching.forking import CONTEXT, IMPORT_AT_ONCE, prepare, settle_in
from pipeline.measuring.machine import this_machine

#: How long the end of a process that answers no more is waited for.
_LAST_SECONDS = 5.0
#: So long an answer may take: an import, or the building of a network, on a busy machine.
_ANSWER_SECONDS = 300.0


class CalibrationError(SweetspotError):
    """A machine cannot be measured, and why."""


@contextmanager
def processes(threads: Sequence[int]) -> Iterator[list["RateProcess"]]:
    """Start a process for each number of threads, and end them with the block.

    Raises
    ------
    CalibrationError
        One cannot be started.
    """
    prepare().wait()
    gpus = this_machine().gpus
    share = memory_share("auto", len(gpus), len(threads))
    started: list[RateProcess] = []
    # Should the process that they are forked from be gone, another one takes its place, which must
    # not wait for the device: whoever measures holds it.
    os.environ[IMPORT_AT_ONCE] = "1"
    try:
        for count in threads:
            taken = [process.gpu for process in started]
            started.append(RateProcess(count, next_gpu(gpus, taken), share))
        for process in started:
            process.receive()  # ready: nobody imports while others are measured
        yield started
    finally:
        del os.environ[IMPORT_AT_ONCE]
        for process in started:
            process.end()


class RateProcess:
    """A process that is asked for rates.

    Parameters
    ----------
    gpu
        The identifier of the one GPU that it sees; None for all.
    gpu_memory
        The share of its memory that it may take; None for all.
    """

    def __init__(self, threads: int, gpu: str | None, gpu_memory: float | None) -> None:
        self.gpu = gpu
        self._connection, theirs = CONTEXT.Pipe()
        arguments = (threads, gpu, gpu_memory, theirs)
        self._process = CONTEXT.Process(target=_be_asked, args=arguments, daemon=True)
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            self._connection.close()
            raise CalibrationError(f"no process can be started: {error}") from error
        finally:
            theirs.close()

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask.

        Raises
        ------
        CalibrationError
            The process has ended.
        """
        try:
            self._connection.send(dict(request))
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> dict[str, Any]:
        """Wait for the answer.

        Raises
        ------
        CalibrationError
            The process has ended, or could not do what it was asked.
        """
        try:
            if not self._connection.poll(_ANSWER_SECONDS):
                raise CalibrationError(f"no answer came within {_ANSWER_SECONDS:.0f} seconds")
            found: dict[str, Any] = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if "error" in found:
            raise CalibrationError(found["error"])
        return found

    def end(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.join(_LAST_SECONDS)

    def _ended(self) -> CalibrationError:
        self._process.join(_LAST_SECONDS)
        status = self._process.exitcode
        if status is not None and status < 0:
            signal = f"was ended by signal {-status}"
            return CalibrationError(f"a process {signal}, often for want of memory")
        return CalibrationError(f"a process ended with status {status}")


def _be_asked(
    threads: int, gpu: str | None, gpu_memory: float | None, asking: "Connection[Any, Any]"
) -> None:
    """Answer with rates; an error is an answer, too."""
    settle_in(Path(os.devnull), gpu)
    try:
        from pipeline.training.rates import serve

        serve(threads, gpu_memory, asking)
    except Exception as error:
        with suppress(OSError):
            asking.send({"error": _reason(error)})


def _reason(error: Exception) -> str:
    from pipeline.training.backend import ran_out_of_memory

    if ran_out_of_memory(error):
        return "a process ran out of memory"
    # TensorFlow begins with where it happened and ends with what.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
