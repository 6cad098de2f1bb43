"""What a sweep's own event log says: when somebody ran it, and what was read from test."""

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.tracking.event_log import read, sweep_log_path
from pipeline.tracking.events import Concluded, SessionEnded, SessionStarted, TestRead, content_of

#: The name of the run where the scheduler is not Slurm; a pod has that of its Job.
RUN_VARIABLE = "SWEETSPOT_RUN"


def this_run() -> str | None:
    """Return which run of a scheduler this process is part of; None outside of one.

    All tasks of an array have the same one, and so do the pods of a Job, also when they come back
    after they were told to leave.
    """
    return os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get(RUN_VARIABLE) or None


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """The runs of ``sweetspot sweep`` over one sweep.

    Parameters
    ----------
    finished_seconds
        Wall time of the runs that have ended.
    open_since
        When the run in progress started, in seconds since the epoch; None where none is.
    last_ended
        When the last run ended, in seconds since the epoch; 0 where none has.
    exit_status
        Of the last run that ended; None where none has, or where one is in progress.
    is_concluded
        Whether all that follows the end of the last run is done; of one in progress, nothing is due
        yet.
    run
        The scheduler's run (``this_run``) that the last one was part of; None where of none.
    run_seconds
        By scheduler's run, the wall time of those that have ended.
    threads
        Compute threads of a worker in the first run; None where there was none, or an earlier
        version's.
    test_readings
        By trial number, the first reading of the test images.
    """

    finished_seconds: float = 0.0
    open_since: float | None = None
    last_ended: float = 0.0
    exit_status: int | None = None
    is_concluded: bool = True
    run: str | None = None
    run_seconds: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None
    test_readings: dict[int, TestRead] = field(default_factory=dict)

    @classmethod
    def read(cls, sweep_dir: Path) -> "Sessions":
        """Read the sweep's event log; empty where there is none."""
        finished, started, last = 0.0, None, 0.0
        by_run: defaultdict[str | None, float] = defaultdict(float)
        run: str | None = None
        status: int | None = None
        last_ended = 0.0
        is_concluded = True
        threads: int | None = None
        is_first = True
        readings: dict[int, TestRead] = {}
        for event in read(sweep_log_path(sweep_dir)):
            content = content_of(event)
            if isinstance(content, SessionStarted):
                if started is not None:  # the run before was killed: it lasted this long at least
                    finished += max(0.0, last - started)
                    by_run[run] += max(0.0, last - started)
                started, status, run = event.time, None, content.run
                is_concluded = True
                threads = content.threads if is_first else threads
                is_first = False
            elif isinstance(content, SessionEnded):
                finished += content.wall_seconds
                by_run[run] += content.wall_seconds
                started, status = None, content.exit_status
                last_ended = event.time
                is_concluded = not content.concludes
            elif isinstance(content, Concluded):
                is_concluded = True
            elif isinstance(content, TestRead):
                readings.setdefault(content.trial, content)
            last = event.time
        return cls(
            finished_seconds=finished,
            open_since=started,
            last_ended=last_ended,
            exit_status=status,
            is_concluded=is_concluded,
            run=run,
            run_seconds={name: seconds for name, seconds in by_run.items() if name is not None},
            threads=threads,
            test_readings=readings,
        )

    def seconds_of(self, run: str | None) -> float:
        """Return the seconds of a scheduler's run so far; for None, of the open session alone."""
        running = 0.0
        if self.open_since is not None and run == self.run:
            running = max(0.0, time.time() - self.open_since)
        return running + (0.0 if run is None else self.run_seconds.get(run, 0.0))

    def wall_seconds(self) -> float:
        """Return the seconds spent on the sweep so far."""
        running = 0.0 if self.open_since is None else max(0.0, time.time() - self.open_since)
        return self.finished_seconds + running
