"""Whose runs those of a sweep are, on a server that several people and folders share.

A sweep is called after its question unless it has a name, so that two of them may have the same.
What they do not have in common is the moment at which somebody first began them.
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.event_log import sweep_log_path

if TYPE_CHECKING:
    from mlflow.entities import Run

#: On the sweep's own run; MLflow's pages do not list tags whose names start like this.
OWNER_TAG = "mlflow.sweetspot.owner"
PARENT_TAG = "mlflow.parentRunId"
_DIGITS = 16
#: MLflow keeps milliseconds.
_SAME_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """What stands for a sweep wherever its folder goes.

    Parameters
    ----------
    digest
        Of the first line of its log; None where workers have trained without a supervisor.
    starts
        When it was begun, in seconds since the epoch, by all that its logs tell.
    """

    digest: str | None
    starts: tuple[float, ...]


def owner_of(sweep_dir: Path) -> Owner | None:
    """Return what stands for a sweep; None before it was begun."""
    try:
        with sweep_log_path(sweep_dir).open("rb") as log:
            first = log.readline()
    except OSError:
        return None
    if not first.endswith(b"\n"):  # nothing yet, or it is being written
        return None
    starts: tuple[float, ...] = ()
    with suppress(ValueError, LookupError, TypeError):
        starts = (float(json.loads(first)["time"]),)
    return Owner(digest=hashlib.sha256(first).hexdigest()[:_DIGITS], starts=starts)


def part(
    runs: "Iterable[Run]", owner: Owner | None, *, shared: bool
) -> "tuple[list[Run], list[Run]]":
    """Part the runs of one name into those of this sweep and those of others that have it.

    Parameters
    ----------
    owner
        As ``owner_of`` says.
    shared
        Whether the store is a server's; the one in this ``mlruns`` knows no others.
    """
    runs = list(runs)
    if not shared:
        return runs, []
    theirs = {r.info.run_id for r in runs if "trial" not in r.data.tags and not _is_of(r, owner)}

    def is_other(run: "Run") -> bool:
        return bool({run.info.run_id, run.data.tags.get(PARENT_TAG)} & theirs)

    return [run for run in runs if not is_other(run)], [run for run in runs if is_other(run)]


def _is_of(run: "Run", owner: Owner | None) -> bool:
    if owner is None:
        return False
    digest = run.data.tags.get(OWNER_TAG)
    if digest is None:  # an earlier version's, or from before somebody began the sweep
        began = run.info.start_time / 1000
        return any(abs(began - start) < _SAME_SECONDS for start in owner.starts)
    return bool(digest == owner.digest)
