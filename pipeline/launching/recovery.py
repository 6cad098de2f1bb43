"""Trials whose workers are lost: found, ended and queued again, by whoever looks first."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.core.trial import TrialRecord
from pipeline.launching.presence import is_alive, is_here, is_supervised, was_told
from pipeline.launching.results import SweepResults
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_record

_LOOK_SECONDS = 5.0


def recover_lost(sweep_dir: Path, study: SweepStudy, results: SweepResults) -> list[TrialRecord]:
    """End the trials of lost workers and return their records; see ``TrialLedger.recover``.

    A worker of this machine is lost once it has let go of its lock, or storage, if it keeps
    heartbeats, has not heard of it for too long. What is known of others is what storage has heard
    of them; where it keeps no heartbeats, their locks count as well.
    """
    beats = study.storage.heartbeat_seconds is not None

    def alive(worker: str) -> bool:
        return (beats and not is_here(worker)) or is_alive(sweep_dir, worker)

    def told(worker: str) -> bool:
        return was_told(sweep_dir, worker)

    def describe(bare: TrialRecord) -> TrialRecord:
        known = trial_record(read(trial_log_path(sweep_dir, *bare.specification.run)))
        return bare if known is None else replace(known, specification=bare.specification)

    return results.lost_trials(study, alive, describe, told)


class Lookout:
    """Recovers lost trials now and then, for a worker that may have no supervisor.

    Where storage keeps no heartbeats, only while there is none: it sees its workers die.
    """

    def __init__(
        self,
        sweep_dir: Path,
        study: SweepStudy,
        results: SweepResults,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sweep_dir = sweep_dir
        self._study = study
        self._results = results
        self._clock = clock
        self._next = 0.0

    def look(self) -> None:
        """Recover what is lost, where the last look was some time ago."""
        if self._clock() < self._next:
            return
        beats = self._study.storage.heartbeat_seconds
        if beats is not None or not is_supervised(self._sweep_dir):
            recover_lost(self._sweep_dir, self._study, self._results)
        self._next = self._clock() + (_LOOK_SECONDS if beats is None else beats)
