"""What changes on disk when a trial ends: its model, the front's models, the summary."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError
from pipeline.core.finalists import choose_finalists, final_round, wanted_trainings
from pipeline.core.outcome import Ending
from pipeline.core.records import front_records
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import build_summary, ended_trials
from pipeline.core.trial import Outcome, RunKey, TrialRecord, TrialSpecification
from pipeline.launching.sessions import Sessions
from pipeline.reporting.files import SUMMARY_NAME, read_summary, write_atomically
from pipeline.reporting.right_answers import answers_path, keep_answers, read_answers
from pipeline.search.ledger import Claim
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, read, sweep_log_path, trial_log_path
from pipeline.tracking.events import Ended, ModelKept, SummaryChanged, record
from pipeline.tracking.story import trial_story
from pipeline.tracking.summary_metrics import summary_metrics


def model_path(sweep_dir: Path, number: int) -> Path:
    """Return where a trial's model is kept."""
    return sweep_dir / "models" / f"{number:04d}.keras"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What a training that came to its end leaves to be kept.

    Parameters
    ----------
    validation_right
        Whether each validation image was classified rightly, shape ``(images,)``.
    save
        Writes the trained model to a path.
    """

    validation_right: NDArray[np.bool_]
    save: Callable[[Path], None]


class NotKept(StorageError):
    """There is no room for what a training leaves, or for how it ended."""


class SweepResults:
    """The files of one sweep that follow from its study.

    Everything here happens under one lock, so that the summary, the models and the study tell
    the same story to whoever looks.
    """

    def __init__(self, config: Config, description: DataDescription) -> None:
        self._config = config
        self._description = description
        self._folder = config.sweep_dir
        self._lock = FileLock(self._folder / "results.lock")

    def end_trial(
        self,
        study: SweepStudy,
        claim: Claim,
        ending: Ending,
        result: TrialRecord,
        *,
        kept: Kept | None,
    ) -> bool:
        """Write down how a trial ended, and keep its model if it is on the front.

        Of a finalist's further training the answers are kept, not the model: the network that
        is tested and promoted is the one that the search found.

        An interrupted trial is queued again also where its event log cannot be written, on a full
        disk, say: else its worker would count as lost. ``complete_logs`` makes that good.

        Parameters
        ----------
        kept
            None where nothing was trained to its end.

        Returns
        -------
        bool
            False where the trial was given to another worker meanwhile: nothing is written.

        Raises
        ------
        NotKept
            What is to be kept, or the end of a trial that was not interrupted, cannot be written;
            storage was not told of it yet.
        """
        run = result.specification.run
        ledger = study.finalists if run.repetition else study
        with self._lock:  # under which trials are given to others, too
            if not ledger.is_running(claim):
                return False
            try:
                if kept is not None and self._is_worth_keeping(study, result):
                    self._keep(run, kept)
                self._log_end(result, ending.details)
            except StorageError as error:
                if ending.outcome is not Outcome.INTERRUPTED:
                    raise NotKept(str(error)) from error
            ended = ledger.end(claim, ending, result)
            self._refresh(study, None)
        return ended

    def _keep(self, run: RunKey, kept: Kept) -> None:
        keep_answers(self._folder, run, kept.validation_right)
        if not run.repetition:
            path = model_path(self._folder, run.number)
            kept.save(path)
            with EventLog(trial_log_path(self._folder, *run)) as log:
                record(log, ModelKept(path=str(path.relative_to(self._folder))))

    def lost_trials(
        self,
        study: SweepStudy,
        alive: Callable[[str], bool],
        describe: Callable[[TrialRecord], TrialRecord],
        told: Callable[[str], bool] = lambda worker: False,
    ) -> list[TrialRecord]:
        """End the trials of dead workers; see ``TrialLedger.recover``."""
        with self._lock:
            ended = [
                *study.recover(alive, describe, told),
                *study.finalists.recover(alive, describe, told),
            ]
            for result in ended:
                self._log_end(result)
            if ended:
                self._refresh(study, None)
        return ended

    def complete_logs(self, study: SweepStudy) -> None:
        """Write into the event logs the endings that only storage knows.

        Whoever died, or lost its storage, between the two leaves a log without its end, or with
        one that storage never heard of.
        """
        with self._lock:
            for result in (*study.records(), *study.finalists.records()):
                specification = result.specification
                known = trial_story(read(trial_log_path(self._folder, *specification.run)))
                if result.outcome is None or known is None:
                    continue
                # A later attempt may have begun since the study was read.
                is_latest = known.retries <= specification.attempt
                if is_latest and known.record.outcome is not result.outcome:
                    self._log_end(result)

    def _log_end(self, result: TrialRecord, details: str | None = None) -> None:
        specification = result.specification
        with EventLog(trial_log_path(self._folder, *specification.run)) as log:
            record(log, Ended(attempt=specification.attempt, record=result, details=details))

    def refresh(self, study: SweepStudy, mlflow_run_id: str | None = None) -> dict[str, Any]:
        """Rewrite the summary from storage and return it.

        Parameters
        ----------
        mlflow_run_id
            Of the sweep's run; where None, the one that is known stays.
        """
        with self._lock:
            return self._refresh(study, mlflow_run_id)

    def final_trainings(self, study: SweepStudy) -> list[TrialSpecification]:
        """Return every training that the front's finalists are to have, done or not."""
        return self._final_trainings(self._finalists(study.records()))

    def _finalists(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        objective, finalists = self._config.objective, self._config.finalists
        return choose_finalists(
            records,
            objective.costs,
            self._rule(),
            finalists.limit,
            objective.limits.given,
            among_all=finalists.among == "all",
        )

    def _final_trainings(self, finalists: Sequence[TrialRecord]) -> list[TrialSpecification]:
        seeds = self._config.finalists.seeds
        return wanted_trainings(finalists, self._config.search.seed, seeds)

    def _rule(self) -> RuleSettings:
        objective = self._config.objective
        return RuleSettings(
            name=objective.rule,
            budget=objective.budget,
            least_accuracy=objective.least_accuracy,
            price=objective.price,
            images=self._description.validation,
        )

    def _is_worth_keeping(self, study: SweepStudy, result: TrialRecord) -> bool:
        if result.outcome is not Outcome.COMPLETE:
            return False
        if result.specification.reference is not None or result.specification.repetition:
            return True
        return result in self._front([*study.records(), result])

    def _front(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        objective = self._config.objective
        return front_records(records, objective.costs, objective.limits.given)

    def _refresh(self, study: SweepStudy, mlflow_run_id: str | None) -> dict[str, Any]:
        records = study.records()
        known = self._known_summary()
        sessions = Sessions.read(self._folder)
        costs = self._config.objective.costs
        finalists = self._finalists(records)
        trainings = study.finalists.records() if finalists else []
        runs = [r.specification.run for r in (*self._front(records), *trainings)]
        summary = build_summary(
            sweep=self._folder.name,
            data=self._description,
            costs=costs,
            records=records,
            rule=self._rule(),
            last=final_round(finalists, self._final_trainings(finalists), trainings, costs),
            right=read_answers(self._folder, runs, self._description.validation),
            limits=self._config.objective.limits.given,
            test_accuracies={n: read.accuracy for n, read in sessions.test_readings.items()},
            test_readings=len(sessions.test_readings),
            wall_seconds=sessions.wall_seconds(),
            mlflow_run_id=mlflow_run_id or (known or {}).get("mlflow_run_id"),
        )
        write_atomically(self._folder / SUMMARY_NAME, json.dumps(summary, indent=1) + "\n")
        metrics = summary_metrics(summary)
        if known is None or summary_metrics(known) != metrics:
            with EventLog(sweep_log_path(self._folder)) as log:
                record(log, SummaryChanged(ended=ended_trials(summary), metrics=metrics))
        self._drop_models(records)
        return summary

    def _known_summary(self) -> dict[str, Any] | None:
        """Return the summary as it was; a missing or damaged one is made anew anyway."""
        try:
            return read_summary(self._folder)
        except StorageError:
            return None

    def _drop_models(self, records: Sequence[TrialRecord]) -> None:
        """Remove the models of trials that are no longer on the front."""
        kept = {member.number for member in self._front(records)}
        kept |= {item.number for item in records if item.specification.reference is not None}
        # Not those that another worker writes, or wrote when it was killed; see `save_model`.
        for path in (self._folder / "models").glob("[0-9]*.keras"):
            number = int(path.stem)
            if number not in kept:
                path.unlink()
                answers_path(self._folder, RunKey(number)).unlink(missing_ok=True)
                with EventLog(trial_log_path(self._folder, number)) as log:
                    record(log, ModelKept(path=None))
