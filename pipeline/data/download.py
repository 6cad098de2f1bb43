"""Keras' own download, so that it neither hangs nor leaves half a file in Keras' cache.

Keras is imported in a process of its own (``pipeline.training.download``), and only once
the address has answered: without a network that saves the import's ten seconds. The files
arrive in a temporary folder and move into the cache when they are complete and sound.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from pipeline.config import PROJECT_ROOT
from pipeline.core.errors import DataError
from pipeline.data.published import PublishedSet

#: Where Keras' download goes; only asked whether it answers.
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
ANSWER_SECONDS = 8.0
DOWNLOAD_SECONDS = 600.0


def download(published: PublishedSet, datasets: Path) -> None:
    """Let Keras download a data set into its cache; a terminal shows Keras' progress bar.

    Parameters
    ----------
    datasets
        The cache's folder of data sets; created if need be.

    Raises
    ------
    DataError
        The message is the reason in words, without the name of the set.
    """
    try:
        datasets.mkdir(parents=True, exist_ok=True)
        # Within the cache, so that moving the files is renaming them.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=datasets) as home:
            _run_keras(published, Path(home))
            _adopt(published, Path(home) / "datasets", datasets)
    except OSError as error:
        raise DataError(f"{datasets} cannot be written: {error.strerror}") from error


def why_unreachable(address: str, seconds: float) -> str | None:
    """Return why an HTTP address does not answer, or None where it does.

    Any HTTP status is an answer. ``seconds`` bounds the whole attempt, name resolution
    included, which has no time limit of its own.
    """
    reasons: list[str | None] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(
                urllib.request.Request(address, method="HEAD"), timeout=seconds
            ).close()
        except urllib.error.HTTPError:
            reasons.append(None)
        except urllib.error.URLError as error:
            reasons.append(_words(error.reason))
        except (OSError, ValueError, http.client.HTTPException) as error:
            reasons.append(_words(error))
        else:
            reasons.append(None)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return reasons[0] if reasons else f"no answer within {seconds:g} s"


def _words(reason: str | BaseException) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__


def _run_keras(published: PublishedSet, home: Path) -> None:
    """Download into an empty Keras home, in a process of its own."""
    progress = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.training.download", published.name],
            cwd=PROJECT_ROOT,
            env=os.environ | {"KERAS_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=progress,
            stderr=subprocess.PIPE,
            timeout=DOWNLOAD_SECONDS,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"not complete after {DOWNLOAD_SECONDS:g} s") from error
    if done.returncode != 0:
        # Libraries talk on the same stream; the reason comes last.
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise DataError(lines[-1].strip())


def _adopt(published: PublishedSet, arrived: Path, datasets: Path) -> None:
    """Check what arrived, then move it into the cache file by file, each by renaming."""
    source = published.find(arrived)
    if source is None:
        raise DataError("what arrived is not complete")
    source.learning()
    source.test()
    path = arrived / published.keras_path
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        target = datasets / file.relative_to(arrived)
        target.parent.mkdir(exist_ok=True)
        file.replace(target)
