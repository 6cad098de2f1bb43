"""How a trial's end becomes an outcome: one function decides.

Code that ends a trial early raises one of the exceptions below; whatever else is raised is a
failure. ``decide`` turns what was raised, or the finished training, into an ``Ending``, and
``pipeline.search.telling`` turns an ``Ending`` into what Optuna is told.
"""

import traceback
from dataclasses import dataclass

from pipeline.core.trial import Outcome
from pipeline.core.wording import percentage


class TrialEnd(Exception):
    """A trial ends before its last epoch; the message is the reason in words."""

    outcome: Outcome


class StoppedAtRung(TrialEnd):
    """The trial's peers at this epoch are better."""

    outcome = Outcome.STOPPED


class DoesNotFit(TrialEnd):
    """The architecture does not fit the images (a reference on very small ones)."""

    outcome = Outcome.INFEASIBLE


class LossNotFinite(TrialEnd):
    """The loss became infinite or NaN."""

    outcome = Outcome.DIVERGED


class OutOfMemory(TrialEnd):
    """The device or the process ran out of memory."""

    outcome = Outcome.OUT_OF_MEMORY


class TimeUp(TrialEnd):
    """The trial took longer than it may."""

    outcome = Outcome.TIMED_OUT


class Interrupted(TrialEnd):
    """The worker was told to leave."""

    outcome = Outcome.INTERRUPTED


class LimitBroken(TrialEnd):
    """A cost is above its limit.

    Parameters
    ----------
    excess
        By cost name, ``value / limit - 1`` of every limit that is broken; positive.
    """

    outcome = Outcome.INFEASIBLE

    def __init__(self, reason: str, excess: dict[str, float]) -> None:
        super().__init__(reason)
        self.excess = excess


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What is kept of a trial's end.

    Parameters
    ----------
    reason
        One sentence; None for a complete trial.
    violations
        Constraint values by name, positive for a broken one; the sampler learns from them.
    details
        The traceback of a failure.
    """

    outcome: Outcome
    reason: str | None = None
    violations: tuple[tuple[str, float], ...] = ()
    details: str | None = None


def decide(
    raised: BaseException | None,
    *,
    reached_accuracy: float | None = None,
    target_accuracy: float | None = None,
) -> Ending:
    """Decide how a trial ended.

    Parameters
    ----------
    raised
        What ended the training; None where it came to its end.
    reached_accuracy
        Best accuracy so far, in [0, 1], on the images that the target is for.
    target_accuracy
        Set only where the time to this accuracy is an objective: a trial that comes to its
        end without reaching it has no such time and is censored.
    """
    if raised is None:
        if target_accuracy is not None and (reached_accuracy or 0.0) < target_accuracy:
            reached = reached_accuracy or 0.0
            return Ending(
                outcome=Outcome.CENSORED,
                reason=f"reached {percentage(reached)} of the target accuracy "
                f"{percentage(target_accuracy)}",
                violations=(("target_accuracy", target_accuracy - reached),),
            )
        return Ending(outcome=Outcome.COMPLETE)
    if isinstance(raised, LimitBroken):
        return Ending(
            outcome=raised.outcome,
            reason=str(raised),
            violations=tuple(sorted(raised.excess.items())),
        )
    if isinstance(raised, TrialEnd):
        learns = raised.outcome not in (Outcome.STOPPED, Outcome.INTERRUPTED)
        return Ending(
            outcome=raised.outcome,
            reason=str(raised),
            violations=((raised.outcome.value, 1.0),) if learns else (),
        )
    if isinstance(raised, MemoryError):
        return Ending(
            outcome=Outcome.OUT_OF_MEMORY,
            reason="the process ran out of memory",
            violations=((Outcome.OUT_OF_MEMORY.value, 1.0),),
        )
    if isinstance(raised, KeyboardInterrupt | SystemExit):
        return Ending(outcome=Outcome.INTERRUPTED, reason="the worker was told to leave")
    return Ending(
        outcome=Outcome.FAILED,
        reason=f"{type(raised).__name__}: {raised}".strip(": "),
        details="".join(traceback.format_exception(raised)),
    )
