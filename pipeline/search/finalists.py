"""The final round: further trainings of the finalists, claimed by the same workers.

They live in a study of their own, ``SWEEP/finalists``, beside the sweep's. In the sweep's own
study each would be one more trial: the sampler would learn from one point several times, the
rungs would have peers that nothing stops, Optuna's own list of best trials would name them, and
every count would have to tell them apart.
"""

from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.trial import TrialSpecification, specification_from_json, specification_to_json
from pipeline.search.ledger import Claim, TrialLedger, was_interrupted


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

    def __init__(self, config: Config, storage: BaseStorage) -> None:
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
                self._storage.get_study_id_from_name(self._name)
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
        with self._lock:
            due = self.due(wanted)
            if not due:
                return None
            self._enqueue(due[0])
            # The one just queued, unless some worker died right here: then its one comes first.
            trial = self._study.ask()
            trial.set_user_attr("worker", worker)
        attributes = trial.user_attrs
        specification = specification_from_json(
            attributes["training"] | {"attempt": attributes["attempt"]}
        )
        trial.set_user_attr("specification", specification_to_json(specification))
        return Claim(specification=specification, trial=trial)

    def _enqueue(self, training: TrialSpecification) -> None:
        before = self._latest().get(training.run)
        if before is not None and before.state is TrialState.WAITING:
            return
        attempts = {"attempt": 0, "losses": 0}
        if before is not None:
            attempts = {
                "attempt": before.user_attrs["attempt"] + 1,
                "losses": before.user_attrs["losses"],
                "retry_of": before.number,
            }
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
        latest = self._latest()

        def is_due(training: TrialSpecification) -> bool:
            trial = latest.get(training.run)
            return trial is None or trial.state is TrialState.WAITING or was_interrupted(trial)

        return [training for training in wanted if is_due(training)]

    def _after_ending(self) -> None:
        """Do nothing: an interrupted training is due by itself."""
