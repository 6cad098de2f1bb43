"""Tells a program or a webhook how a sweep ended; nothing that happens here changes a status."""

import http.client
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.config import Config, NotifyConfig
from pipeline.core.errors import StorageError, SweetspotError
from pipeline.launching.holder import SweepBusy
from pipeline.reporting.files import read_summary
from pipeline.reporting.mail import summary_line

SCHEMA_VERSION = 1


def summary_message(sweep_dir: Path, status: int) -> dict[str, Any]:
    """Return what is told: the sweep's name, the exit status, one line, and ``summary.json``."""
    try:
        summary = read_summary(sweep_dir)
    except StorageError:
        summary = None
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": sweep_dir.name,
        "status": status,
        "line": summary_line(sweep_dir.name, status, summary),
        "summary": summary,
    }


def tell_end(config: Config, status: int, say: Callable[[str], None]) -> None:
    """Tell whoever ``config.notify`` names that a run of the sweep has ended.

    Parameters
    ----------
    say
        Takes a sentence about what did not work.
    """
    settings = config.notify
    message = json.dumps(summary_message(config.sweep_dir, status)).encode()
    if settings.command is not None:
        _report(say, "notify.command", _run(settings.command, message, settings.seconds))
    _report(say, "notify.url", _post(settings, message))


@contextmanager
def failure_told(
    config: Config, say: Callable[[str], None], has_ended: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Tell of a run that breaks inside the block, as ``tell_end`` does of one that ends.

    Parameters
    ----------
    has_ended
        Whether the run of the sweep is over with that.
    """
    try:
        yield
    except SweepBusy:  # another one runs it and will tell
        raise
    except SweetspotError as error:
        if has_ended():
            tell_end(config, error.status, say)
        raise


def _report(say: Callable[[str], None], setting: str, failure: str | None) -> None:
    if failure is not None:
        say(f"{setting}: {failure}; the sweep itself is not affected")


def _run(command: Sequence[str], message: bytes, seconds: float) -> str | None:
    """Run a program with the message as its input; return what went wrong."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return f"{command[0]} could not be started ({getattr(error, 'strerror', None) or error})"
    try:
        process.communicate(message, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
        process.wait()
        return f"{command[0]} took longer than notify.seconds={seconds:g} and was ended"
    if process.returncode:
        return f"{command[0]} ended with status {process.returncode}"
    return None


def _post(settings: NotifyConfig, message: bytes) -> str | None:
    """Post the message where there is a webhook; return what went wrong, without its URL."""
    try:
        url = settings.webhook()
    except OSError as error:
        return f"{settings.url_file} cannot be read ({error.strerror})"
    except ValueError as error:
        return str(error)
    if url is None:
        return None
    host = urlsplit(url).hostname
    failures: list[str | None] = []
    # A server that sends a byte now and then would keep a socket's own time limit from coming.
    thread = threading.Thread(
        target=lambda: failures.append(_request(url, message, settings.seconds)), daemon=True
    )
    thread.start()
    thread.join(settings.seconds)
    if not failures:
        return f"{host} did not answer within notify.seconds={settings.seconds:g}"
    return None if failures[0] is None else f"{host} was not told: {failures[0]}"


def _request(url: str, message: bytes, seconds: float) -> str | None:
    request = urllib.request.Request(
        url, data=message, headers={"Content-Type": "application/json", "User-Agent": "sweetspot"}
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        reason = error.reason
        return (reason.strerror or str(reason)) if isinstance(reason, OSError) else "no connection"
    except (
        OSError,
        ValueError,
        http.client.HTTPException,
    ) as error:  # texts may hold the URL
        return type(error).__name__
