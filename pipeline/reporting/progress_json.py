"""A sweep's progress for programs: what ``sweetspot status --json`` prints."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.reporting.files import SUMMARY_NAME, read_summary
from pipeline.reporting.sweep_progress import SweepProgress


def status_json(sweep_dir: Path, progress: SweepProgress) -> dict[str, Any]:
    """Return plain values for JSON.

    The keys are those of ``SweepProgress``, ``done``, and ``summary``: the content of
    ``summary.json``, null before the first trial has ended. Times are seconds, accuracies lie
    in [0, 1].

    Raises
    ------
    StorageError
        The summary is there but cannot be read.
    """
    summary = read_summary(sweep_dir) if (sweep_dir / SUMMARY_NAME).exists() else None
    return {**asdict(progress), "done": progress.done, "summary": summary}
