"""A sweep's study: claims, endings and records, the same for every storage.

Optuna numbers every trial it holds, retries included; users see our own numbers, which count
originals from 0. The first two are the references, the next ones the networks that the sweep
begins with. A claim happens under one lock, so that the budget is exact however many workers ask.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.limits import unmet_limits
from pipeline.core.proposal import Proposal
from pipeline.core.trial import TrialSpecification, derived_seed
from pipeline.search.experimental import experiments_accepted
from pipeline.search.finalists import FinalistStudy
from pipeline.search.ledger import (
    COSTS,
    RUNG,
    Claim,
    TrialLedger,
    next_attempt,
    was_interrupted,
)
from pipeline.search.opening import open_storage
from pipeline.search.playback import parameters_of
from pipeline.search.rungs import RungPeer, can_compare, reason_to_stop, rung_epochs
from pipeline.search.sampler import build_sampler
from pipeline.search.space import SearchSpace
from pipeline.search.storage import StudyStorage
from pipeline.search.suggestion import TrialChooser

#: Attribute of a trial that begins a sweep: the network that it is to train.
PROPOSAL = "proposal"


class SweepStudy(TrialLedger):
    """The study of one sweep.

    Parameters
    ----------
    config
        The sweep's configuration; ``config.sweep_name`` names the study.
    space
        Where new trials are drawn from.
    storage
        Where the study lives; by default what the configuration says.
    first
        What the sweep begins with; said by whoever sets the study up, storage keeps it.

    Attributes
    ----------
    finalists
        The study of the sweep's final round, in the same storage.
    """

    def __init__(
        self,
        config: Config,
        space: SearchSpace,
        storage: StudyStorage | None = None,
        first: Sequence[Proposal] = (),
    ) -> None:
        assert config.sweep_name is not None, "a sweep has a name by now"
        super().__init__(config, config.sweep_name, storage or open_storage(config))
        self._space = space
        self._references = tuple(REFERENCES) if config.references else ()
        self._first = tuple(first)
        self.finalists = FinalistStudy(config, self._storage)
        self._search = self._alone(self._open)

    def _open(self) -> optuna.Study:
        study = self._create()
        known = {trial.user_attrs["number"] for trial in study.get_trials(deepcopy=False)}
        opening = [None] * len(self._references) + [item.to_json() for item in self._first]
        for number, proposal in enumerate(opening):
            if number not in known:
                self._enqueue_original(study, number, proposal)
        return study

    def _enqueue_original(
        self, study: optuna.Study, number: int, proposal: dict[str, Any] | None
    ) -> None:
        """Queue a trial: a reference, or one that carries the network it is to train."""
        if proposal is None:
            _enqueue(study, number)
            return
        _enqueue(study, number, self._parameters(proposal), **{PROPOSAL: proposal})

    def _parameters(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """Return where in the space a network is, for the sampler to learn from it; {} outside."""
        return parameters_of(self._space, Proposal.from_json(proposal)) or {}

    @property
    def _study(self) -> optuna.Study:
        return self._search

    def _trials(self) -> list[FrozenTrial]:
        return self._search.get_trials(deepcopy=False)

    def claim(self, worker: str) -> Claim | None:
        """Claim the next trial for ``worker``, or None when the search is over.

        It is when the budget is used up, or ``search.max_infeasible`` trials were above the
        limits and none within.

        What waits in the queue comes first: the sweep's opening, as far as the budget goes, and
        behind it what was interrupted.
        """
        asked: list[int] = []
        return self._alone(lambda: self._claim(worker, asked))

    def _claim(self, worker: str, asked: list[int]) -> Claim | None:
        trials = self._swept()
        claimed = self._asked(asked, trials)
        if claimed is not None:
            return claimed
        number, waiting = self._originals(trials), None
        queue = [trial for trial in trials if trial.state is TrialState.WAITING]
        due = [trial for trial in queue if self._is_wanted(trial)]
        if due:
            number = due[0].user_attrs["number"]
            # Optuna hands out what waits longest, which the budget may have no room for any more.
            waiting = due[0] if due[0] is not queue[0] else None
        elif number >= self._config.search.trials or self._gives_up():
            return None
        else:
            _enqueue(self._study, number)
        with experiments_accepted():
            self._study.sampler = build_sampler(self._config.search, number)
        return self._ask(worker, self._specify, asked, waiting)

    def _is_wanted(self, trial: FrozenTrial) -> bool:
        """Whether a trial was begun, or is of the opening and within the budget."""
        if trial.state is not TrialState.WAITING or trial.user_attrs["attempt"] > 0:
            return True
        return bool(trial.user_attrs["number"] < self._config.search.trials)

    def _originals(self, trials: Iterable[FrozenTrial]) -> int:
        return len({t.user_attrs["number"] for t in trials if self._is_wanted(t)})

    def waiting(self) -> int:
        """Return how many trials wait for a worker: of the opening, and queued again."""
        return sum(
            trial.state is TrialState.WAITING and self._is_wanted(trial) for trial in self._read()
        )

    def _specify(self, trial: optuna.Trial) -> TrialSpecification:
        number = trial.user_attrs["number"]
        recipe = self._config.training.recipe
        reference = self._references[number] if number < len(self._references) else None
        proposed = trial.user_attrs.get(PROPOSAL)
        if reference is not None:
            architecture = REFERENCES[reference]
        elif proposed is not None:
            proposal = Proposal.from_json(proposed)
            architecture, recipe = proposal.architecture, proposal.recipe
            if self._parameters(proposed):
                self._space.draw(TrialChooser(trial))  # what was queued, known to Optuna by now
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

    def _after_ending(self) -> None:
        """Queue every interrupted trial again that nobody has queued yet."""
        for trial in self._latest().values():
            if was_interrupted(trial):
                known = {
                    name: value
                    for name, value in trial.user_attrs.items()
                    if name in (COSTS, PROPOSAL) or name.startswith(RUNG)
                }
                # Where the claim broke off, the same network is drawn again from its seed.
                params = trial.params if "specification" in trial.user_attrs else {}
                if PROPOSAL in known:
                    params = self._parameters(known[PROPOSAL])
                number = trial.user_attrs["number"]
                _enqueue(self._study, number, params, **next_attempt(trial), **known)

    def originals(self) -> int:
        """Return how many originals there are within the budget, waiting ones included."""
        return self._originals(self._read())

    def is_done(self) -> bool:
        """Whether the search is over and no trial waits or runs."""
        return self.is_over() and all(
            trial.state.is_finished() for trial in self._read() if self._is_wanted(trial)
        )

    def is_over(self) -> bool:
        """Whether no new trial is begun: the budget is used up, or the limits cannot be met."""
        return self._originals(self._read()) >= self._config.search.trials or self._gives_up()

    def unmet_limits(self, enough: int = 1) -> str | None:
        """Say which limits no trial has kept within; see ``core.limits.unmet_limits``."""
        limits = self._config.objective.limits.given
        return unmet_limits(self.records(), limits, enough) if limits else None

    def _gives_up(self) -> bool:
        return self.unmet_limits(self._config.search.max_infeasible) is not None

    def reason_to_stop(
        self,
        claim: Claim,
        epoch: int,
        reached: Mapping[int, float],
        costs: Mapping[str, float],
    ) -> str | None:
        """Return why a trial should stop at this rung, or None to let it go on.

        Parameters
        ----------
        reached
            The trial's validation accuracy by epoch, up to the rung's; what is no rung does not
            count.
        costs
            What it is known to cost, by name.
        """
        names = self._config.objective.costs
        if not can_compare(names):
            return None
        recipe, rungs = claim.specification.recipe, self._config.search.rungs
        epochs = recipe.epochs or self._config.training.epochs
        known = rung_epochs(rungs, epochs)
        trial = RungPeer(
            costs=tuple(costs[name] for name in names),
            # Of its peers, too, only the rungs are known: no earlier epoch may tell of it alone.
            reached={epoch: value for epoch, value in reached.items() if epoch in known},
        )
        peers = self.peers(claim, names)
        return reason_to_stop(rungs, epoch, epochs, trial, peers)

    def peers(self, claim: Claim, cost_names: tuple[str, ...]) -> list[RungPeer]:
        """Return what the other trials are known by at the rungs, those before a retry included.

        Parameters
        ----------
        cost_names
            Costs known before training; a trial that lacks one is left out, and so is a
            reference above a limit: it is no choice that another could be worse than. A trial of
            another number of epochs was at no rung of this one.
        """
        limits = self._config.objective.limits
        found = []
        for run, trial in self._storage.retrying(self._latest).items():
            costs = trial.user_attrs.get(COSTS, {})
            if run == claim.specification.run or any(n not in costs for n in cost_names):
                continue
            if limits.broken(costs):
                continue
            reached = {
                epoch: float(value["accuracy"])
                for key, value in trial.user_attrs.items()
                if (epoch := claim.epoch_of_rung(key)) is not None
            }
            complete = trial.state is TrialState.COMPLETE
            found.append(
                RungPeer(
                    costs=tuple(costs[name] for name in cost_names),
                    reached=reached,
                    final_accuracy=trial.values[0] if complete else None,
                )
            )
        return found


def _enqueue(
    study: optuna.Study, number: int, params: dict[str, Any] | None = None, **attributes: Any
) -> None:
    # A trial carries its number from the moment it exists, so that none is lost unnamed.
    study.enqueue_trial(
        params or {}, user_attrs={"number": number, "attempt": 0, "losses": 0, **attributes}
    )
