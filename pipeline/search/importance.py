"""What mattered: which parameters set the best trials apart, for accuracy and for each cost.

The measure is conditional PED-ANOVA: how much the values of a parameter among the best trials
differ from those among all, which also works for parameters that only some networks have (a
third block's filters). S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying
Hyperparameter Importance in Arbitrary Subspaces", IJCAI 2023 (https://arxiv.org/abs/2304.10255);
K. Ito and others, "Conditional PED-ANOVA", 2026 (https://arxiv.org/abs/2601.20800).

It is computed from records, not from the study, so that files are enough at any time.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from pipeline.core.proposal import dimensions_of
from pipeline.core.trial import Outcome, TrialRecord

# Optuna would announce each study that is made to evaluate one target.
optuna.logging.set_verbosity(optuna.logging.ERROR)

IMPORTANCE_SCHEMA_VERSION = 1
ACCURACY = "val_accuracy"
#: Complete trials that are needed to say anything.
LEAST_TRIALS = 10
#: The best are a tenth of the trials, but no fewer than this where there are twice as many.
_LEAST_BEST = 5
_BEST_SHARE = 0.1

Value = int | float | str


def importance_summary(records: Sequence[TrialRecord], costs: Sequence[str]) -> dict[str, Any]:
    """Return the content of ``importance.json``.

    ::

        schema_version   1
        method           PED-ANOVA
        trials           complete trials that were drawn from the space (no references)
        best_share       share of them that counts as the best
        importance       val_accuracy, then each cost: {parameter: share}, largest first,
                         together 1; null while there are fewer than ten such trials, or
                         where no parameter differs

    Parameters
    ----------
    records
        In any order, one a trial.
    costs
        The sweep's.
    """
    drawn = [
        record
        for record in records
        if record.outcome is Outcome.COMPLETE and record.specification.reference is None
    ]
    best = min(max(_BEST_SHARE, _LEAST_BEST / max(len(drawn), 1)), 0.5)
    return {
        "schema_version": IMPORTANCE_SCHEMA_VERSION,
        "method": "PED-ANOVA",
        "trials": len(drawn),
        "best_share": best,
        "importance": {
            ACCURACY: _importance(
                drawn, [record.val_accuracy for record in drawn], "maximize", best
            ),
            **{
                cost: _importance(
                    drawn, [record.costs.get(cost) for record in drawn], "minimize", best
                )
                for cost in costs
            },
        },
    }


def _importance(
    records: Sequence[TrialRecord],
    targets: Sequence[float | None],
    direction: Literal["maximize", "minimize"],
    best_share: float,
) -> dict[str, float] | None:
    known = [(r, t) for r, t in zip(records, targets, strict=True) if t is not None]
    if len(known) < LEAST_TRIALS:
        return None
    specifications = [record.specification for record, _ in known]
    params = [dimensions_of(s.architecture, s.recipe) for s in specifications]
    distributions = _distributions(params)
    if not distributions:
        return None
    # One objective a study: then the evaluator needs no target function, about which it warns.
    study = optuna.create_study(direction=direction)
    for values, (_, target) in zip(params, known, strict=True):
        own = {name: d for name, d in distributions.items() if name in values}
        study.add_trial(
            create_trial(
                params={name: values[name] for name in own}, distributions=own, value=target
            )
        )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best_share)
    with warnings.catch_warnings():
        # A layer that a single network has counts for little; everybody's terminal need not say so.
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        found = get_param_importances(study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _distributions(params: Sequence[Mapping[str, Value]]) -> dict[str, BaseDistribution]:
    """Return a distribution over the values that each parameter took; constants are left out."""
    seen: dict[str, set[Value]] = {}
    for values in params:
        for name, value in values.items():
            seen.setdefault(name, set()).add(value)
    return {name: _distribution(name, values) for name, values in seen.items() if len(values) > 1}


def _distribution(name: str, values: set[Value]) -> BaseDistribution:
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted(map(str, values)))
    if all(isinstance(value, int) for value in numbers):
        # Filters and units double from choice to choice: their logarithm is what is even.
        log = min(numbers) > 0 and name.startswith(("filters", "dense_units", "batch_size"))
        return IntDistribution(int(min(numbers)), int(max(numbers)), log=log)
    return FloatDistribution(min(numbers), max(numbers), log=name == "learning_rate")
