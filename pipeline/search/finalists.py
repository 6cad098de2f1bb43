"""The final round: further trainings of the finalists, claimed by the same workers.

They live in a study of their own, ``SWEEP/finalists``, beside the sweep's. In the sweep's own
study each would be one more trial: the sampler would learn from one point several times, the
rungs would have peers that nothing stops, Optuna's own list of best trials would name them, and
every count would have to tell them apart.
"""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.trial import TrialSpecification, specification_from_json, specification_to_json
from pipeline.search.ledger import Claim, TrialLedger, next_attempt, was_interrupted
from pipeline.search.storage import StudyStorage


def finalists_name(sweep: str) -> str:
    """Return the name of the study that holds a sweep's final round.

    No sweep has such a name: a ``/`` is refused there.
    """
    return f"{sweep}/finalists"


class FinalistStudy(TrialLedger):
    """The further trainings of one sweep's finalists; created with the first claim.

    Nothing is queued: what is to be trained next follows from what is wanted and what has
    ended, so that a front that changes between two sessions leaves nothing stale behind.
    """

    def __init__(self, config: Config, storage: StudyStorage) -> None:
        assert config.sweep_name is not None, "a sweep has a name by now"
        super().__init__(config, finalists_name(config.sweep_name), storage)
        self._known: optuna.Study | None = None

    @property
    def _study(self) -> optuna.Study:
        if self._known is None:
            self._known = self._create()
        return self._known

    def _trials(self) -> list[FrozenTrial]:
        if self._known is None:
            try:
                self._storage.optuna.get_study_id_from_name(self._name)
            except KeyError:  # nothing was claimed yet
                return []
        return self._study.get_trials(deepcopy=False)

    def claim(self, worker: str, wanted: Sequence[TrialSpecification]) -> Claim | None:
        """Claim the next training that is wanted, or None where none is left.

        Parameters
        ----------
        wanted
            In the order in which they are to be trained.
        """
        asked: list[int] = []
        return self._alone(lambda: self._claim(worker, wanted, asked))

    def _claim(
        self, worker: str, wanted: Sequence[TrialSpecification], asked: list[int]
    ) -> Claim | None:
        claimed = self._asked(asked, self._swept())
        if claimed is not None:
            return claimed
        due = self._due(wanted)
        if not due:
            return None
        self._enqueue(due[0])
        # The one just queued, unless some worker died right here: then its one comes first.
        return self._ask(worker, _specification, asked)

    def _enqueue(self, training: TrialSpecification) -> None:
        before = self._latest().get(training.run)
        if before is not None and before.state is TrialState.WAITING:
            return
        attempts = {"attempt": 0, "losses": 0} if before is None else next_attempt(before)
        # A trial carries its number from the moment it exists, so that none is lost unnamed.
        self._study.enqueue_trial(
            {},
            user_attrs={
                "number": training.number,
                "repetition": training.repetition,
                "training": specification_to_json(training),
                **attempts,
            },
        )

    def due(self, wanted: Sequence[TrialSpecification]) -> list[TrialSpecification]:
        """Return those that nobody has trained to an end and nobody trains now."""
        return self._storage.retrying(lambda: self._due(wanted))

    def _due(self, wanted: Sequence[TrialSpecification]) -> list[TrialSpecification]:
        latest = self._latest()

        def is_due(training: TrialSpecification) -> bool:
            trial = latest.get(training.run)
            return trial is None or trial.state is TrialState.WAITING or was_interrupted(trial)

        return [training for training in wanted if is_due(training)]

    def _after_ending(self) -> None:
        """Do nothing: an interrupted training is due by itself."""


def _specification(trial: optuna.Trial) -> TrialSpecification:
    attributes = trial.user_attrs
    return specification_from_json(attributes["training"] | {"attempt": attributes["attempt"]})
