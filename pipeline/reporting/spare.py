"""What a sweep's folder holds that nobody needs any more."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.core.trial import Outcome
from pipeline.tracking.event_log import events_dir, read
from pipeline.tracking.mirror import MIRROR_LOCK
from pipeline.tracking.story import trial_record


def spare_files(sweep_dir: Path) -> list[Path]:
    """Return the files that can go: the networks and all that the sweep goes on from stay.

    These are the checkpoints of trials that are over, the output of workers, and what
    processes that were killed had begun to write. Of a sweep that is being run, some are still
    in use.
    """
    return sorted({*_old_checkpoints(sweep_dir), *_logs(sweep_dir), *_unfinished(sweep_dir)})


def _old_checkpoints(sweep_dir: Path) -> Iterator[Path]:
    """Yield the checkpoints that no attempt will go on from; an interrupted trial's stays."""
    for path in (sweep_dir / "checkpoints").glob("[0-9]*"):  # those of no use as well
        known = trial_record(read(events_dir(sweep_dir) / f"{path.stem}.jsonl"))
        if known is not None and known.outcome not in (None, Outcome.INTERRUPTED):
            yield path


def _logs(sweep_dir: Path) -> Iterator[Path]:
    yield from (sweep_dir / "logs").glob("*.log")


def _unfinished(sweep_dir: Path) -> Iterator[Path]:
    """Yield files under a name for the time being, which writers replace by renaming."""
    for path in sweep_dir.rglob(".*"):
        if path.is_file() and path.name != MIRROR_LOCK:
            yield path
