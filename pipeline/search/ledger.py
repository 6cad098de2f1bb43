"""The trials of a study in storage: claimed, ended, recovered from dead workers, and read back.

What a sweep's search and its final round have in common. Optuna numbers every trial it holds,
retries included; users see our own numbers, and each attempt carries those it belongs to.

Each step happens under one lock for all workers of the sweep, and may be repeated from its
start at any point: it looks first at what is there already.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.outcome import Ending, Interrupted
from pipeline.core.trial import (
    Outcome,
    RunKey,
    TrialRecord,
    TrialSpecification,
    specification_from_json,
    specification_to_json,
)
from pipeline.search.experimental import experiments_accepted
from pipeline.search.storage import StudyStorage
from pipeline.search.telling import tell

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A trial that a worker has claimed and must end.

    Parameters
    ----------
    epochs
        How long trials are trained that do not say so themselves.
    """

    specification: TrialSpecification
    trial: optuna.Trial
    storage: StudyStorage
    epochs: int

    @property
    def rungs(self) -> str:
        """What the attributes of its rungs begin with, the same for trials of equal length."""
        own = self.specification.recipe.epochs
        return f"{RUNG}:" if own in (None, self.epochs) else f"{RUNG}/{own}:"

    def epoch_of_rung(self, attribute: str) -> int | None:
        """Return which rung an attribute of a trial as long as this one is; None if it is none."""
        prefixes = [self.rungs]
        if self.rungs == f"{RUNG}:":  # earlier versions told apart who names the sweep's own length
            prefixes.append(f"{RUNG}/{self.epochs}:")
        return next(
            (int(attribute.removeprefix(p)) for p in prefixes if attribute.startswith(p)), None
        )

    def reached_rung(self, epoch: int, accuracy: float) -> None:
        """Let peers know the validation accuracy that it has come to at a rung."""
        self._tell_peers(f"{self.rungs}{epoch}", {"accuracy": accuracy})

    def knows_costs(self, costs: dict[str, float]) -> None:
        """Let peers know the costs that were measured before training."""
        self._tell_peers(COSTS, costs)

    def beat(self) -> bool:
        """Say that the worker lives; return whether the trial is still its own."""
        return self.storage.beat(self.trial.study.study_name, self.trial.number)

    def _tell_peers(self, name: str, value: Any) -> None:
        try:
            self.storage.retrying(lambda: self.trial.set_user_attr(name, value))
        except UpdateFinishedTrialError as error:
            raise Interrupted(TAKEN_AWAY) from error


#: Why a worker that was silent for too long has to let go of its trial.
TAKEN_AWAY = "the trial was given to another worker, as nothing was heard of this one"
#: Attributes of a trial by which its peers know it.
RUNG, COSTS = "reached", "costs"


class TrialLedger(ABC):
    """The trials of one Optuna study of a sweep.

    Parameters
    ----------
    config
        The sweep's configuration.
    name
        The study's.
    """

    def __init__(self, config: Config, name: str, storage: StudyStorage) -> None:
        self._config = config
        self._name = name
        self._storage = storage

    @property
    def storage(self) -> StudyStorage:
        """Where the study lives."""
        return self._storage

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
        study = optuna.create_study(
            study_name=self._name,
            storage=self._storage.optuna,
            directions=directions,
            load_if_exists=True,
        )
        if study.metric_names is None:  # what dashboards call the objectives
            with experiments_accepted():
                study.set_metric_names(["val_accuracy", *self._config.objective.costs])
        return study

    def _alone(self, step: Callable[[], T]) -> T:
        """Run a step while no other worker runs one; from its start again if storage is lost."""

        def attempt() -> T:
            with self._storage.alone():
                return step()

        return self._storage.retrying(attempt)

    def _read(self) -> list[FrozenTrial]:
        return self._storage.retrying(self._trials)

    def _swept(self) -> list[FrozenTrial]:
        """Return every attempt, after ending those whose claim was never done to its end.

        Nobody trains them: a claim is a step, and ends with the specification.
        """
        trials = self._trials()
        broken = [t for t in trials if t.state is TrialState.RUNNING and not _is_specified(t)]
        if not broken:
            return trials
        for trial in broken:
            self._study.tell(trial.number, state=TrialState.FAIL)
        self._after_ending()
        return self._trials()

    def _ask(
        self,
        worker: str,
        specify: Callable[[optuna.Trial], TrialSpecification],
        asked: list[int],
        waiting: FrozenTrial | None = None,
    ) -> Claim:
        """Claim ``waiting``, or the trial that waits longest; ``asked`` is told its number."""
        with experiments_accepted():
            if waiting is None:
                trial = self._study.ask()
            else:
                trial_id = self._trial_id(waiting.number)
                self._storage.optuna.set_trial_state_values(trial_id, TrialState.RUNNING)
                trial = optuna.Trial(self._study, trial_id)
            asked.append(trial.number)
            self._storage.beat(self._name, trial.number)
            trial.set_user_attr("worker", worker)
            specification = specify(trial)
        trial.set_user_attr("specification", specification_to_json(specification))
        return self._claim_of(trial, specification)

    def _asked(self, asked: list[int], trials: list[FrozenTrial]) -> Claim | None:
        """Return the trial that was claimed, where only the answer to that was lost."""
        for number in asked:
            if trials[number].state is TrialState.RUNNING:
                trial = optuna.Trial(self._study, self._trial_id(number))
                specification = specification_from_json(trials[number].user_attrs["specification"])
                return self._claim_of(trial, specification)
        return None

    def _claim_of(self, trial: optuna.Trial, specification: TrialSpecification) -> Claim:
        return Claim(
            specification=specification,
            trial=trial,
            storage=self._storage,
            epochs=self._config.training.epochs,
        )

    def is_running(self, claim: Claim) -> bool:
        """Whether a claimed trial is still its worker's, or else was given to another one."""
        trial = self._storage.retrying(lambda: self._attempt(claim.trial.number))
        return trial.state is TrialState.RUNNING

    def end(self, claim: Claim, ending: Ending, record: TrialRecord) -> bool:
        """Store how a claimed trial ended; an interrupted one is queued again.

        Returns
        -------
        bool
            False where the trial has ended otherwise: it was given to another worker.
        """
        return self._alone(lambda: self._end(claim, ending, record))

    def _end(self, claim: Claim, ending: Ending, record: TrialRecord) -> bool:
        text = json.dumps(record.to_json())
        frozen = self._attempt(claim.trial.number)
        if not frozen.state.is_finished():
            claim.trial.set_user_attr("record", text)
            tell(self._study, claim.trial, ending, record, self._config.objective.costs)
        elif frozen.user_attrs.get("record") != text:
            return False
        if ending.outcome is Outcome.INTERRUPTED:
            self._after_ending()
        return True

    def _attempt(self, number: int) -> FrozenTrial:
        """Return one attempt by Optuna's number: all that run take time to read."""
        return self._storage.optuna.get_trial(self._trial_id(number))

    def recover(
        self,
        alive: Callable[[str], bool],
        describe: Callable[[TrialRecord], TrialRecord],
        told: Callable[[str], bool] = lambda worker: False,
    ) -> list[TrialRecord]:
        """End what dead workers left running, queue it again, and return their records.

        A trial becomes ``interrupted``, or ``failed`` once its worker has been lost more than
        ``search.max_retries`` times. Doing this twice changes nothing.

        Parameters
        ----------
        alive
            Whether the worker of this name still runs, as far as this machine knows; one that
            storage has not heard of for too long is dead all the same.
        describe
            Adds to the bare record what the event log knows.
        told
            Whether the worker of this name was told to leave: its end is not counted.
        """
        # Filled by every repetition: what one of them ended, the next does not find any more.
        ended: dict[int, TrialRecord] = {}

        def step() -> None:
            silent = self._storage.silent(self._name) if self._trials() else frozenset()
            for frozen in self._swept():
                if frozen.state is not TrialState.RUNNING:
                    continue
                if frozen.number in silent or not alive(frozen.user_attrs["worker"]):
                    counted = not told(frozen.user_attrs["worker"])
                    ended[frozen.number] = self._end_lost(frozen, describe, counted=counted)
            self._after_ending()

        self._alone(step)
        return [ended[number] for number in sorted(ended)]

    def _end_lost(
        self,
        frozen: FrozenTrial,
        describe: Callable[[TrialRecord], TrialRecord],
        *,
        counted: bool,
    ) -> TrialRecord:
        losses = frozen.user_attrs["losses"] + counted
        specification = specification_from_json(frozen.user_attrs["specification"])
        again = losses <= self._config.search.max_retries
        record = replace(
            describe(TrialRecord(specification=specification)),
            outcome=Outcome.INTERRUPTED if again else Outcome.FAILED,
            reason=f"its worker was lost {losses} {'time' if losses == 1 else 'times'}"
            if counted
            else "the worker was told to leave and did not in time",
        )
        trial_id = self._trial_id(frozen.number)
        for name, value in (("lost", counted), ("record", json.dumps(record.to_json()))):
            self._storage.optuna.set_trial_user_attr(trial_id, name, value)
        self._study.tell(frozen.number, state=TrialState.FAIL)
        return record

    def _trial_id(self, number: int) -> int:
        storage = self._storage.optuna
        study_id = storage.get_study_id_from_name(self._name)
        return storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _latest(self) -> dict[RunKey, FrozenTrial]:
        """Return the latest attempt of each training."""
        return {run_of(trial): trial for trial in self._trials()}

    def records(self) -> list[TrialRecord]:
        """Return the latest attempt of every training, in order; waiting ones are left out."""
        latest: dict[RunKey, TrialRecord] = {}
        for trial in self._read():
            record = record_of(trial)
            if record is not None:
                latest[record.specification.run] = record
        return [latest[run] for run in sorted(latest)]

    def is_idle(self) -> bool:
        """Whether no trial runs."""
        return all(trial.state is not TrialState.RUNNING for trial in self._read())


def run_of(trial: FrozenTrial) -> RunKey:
    """Return which training of the sweep an attempt belongs to."""
    return RunKey(trial.user_attrs["number"], trial.user_attrs.get("repetition", 0))


def record_of(trial: FrozenTrial) -> TrialRecord | None:
    """Return what is known of an attempt; None while it waits, or has just been claimed."""
    # Whoever ends a trial writes its record first, and may have died before Optuna was told.
    if "record" in trial.user_attrs and trial.state.is_finished():
        return TrialRecord.from_json(json.loads(trial.user_attrs["record"]))
    if trial.state is TrialState.RUNNING and _is_specified(trial):
        return TrialRecord(
            specification=specification_from_json(trial.user_attrs["specification"]),
            costs=trial.user_attrs.get(COSTS, {}),
        )
    return None


def was_interrupted(trial: FrozenTrial) -> bool:
    """Whether an attempt ended without a result, so that another one is due."""
    if trial.state is not TrialState.FAIL:
        return False  # said first: reading every trial's record takes long in a large sweep
    record = record_of(trial)
    return record is None or record.outcome is Outcome.INTERRUPTED


def next_attempt(trial: FrozenTrial) -> dict[str, int]:
    """Return what the attempt that follows an interrupted one is known by."""
    return {
        "attempt": trial.user_attrs["attempt"] + 1,
        "losses": trial.user_attrs["losses"] + trial.user_attrs.get("lost", False),
        "retry_of": trial.number,
    }


def _is_specified(trial: FrozenTrial) -> bool:
    return "specification" in trial.user_attrs
