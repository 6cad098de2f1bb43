"""Rungs: epochs after which a running trial is compared with its peers and may be stopped.

Optuna's pruners refuse studies with several objectives, so the decision is our own. Peers
train for the same number of epochs, so the same epoch is the same progress of the learning-rate
schedule. A trial goes on unless one of two things is known of it:

1. It will hardly reach the front. Where it would end is predicted from the trials that came to
   their end: a linear regression of the logarithm of their final error on the logarithms of the
   least error up to this epoch and of each cost (the larger a network, the more of its error is
   still to go). If even the upper end of the prediction interval (Montgomery, Peck and Vining,
   "Introduction to Linear Regression Analysis", 3.5) is below the accuracy of a finished trial
   that costs no more, it is stopped. The chance that is taken falls with the square of the share
   of epochs that would be saved: to wait costs little then. Further regressors, such as the loss
   or the learning rate, tell next to nothing more where epochs are judged by averaged weights
   (``training.averaging``), and each asks for one more trial that came to its end.
2. It is behind most of its peers: non-dominated sorting of (accuracy at this epoch, costs), as
   in MO-ASHA (Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving"),
   without waiting for anybody, at the first rung and whenever its epoch has doubled.

How much each saves and costs is in ``benchmarks/results`` (``stopping``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config import RungsConfig
from pipeline.core.front import nondominated_ranks
from pipeline.core.student import student_quantile
from pipeline.core.trial import ANALYTIC_COSTS, MEASURED_COSTS
from pipeline.core.wording import percentage

#: Finished peers beyond the regression's coefficients, so that their spread is known at all.
_LEAST_DEGREES = 2
#: No logarithm of an error or a cost of 0.
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class RungPeer:
    """What a trial is known by.

    Parameters
    ----------
    costs
        The objective's costs that are known before training, in their order.
    reached
        Validation accuracy by the epochs of its rungs.
    final_accuracy
        Of a complete trial; None for every other.
    """

    costs: tuple[float, ...]
    reached: dict[int, float]
    final_accuracy: float | None = None


def can_compare(costs: Iterable[str]) -> bool:
    """Say whether trials are compared at rungs where these are the objective's costs.

    Only what is known before training can be, and a trial that is behind in all of that may be
    ahead in what is not.
    """
    return set(costs) <= {*MEASURED_COSTS, *ANALYTIC_COSTS}


def rung_epochs(rungs: RungsConfig, epochs: int) -> tuple[int, ...]:
    """Return the epochs of the rungs, the last epoch excluded: there, nothing is saved."""
    return tuple(range(rungs.first, epochs)) if rungs.enabled else ()


def _sorts(rungs: RungsConfig, epoch: int) -> bool:
    times, left = divmod(epoch, rungs.first)
    return left == 0 and times & (times - 1) == 0


def reason_to_stop(
    rungs: RungsConfig, epoch: int, epochs: int, trial: RungPeer, peers: Sequence[RungPeer]
) -> str | None:
    """Return why a trial should stop at this rung, or None to let it go on.

    Parameters
    ----------
    epoch
        The rung, which the trial has reached.
    epochs
        Of the whole training.
    peers
        The other trials of the sweep; those that never came to this rung do not count.
    """
    here = [peer for peer in peers if epoch in peer.reached]
    if len(here) < rungs.peers:
        return None
    risk = rungs.risk * (1.0 - epoch / epochs) ** 2
    return _hardly_reaches_the_front(risk, epoch, trial, here) or (
        _is_behind(rungs, epoch, trial, here) if _sorts(rungs, epoch) else None
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The final accuracy of a running trial, and one that it passes with a small chance."""

    accuracy: float
    at_best: float


def predict_end(
    risk: float, epoch: int, trial: RungPeer, finished: Sequence[RungPeer]
) -> Prediction | None:
    """Return where a trial will end, or None where too little is known.

    Parameters
    ----------
    risk
        Chance of an end above ``at_best``.
    epoch
        The rung; what was reached later does not count.
    finished
        Complete trials that came to this rung.
    """
    if not finished:
        return None
    known = np.array([_features(peer, epoch) for peer in finished])
    ends = np.log([max(1.0 - (peer.final_accuracy or 0.0), _LEAST) for peer in finished])
    own = _features(trial, epoch)
    if not (np.isfinite(known).all() and np.isfinite(own).all()):
        return None
    degrees = len(known) - _rank(known)
    # Trials of one cost do not tell what another one does.
    if degrees < _LEAST_DEGREES or _rank(np.vstack([known, own])) > _rank(known):
        return None
    inverse = np.linalg.pinv(known.T @ known)
    coefficients = inverse @ known.T @ ends
    variance = float(np.square(ends - known @ coefficients).sum()) / degrees
    middle = float(own @ coefficients)
    half = student_quantile(degrees, 1.0 - 2.0 * risk) * np.sqrt(
        variance * (1.0 + own @ inverse @ own)
    )
    return Prediction(
        accuracy=1.0 - float(np.exp(middle)), at_best=1.0 - float(np.exp(middle - half))
    )


def _rank(rows: NDArray[np.float64]) -> int:
    return int(np.linalg.matrix_rank(rows))


def _hardly_reaches_the_front(
    risk: float, epoch: int, trial: RungPeer, here: Sequence[RungPeer]
) -> str | None:
    finished = [peer for peer in here if peer.final_accuracy is not None]
    rivals = [
        peer.final_accuracy or 0.0
        for peer in finished
        if all(theirs <= ours for theirs, ours in zip(peer.costs, trial.costs, strict=True))
    ]
    predicted = predict_end(risk, epoch, trial, finished)
    if predicted is None or not rivals or max(rivals) <= predicted.at_best:
        return None
    return (
        f"epoch {epoch}: would end at about {percentage(predicted.accuracy)}, "
        f"{percentage(predicted.at_best)} at best, and a trial that costs no more has "
        f"{percentage(max(rivals))}"
    )


def _features(trial: RungPeer, epoch: int) -> NDArray[np.float64]:
    """Return a row of the regression: 1, and logarithms.

    The least error so far, not the latest: halfway a high rate makes an epoch's accuracy jump.
    """
    error = 1.0 - max(accuracy for known, accuracy in trial.reached.items() if known <= epoch)
    values = (error, *trial.costs)
    return np.array([1.0, *(np.log(max(value, _LEAST)) for value in values)])


def _is_behind(
    rungs: RungsConfig, epoch: int, trial: RungPeer, here: Sequence[RungPeer]
) -> str | None:
    accuracy = trial.reached[epoch]
    points = [(peer.reached[epoch], *peer.costs) for peer in (trial, *here)]
    ranks = nondominated_ranks(points)
    better = sum(rank < ranks[0] for rank in ranks)
    if better < rungs.keep * len(points):
        return None
    return (
        f"epoch {epoch}: {better} of {len(here)} other trials have a better rank by accuracy and "
        f"cost (it has {percentage(accuracy)})"
    )
