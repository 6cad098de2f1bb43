"""Samples of the machine's load while a trial runs, into the trial's event log.

MLflow has a monitor of its own, but it needs an active run in the training process; here the
event log is what a training process writes, and the mirror brings the samples to MLflow under
the same names.
"""

import threading
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, Self

import psutil

from pipeline.core.errors import StorageError
from pipeline.measuring.nvml import load_nvml
from pipeline.tracking.event_log import EventLog
from pipeline.tracking.events import SystemSampled, record

MEGABYTE = 1e6
_FIRST_SECONDS = 1.0


class SystemSampler:
    """Appends a sample every ``interval_seconds`` until it is closed.

    The first ones follow each other faster: a small network has trained within ten seconds.

    Parameters
    ----------
    read
        Takes a sample: values by MLflow's names without ``system/``.
    """

    def __init__(
        self,
        log: EventLog,
        attempt: int,
        interval_seconds: float = 10.0,
        read: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        self._log = log
        self._attempt = attempt
        self._interval_seconds = interval_seconds
        self._read = read or SystemReader()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop sampling; nothing is appended after this returns."""
        self._closing.set()
        self._thread.join()

    def __enter__(self) -> Self:
        """Return the sampler itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop sampling."""
        self.close()

    def _run(self) -> None:
        # psutil compares with the last reading of the same thread, or of an ended one whose number
        # it got: the first answer is 0, or about a time before this trial.
        self._read()
        pause = min(_FIRST_SECONDS, self._interval_seconds)
        while not self._closing.wait(pause):
            pause = min(2 * pause, self._interval_seconds)
            try:
                record(self._log, SystemSampled(attempt=self._attempt, metrics=self._read()))
            except StorageError:
                return  # the trial's own next event meets the same full disk, and says so


class SystemReader:
    """Reads the load of processors, memory and NVIDIA GPUs.

    GPUs are read where ``pynvml`` (package ``nvidia-ml-py``) and a driver are there.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._nvml, self._gpus = _nvml_gpus()

    def __call__(self) -> dict[str, float]:
        """Return values by MLflow's names without ``system/``; megabytes are 10^6 bytes."""
        memory = psutil.virtual_memory()
        values = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
            "process_memory_usage_megabytes": self._process.memory_info().rss / MEGABYTE,
        }
        for index, gpu in enumerate(self._gpus):
            values |= {f"gpu_{index}_{name}": value for name, value in self._gpu(gpu).items()}
        return {name: round(float(value), 1) for name, value in values.items()}

    def _gpu(self, gpu: Any) -> dict[str, float]:
        assert self._nvml is not None
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(gpu)
            return {
                "utilization_percentage": self._nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
                "memory_usage_megabytes": memory.used / MEGABYTE,
                "memory_usage_percentage": 100 * memory.used / memory.total,
                "power_usage_watts": self._nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
            }
        except self._nvml.NVMLError:
            return {}  # a part of a GPU (MIG) does not answer all of them


def _nvml_gpus() -> tuple[ModuleType | None, list[Any]]:
    nvml = load_nvml()
    if nvml is None:
        return None, []
    try:
        return nvml, [
            nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())
        ]
    except nvml.NVMLError:
        return None, []
