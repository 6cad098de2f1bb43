"""Quiet: nothing else of ours runs on a device while one of us measures on it.

Every worker on a device holds a shared lock while it trains and takes it exclusively to
measure. Two files per device: whoever wants the ``device`` lock comes through the ``gate``,
where a measurer stays until it has the device. A trainer looks at the gate between executions
and, if somebody stands there, steps aside until the gate is free again. So a measurer waits
for at most one execution of each trainer, and as it leaves the gate once it measures, the
trainers queue behind it and are let in together when it is done: nobody starves.

The locks are ``flock``'s: the kernel frees them when their holder dies, however it dies. They
are local to this host, in a folder of the user's own under the temporary directory, named by the
host's boot: a temporary directory that hosts share would else let one of them pause the others.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from socket import gethostname
from typing import Literal

from pipeline.core.errors import StorageError
from pipeline.core.places import temporary_place
from pipeline.measuring.clocks import Clocks

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class QuietLock:
    """The locks of one device, as one process uses them.

    Parameters
    ----------
    device_name
        Names the device on this host; processes that give the same name share the locks.
    directory
        Folder of the lock files; the user's own under the temporary directory by default.

    Raises
    ------
    StorageError
        The folder cannot be used, or belongs to somebody else.
    """

    def __init__(self, device_name: str, directory: Path | None = None) -> None:
        folder = _own_folder() if directory is None else directory
        name = _file_name(device_name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._gate = _open(folder / f"{name}.gate.lock")
            self._device = _open(folder / f"{name}.device.lock")
        except OSError as error:
            raise StorageError(
                f"the lock files of device {device_name} cannot be opened in {folder}: "
                f"{error.strerror}"
            ) from error
        self._held: Literal["training", "measuring"] | None = None

    @contextmanager
    def training(self, clocks: Clocks | None = None) -> Iterator[None]:
        """Hold the device together with other trainers; time spent waiting is ``waiting``."""
        with self._holding("training"):
            self._enter(clocks)
            try:
                yield
            finally:
                fcntl.flock(self._device, fcntl.LOCK_UN)

    @contextmanager
    def measuring(self, clocks: Clocks | None = None) -> Iterator[None]:
        """Hold the device alone; time spent waiting is ``waiting``."""
        with self._holding("measuring"):
            with _waiting(clocks), self._through_gate(fcntl.LOCK_EX):
                fcntl.flock(self._device, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._device, fcntl.LOCK_UN)

    def give_way(self, clocks: Clocks | None = None) -> bool:
        """Let those measure who wait to; called between executions, inside ``training``.

        Costs two system calls when nobody waits.

        Returns
        -------
        bool
            Whether somebody did wait.
        """
        if self._held != "training":
            raise RuntimeError("give_way belongs inside `with quiet.training():`")
        try:
            fcntl.flock(self._gate, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._device, fcntl.LOCK_UN)
            self._enter(clocks)
            return True
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Close the lock files, which frees whatever is held."""
        os.close(self._gate)
        os.close(self._device)

    def _enter(self, clocks: Clocks | None) -> None:
        with _waiting(clocks), self._through_gate(fcntl.LOCK_SH):
            fcntl.flock(self._device, fcntl.LOCK_SH)

    @contextmanager
    def _through_gate(self, how: int) -> Iterator[None]:
        fcntl.flock(self._gate, how)
        try:
            yield
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    @contextmanager
    def _holding(self, what: Literal["training", "measuring"]) -> Iterator[None]:
        if self._held is not None:
            raise RuntimeError(f"this process already holds the device for {self._held}")
        self._held = what
        try:
            yield
        finally:
            self._held = None


def _waiting(clocks: Clocks | None) -> "nullcontext[None]":
    return nullcontext() if clocks is None else clocks.on("waiting")  # type: ignore[return-value]


def _open(path: Path) -> int:
    # Not inherited by programs we start: a child that lives on must not keep the lock.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def _kernel() -> str:
    """Return what tells this host from others; its containers, whatever they are called, share it.

    Linux has a random number a boot, which no lock outlives.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return gethostname()


def _own_folder() -> Path:
    folder = temporary_place() / _file_name(f"sweetspot-{os.getuid()}-{_kernel()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StorageError(
            f"the folder {folder} for lock files cannot be used: {error.strerror}"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StorageError(
            f"the folder {folder} for lock files must belong to this user, remove it or set TMPDIR"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder
