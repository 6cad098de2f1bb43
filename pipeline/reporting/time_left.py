"""When a running sweep will be over, from the trials that have ended."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.trial import Outcome, TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A training in progress.

    Parameters
    ----------
    spent
        Seconds for which it has been running.
    whole
        Seconds that it takes in all, by its epochs so far; None where there are none.
    """

    spent: float
    whole: float | None = None


def estimate_seconds_left(
    durations: Sequence[float], running: Sequence[Running], waiting: int, workers: int
) -> float | None:
    """Estimate when the last trial ends, if those to come take as long as the mean so far.

    Parameters
    ----------
    durations
        Seconds of each trial that ended. Those that run count too, as far as they tell: the
        first ones to end are the quickest.
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
    known = [*durations, *(trial.whole for trial in running if trial.whole is not None)]
    mean = sum(known) / len(known)
    free_at = [
        max((mean if trial.whole is None else trial.whole) - trial.spent, 0.0) for trial in running
    ]
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
    epochs: int | None,
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
    epochs
        Of a trial that does not say so itself; None where that is not known.
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

    def running(records: Sequence[TrialRecord]) -> list[Running]:
        return [_running(r, epochs, since, now) for r in records if r.outcome is None]

    searching, repeating = running(trials_so_far), running(further)
    waiting = max(trials - len(over) - len(searching), 0)
    last = max(finalists - sum(map(_is_over, further)) - len(repeating), 0)
    durations = _durations([*over, *further])
    left = estimate_seconds_left(durations, searching, waiting, workers)
    begun = estimate_seconds_left(durations, searching, 0, workers)
    repeated = _durations(_like_finalists(over, further)) or durations
    after = estimate_seconds_left(repeated, repeating, last, workers)
    if left is None or begun is None or after is None:
        return None
    if minutes is not None:
        left = min(left, max(60 * minutes - (now - since), begun))
    return left + after


def _running(record: TrialRecord, epochs: int | None, since: float, now: float) -> Running:
    spent = now - max(record.started or now, since)
    done, every = len(record.history), record.specification.recipe.epochs or epochs
    if not done or every is None or record.specification.attempt:  # part of it was done before
        return Running(spent=spent)
    # Somewhere within its next epoch, or measuring after the last one.
    return Running(spent=spent, whole=spent * every / min(done + 0.5, every))


def _durations(records: Sequence[TrialRecord]) -> list[float]:
    # A trial that was taken up again says nothing: it may have waited for a day in between.
    first = [record for record in records if record.specification.attempt == 0]
    return [record.ended - record.started for record in first if record.ended and record.started]


def _like_finalists(
    over: Sequence[TrialRecord], further: Sequence[TrialRecord]
) -> list[TrialRecord]:
    """Return the trainings that tell how long a finalist's takes.

    Of the finalists that are known; before there are any, of all that were trained to their end.
    """
    known = {record.number for record in further}
    if known:
        return [record for record in (*over, *further) if record.number in known]
    return [record for record in over if record.outcome is Outcome.COMPLETE]


def _is_over(record: TrialRecord) -> bool:
    return record.outcome not in (None, Outcome.INTERRUPTED)
