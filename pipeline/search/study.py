"""A sweep's study: claims, endings and records, the same for every storage.

Optuna numbers every trial it holds, retries included; users see our own numbers, which count
originals from 0. The first two are the references. A claim happens under one lock, so that the
budget is exact however many workers ask.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import StorageError
from pipeline.core.limits import unmet_limits
from pipeline.core.outcome import Ending
from pipeline.core.trial import (
    Outcome,
    TrialRecord,
    TrialSpecification,
    derived_seed,
    specification_from_json,
    specification_to_json,
)
from pipeline.search.experimental import experiments_accepted
from pipeline.search.rungs import RungPeer
from pipeline.search.sampler import build_sampler
from pipeline.search.space import SearchSpace
from pipeline.search.suggestion import TrialChooser
from pipeline.search.telling import tell

optuna.logging.set_verbosity(optuna.logging.ERROR)
optuna.logging.disable_propagation()


def open_storage(config: Config) -> BaseStorage:
    """Return the storage that the configuration names.

    Raises
    ------
    StorageError
        The journal cannot be read or written.
    """
    path = config.storage_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError as error:
        raise StorageError(f"the journal {path} cannot be opened: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A trial that a worker has claimed and must end."""

    specification: TrialSpecification
    trial: optuna.Trial

    def reached_rung(self, epoch: int, accuracy: float) -> None:
        """Let peers know the accuracy at a rung."""
        self.trial.set_user_attr(f"rung:{epoch}", accuracy)

    def knows_costs(self, costs: dict[str, float]) -> None:
        """Let peers know the costs that were measured before training."""
        self.trial.set_user_attr("costs", costs)


class SweepStudy:
    """The study of one sweep.

    Parameters
    ----------
    config
        The sweep's configuration; ``config.sweep_name`` names the study.
    space
        Where new trials are drawn from.
    storage
        Where the study lives; by default what the configuration says.
    """

    def __init__(
        self, config: Config, space: SearchSpace, storage: BaseStorage | None = None
    ) -> None:
        assert config.sweep_name is not None, "a sweep has a name by now"
        self._config = config
        self._space = space
        self._references = tuple(REFERENCES) if config.references else ()
        self._lock = FileLock(lock_file(config.sweep_dir))
        self._storage = storage or open_storage(config)
        costs = config.objective.costs
        directions: list[Literal["maximize", "minimize"]] = ["maximize"]
        directions += ["minimize"] * len(costs)
        with self._lock:
            self._study = optuna.create_study(
                study_name=config.sweep_name,
                storage=self._storage,
                directions=directions,
                load_if_exists=True,
            )
            if not self._trials():
                with experiments_accepted():
                    self._study.set_metric_names(["val_accuracy", *costs])
                for number in range(len(self._references)):
                    self._enqueue(number)

    def claim(self, worker: str) -> Claim | None:
        """Claim the next trial for ``worker``, or None when the search is over.

        It is when the budget is used up, or ``search.max_infeasible`` trials were above the
        limits and none within.

        Interrupted trials that were queued again come first.
        """
        with self._lock:
            trials = self._trials()
            number = _originals(trials)
            waiting = [t.user_attrs["number"] for t in trials if t.state is TrialState.WAITING]
            if waiting:
                number = waiting[0]  # the one that Optuna hands out next
            elif number >= self._config.search.trials or self._gives_up():
                return None
            else:
                self._enqueue(number)
            with experiments_accepted():
                self._study.sampler = build_sampler(self._config.search, number)
                trial = self._study.ask()
            trial.set_user_attr("worker", worker)
        specification = self._specify(trial)
        trial.set_user_attr("specification", specification_to_json(specification))
        return Claim(specification=specification, trial=trial)

    def _enqueue(
        self, number: int, params: dict[str, Any] | None = None, **attributes: Any
    ) -> None:
        # A trial carries its number from the moment it exists, so that none is lost unnamed.
        self._study.enqueue_trial(
            params or {}, user_attrs={"number": number, "attempt": 0, "losses": 0, **attributes}
        )

    def _specify(self, trial: optuna.Trial) -> TrialSpecification:
        number = trial.user_attrs["number"]
        recipe = self._config.training.recipe
        reference = self._references[number] if number < len(self._references) else None
        if reference is not None:
            architecture = REFERENCES[reference]
        elif self._config.architecture is not None:
            architecture = Architecture.parse(self._config.architecture)
        else:
            architecture, recipe = self._space.draw(TrialChooser(trial))
        return TrialSpecification(
            number=number,
            architecture=architecture,
            recipe=recipe,
            seed=derived_seed("trial", self._config.search.seed, number),
            reference=reference,
            attempt=trial.user_attrs["attempt"],
        )

    def end(self, claim: Claim, ending: Ending, record: TrialRecord) -> None:
        """Store how a claimed trial ended; an interrupted one is queued again."""
        with self._lock:
            claim.trial.set_user_attr("record", json.dumps(record.to_json()))
            tell(self._study, claim.trial, ending, record, self._config.objective.costs)
            self._queue_orphans()

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
            self._queue_orphans()
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

    def _queue_orphans(self) -> None:
        """Queue every interrupted trial again that nobody has queued yet."""
        latest = {trial.user_attrs["number"]: trial for trial in self._trials()}
        for trial in latest.values():
            record = _record(trial)
            if trial.state is TrialState.FAIL and (
                record is None or record.outcome is Outcome.INTERRUPTED
            ):
                self._enqueue(
                    trial.user_attrs["number"],
                    trial.params,
                    attempt=trial.user_attrs["attempt"] + 1,
                    losses=trial.user_attrs["losses"],
                    retry_of=trial.number,
                )

    def _set(self, frozen: FrozenTrial, key: str, value: Any) -> None:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, frozen.number)
        self._storage.set_trial_user_attr(trial_id, key, value)

    def records(self) -> list[TrialRecord]:
        """Return the latest attempt of every trial, by number; waiting ones are left out."""
        latest: dict[int, TrialRecord] = {}
        for trial in self._trials():
            record = _record(trial)
            if record is not None:
                latest[record.number] = record
        return [latest[number] for number in sorted(latest)]

    def originals(self) -> int:
        """Return how many originals there are, waiting ones included."""
        return _originals(self._trials())

    def is_done(self) -> bool:
        """Whether the search is over and no trial waits or runs."""
        trials = self._trials()
        over = _originals(trials) >= self._config.search.trials or self._gives_up()
        return over and all(trial.state.is_finished() for trial in trials)

    def unmet_limits(self, enough: int = 1) -> str | None:
        """Say which limits no trial has kept within; see ``core.limits.unmet_limits``."""
        limits = self._config.objective.limits.given
        return unmet_limits(self.records(), limits, enough) if limits else None

    def _gives_up(self) -> bool:
        return self.unmet_limits(self._config.search.max_infeasible) is not None

    def waiting(self) -> int:
        """Return how many trials were queued again and wait for a worker."""
        return sum(trial.state is TrialState.WAITING for trial in self._trials())

    def is_idle(self) -> bool:
        """Whether no trial runs."""
        return all(trial.state is not TrialState.RUNNING for trial in self._trials())

    def peers(self, claim: Claim, cost_names: tuple[str, ...]) -> list[RungPeer]:
        """Return what the other trials are known by at the rungs.

        Parameters
        ----------
        cost_names
            Costs known before training; a trial that lacks one is left out.
        """
        found = []
        for trial in self._trials():
            costs = trial.user_attrs.get("costs", {})
            if trial.number == claim.trial.number or any(n not in costs for n in cost_names):
                continue
            accuracies = {
                int(key.partition(":")[2]): value
                for key, value in trial.user_attrs.items()
                if key.startswith("rung:")
            }
            complete = trial.state is TrialState.COMPLETE
            found.append(
                RungPeer(
                    costs=tuple(costs[name] for name in cost_names),
                    accuracies=accuracies,
                    final_accuracy=trial.values[0] if complete else None,
                )
            )
        return found

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


def _originals(trials: list[FrozenTrial]) -> int:
    return len({trial.user_attrs["number"] for trial in trials})


def _record(trial: FrozenTrial) -> TrialRecord | None:
    if "record" in trial.user_attrs:
        return TrialRecord.from_json(json.loads(trial.user_attrs["record"]))
    if trial.state is TrialState.RUNNING and "specification" in trial.user_attrs:
        return TrialRecord(
            specification=specification_from_json(trial.user_attrs["specification"]),
            costs=trial.user_attrs.get("costs", {}),
        )
    return None


def delete_study(config: Config, name: str) -> None:
    """Remove a study and its trials from storage; nothing happens where it does not exist."""
    storage = open_storage(config)
    if name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)


def rename_study(config: Config, old: str, new: str) -> None:
    """Give a study another name; nothing happens where it does not exist."""
    storage = open_storage(config)
    names = optuna.get_all_study_names(storage)
    if old not in names:
        return
    if new not in names:  # Optuna copies; an earlier attempt may have come this far
        optuna.copy_study(
            from_study_name=old, from_storage=storage, to_storage=storage, to_study_name=new
        )
    optuna.delete_study(study_name=old, storage=storage)


def lock_file(sweep_dir: Path) -> Path:
    """Return the lock under which a sweep's claims and summary change."""
    return sweep_dir / "claims.lock"
