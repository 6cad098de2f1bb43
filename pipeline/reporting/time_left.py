"""When a running sweep will be over, from the trials that have ended."""

import heapq
from collections.abc import Sequence

from pipeline.core.trial import Outcome, TrialRecord


def estimate_seconds_left(
    durations: Sequence[float], running: Sequence[float], waiting: int, workers: int
) -> float | None:
    """Estimate when the last trial ends, if every trial takes as long as the mean so far.

    Parameters
    ----------
    durations
        Seconds of each trial that ended.
    running
        Seconds for which each running trial has been running.
    waiting
        Trials that have not started.
    workers
        Trials that run side by side, at least 1.

    Returns
    -------
    float or None
        Seconds from now; None while no trial has ended.
    """
    if not durations:
        return None
    mean = sum(durations) / len(durations)
    free_at = [max(mean - spent, 0.0) for spent in running]
    free_at += [0.0] * (workers - len(free_at))
    heapq.heapify(free_at)
    for _ in range(waiting):
        heapq.heapreplace(free_at, free_at[0] + mean)
    return max(free_at)


def seconds_left(
    trials_so_far: Sequence[TrialRecord],
    further: Sequence[TrialRecord],
    *,
    trials: int,
    finalists: int,
    workers: int,
    minutes: float | None,
    since: float,
    now: float,
) -> float | None:
    """Estimate when the last trial of the search and of the final round ends.

    Parameters
    ----------
    trials_so_far, further
        Trials of the search, and further trainings of finalists.
    trials, finalists
        How many of these there are to be.
    minutes
        After so many minutes of the session no trial of the search is started any more.
    since, now
        When the session started, and the time now, in seconds since the epoch.

    Returns
    -------
    float or None
        Seconds from now; None while no trial has ended.
    """
    over = [r for r in trials_so_far if _is_over(r)]
    # A trial that was taken up again says nothing: it may have waited for a day in between.
    first = [r for r in (*over, *further) if r.specification.attempt == 0]
    durations = [r.ended - r.started for r in first if r.ended and r.started]

    def running(records: Sequence[TrialRecord]) -> list[float]:
        return [now - max(r.started or now, since) for r in records if r.outcome is None]

    searching, repeating = running(trials_so_far), running(further)
    waiting = max(trials - len(over) - len(searching), 0)
    last = max(finalists - sum(map(_is_over, further)) - len(repeating), 0)
    if minutes is None:
        started = [*searching, *repeating]
        return estimate_seconds_left(durations, started, waiting + last, workers)
    left = estimate_seconds_left(durations, searching, waiting, workers)
    after = estimate_seconds_left(durations, repeating, last, workers)
    if left is None or after is None:
        return None
    return min(left, max(60 * minutes - (now - since), 0.0)) + after


def _is_over(record: TrialRecord) -> bool:
    return record.outcome not in (None, Outcome.INTERRUPTED)
