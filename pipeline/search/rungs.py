"""Rungs: epochs at which a running trial is compared with its peers and may be stopped.

Optuna's pruners refuse studies with several objectives, so the decision is our own. Peers
train for the same number of epochs, so the same epoch is the same progress of the learning-rate
schedule. Two questions are asked at a rung; a trial goes on if both say so:

1. Is it among the better part of its rung? Non-dominated sorting of (accuracy at this epoch,
   costs), as in MO-ASHA (Schmucker et al. 2021, "Multi-objective Asynchronous Successive
   Halving"), without waiting for anybody.
2. Could it still reach the front? Its accuracy plus the largest gain that a finished trial has
   made from this epoch to its end, at its known costs, must not be dominated by the front.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import RungsConfig
from pipeline.core.front import nondominated_ranks


@dataclass(frozen=True, kw_only=True, slots=True)
class RungPeer:
    """What another trial is known by.

    Parameters
    ----------
    costs
        The objective's costs that are known before training, in their order.
    accuracies
        Validation accuracy at each rung's epoch that it has reached.
    final_accuracy
        Of a complete trial; None for every other.
    """

    costs: tuple[float, ...]
    accuracies: dict[int, float]
    final_accuracy: float | None = None


def rung_epochs(rungs: RungsConfig, epochs: int) -> tuple[int, ...]:
    """Return the epochs of the rungs, the last epoch excluded: there, nothing is saved."""
    if not rungs.enabled:
        return ()
    found, epoch = [], rungs.first
    while epoch < epochs:
        found.append(epoch)
        epoch *= 2
    return tuple(found)


def reason_to_stop(
    rungs: RungsConfig,
    epoch: int,
    accuracy: float,
    costs: tuple[float, ...],
    peers: Sequence[RungPeer],
) -> str | None:
    """Return why a trial should stop at this rung, or None to let it go on.

    Parameters
    ----------
    epoch
        The rung.
    accuracy
        The trial's validation accuracy at this epoch.
    costs
        Its known costs, in the order of the peers'.
    peers
        The other trials of the sweep; those that never came to this rung do not count.
    """
    here = [peer for peer in peers if epoch in peer.accuracies]
    if len(here) < rungs.peers:
        return None
    reason = _unreachable(epoch, accuracy, costs, here)
    if reason is not None:
        return reason
    points = [(accuracy, *costs), *((peer.accuracies[epoch], *peer.costs) for peer in here)]
    ranks = nondominated_ranks(points)
    better = sum(rank < ranks[0] for rank in ranks)
    if better >= rungs.keep * len(points):
        return (
            f"epoch {epoch}: {better} of {len(here)} other trials are ahead of accuracy "
            f"{accuracy:.4f} at this cost"
        )
    return None


def _unreachable(
    epoch: int, accuracy: float, costs: tuple[float, ...], here: Sequence[RungPeer]
) -> str | None:
    finished = [peer for peer in here if peer.final_accuracy is not None]
    gains = [(p.final_accuracy or 0.0) - p.accuracies[epoch] for p in finished]
    if not gains:
        return None
    bound = accuracy + max(0.0, *gains)
    for peer in finished:
        at_most = all(theirs <= ours for theirs, ours in zip(peer.costs, costs, strict=True))
        if at_most and (peer.final_accuracy or 0.0) > bound:
            return (
                f"epoch {epoch}: could reach {bound:.4f} at best, and a cheaper trial has "
                f"{peer.final_accuracy:.4f}"
            )
    return None
