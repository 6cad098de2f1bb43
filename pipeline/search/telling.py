"""What Optuna is told about a trial's end.

A failed trial never becomes a number. Optuna keeps values of complete trials only; whatever
else a trial reached stays in its record. Broken limits, divergence and the like are
constraints: the sampler counts such a trial as infeasible and looks elsewhere.
"""

from collections.abc import Sequence

import optuna
from optuna.trial import TrialState

from pipeline.core.outcome import Ending
from pipeline.core.trial import Outcome, TrialRecord

_STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.FAILED: TrialState.FAIL,
    Outcome.INTERRUPTED: TrialState.FAIL,
}


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    ending: Ending,
    record: TrialRecord,
    costs: Sequence[str],
) -> None:
    """Tell ``study`` how ``trial`` ended; ``record`` has been stored with it before.

    Objectives are validation accuracy (maximised), then ``costs`` (minimised) in their order.
    """
    state = _STATES.get(ending.outcome, TrialState.PRUNED)
    known = trial.constraints if ending.violations else {}
    for name, violation in ending.violations:
        if name not in known:  # it is where this is told again after the storage was lost
            trial.set_constraint(name, violation)
    values = None
    if state is TrialState.COMPLETE:
        values = [record.val_accuracy, *(record.costs[name] for name in costs)]
    study.tell(trial, values, state)  # type: ignore[arg-type]
