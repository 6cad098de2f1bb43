"""The trials of a study in storage: ended, recovered from dead workers, and read back.

What a sweep's search and its final round have in common. Optuna numbers every trial it holds,
retries included; users see our own numbers, and each attempt carries those it belongs to.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.outcome import Ending
from pipeline.core.trial import (
    Outcome,
    RunKey,
    TrialRecord,
    TrialSpecification,
    specification_from_json,
)
from pipeline.search.telling import tell


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A trial that a worker has claimed and must end."""

    specification: TrialSpecification
    trial: optuna.Trial

    def reached_rung(self, epoch: int, accuracy: float) -> None:
        """Let peers know the accuracy at a rung."""
        self.trial.set_user_attr(f"{RUNG}{epoch}", accuracy)

    def knows_costs(self, costs: dict[str, float]) -> None:
        """Let peers know the costs that were measured before training."""
        self.trial.set_user_attr(COSTS, costs)


#: Attributes of a trial by which its peers know it.
RUNG, COSTS = "rung:", "costs"


class TrialLedger(ABC):
    """The trials of one Optuna study of a sweep.

    Parameters
    ----------
    config
        The sweep's configuration.
    name
        The study's.
    """

    def __init__(self, config: Config, name: str, storage: BaseStorage) -> None:
        self._config = config
        self._name = name
        self._storage = storage
        self._lock = FileLock(lock_file(config.sweep_dir))

    @property
    @abstractmethod
    def _study(self) -> optuna.Study:
        """The study."""

    @abstractmethod
    def _trials(self) -> list[FrozenTrial]:
        """Return every attempt in the order in which they were made."""

    @abstractmethod
    def _after_ending(self) -> None:
        """Queue what was interrupted, under the lock."""

    def _create(self) -> optuna.Study:
        directions: list[Literal["maximize", "minimize"]] = ["maximize"]
        directions += ["minimize"] * len(self._config.objective.costs)
        return optuna.create_study(
            study_name=self._name,
            storage=self._storage,
            directions=directions,
            load_if_exists=True,
        )

    def end(self, claim: Claim, ending: Ending, record: TrialRecord) -> None:
        """Store how a claimed trial ended; an interrupted one is queued again."""
        with self._lock:
            claim.trial.set_user_attr("record", json.dumps(record.to_json()))
            tell(self._study, claim.trial, ending, record, self._config.objective.costs)
            self._after_ending()

    def recover(
        self, alive: Callable[[str], bool], describe: Callable[[TrialRecord], TrialRecord]
    ) -> list[TrialRecord]:
        """End what dead workers left running, queue it again, and return their records.

        A trial becomes ``interrupted``, or ``failed`` once its worker has been lost more than
        ``search.max_retries`` times. Doing this twice changes nothing.

        Parameters
        ----------
        alive
            Whether the worker of this name still runs.
        describe
            Adds to the bare record what the event log knows.
        """
        with self._lock:
            ended = []
            for frozen in self._trials():
                # The worker's name is set under this lock: without one, its worker is dead.
                if frozen.state is TrialState.RUNNING and not alive(
                    frozen.user_attrs.get("worker", "")
                ):
                    record = self._end_lost(frozen, describe)
                    if record is not None:
                        ended.append(record)
            self._after_ending()
            return ended

    def _end_lost(
        self, frozen: FrozenTrial, describe: Callable[[TrialRecord], TrialRecord]
    ) -> TrialRecord | None:
        losses = frozen.user_attrs["losses"] + 1
        self._set(frozen, "losses", losses)
        record = None
        if "specification" in frozen.user_attrs:
            specification = specification_from_json(frozen.user_attrs["specification"])
            again = losses <= self._config.search.max_retries
            record = replace(
                describe(TrialRecord(specification=specification)),
                outcome=Outcome.INTERRUPTED if again else Outcome.FAILED,
                reason=f"its worker was lost {losses} {'time' if losses == 1 else 'times'}",
            )
            self._set(frozen, "record", json.dumps(record.to_json()))
        self._study.tell(frozen.number, state=TrialState.FAIL)
        return record

    def _set(self, frozen: FrozenTrial, key: str, value: Any) -> None:
        study_id = self._storage.get_study_id_from_name(self._name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, frozen.number)
        self._storage.set_trial_user_attr(trial_id, key, value)

    def _latest(self) -> dict[RunKey, FrozenTrial]:
        """Return the latest attempt of each training."""
        return {run_of(trial): trial for trial in self._trials()}

    def records(self) -> list[TrialRecord]:
        """Return the latest attempt of every training, in order; waiting ones are left out."""
        latest: dict[RunKey, TrialRecord] = {}
        for trial in self._trials():
            record = record_of(trial)
            if record is not None:
                latest[record.specification.run] = record
        return [latest[run] for run in sorted(latest)]

    def waiting(self) -> int:
        """Return how many trials were queued again and wait for a worker."""
        return sum(trial.state is TrialState.WAITING for trial in self._trials())

    def is_idle(self) -> bool:
        """Whether no trial runs."""
        return all(trial.state is not TrialState.RUNNING for trial in self._trials())


def run_of(trial: FrozenTrial) -> RunKey:
    """Return which training of the sweep an attempt belongs to."""
    return RunKey(trial.user_attrs["number"], trial.user_attrs.get("repetition", 0))


def record_of(trial: FrozenTrial) -> TrialRecord | None:
    """Return what is known of an attempt; None while it waits, or has just been claimed."""
    if "record" in trial.user_attrs:
        return TrialRecord.from_json(json.loads(trial.user_attrs["record"]))
    if trial.state is TrialState.RUNNING and "specification" in trial.user_attrs:
        return TrialRecord(
            specification=specification_from_json(trial.user_attrs["specification"]),
            costs=trial.user_attrs.get(COSTS, {}),
        )
    return None


def was_interrupted(trial: FrozenTrial) -> bool:
    """Whether an attempt ended without a result, so that another one is due."""
    record = record_of(trial)
    return trial.state is TrialState.FAIL and (
        record is None or record.outcome is Outcome.INTERRUPTED
    )


def lock_file(sweep_dir: Path) -> Path:
    """Return the lock under which a sweep's claims and summary change."""
    return sweep_dir / "claims.lock"
