import pytest

from pipeline.core.outcome import (
    DoesNotFit,
    Interrupted,
    LimitBroken,
    LossNotFinite,
    OutOfMemory,
    StoppedAtRung,
    TimeUp,
    decide,
)
from pipeline.core.trial import Outcome


def test_the_end_of_training_is_complete():
    ending = decide(None)
    assert (ending.outcome, ending.reason, ending.violations) == (Outcome.COMPLETE, None, ())


@pytest.mark.parametrize(
    ("raised", "outcome", "names"),
    [
        (StoppedAtRung("behind"), Outcome.STOPPED, []),
        (DoesNotFit("too small"), Outcome.INFEASIBLE, ["infeasible"]),
        (LossNotFinite("nan"), Outcome.DIVERGED, ["diverged"]),
        (OutOfMemory("full"), Outcome.OUT_OF_MEMORY, ["out_of_memory"]),
        (TimeUp("late"), Outcome.TIMED_OUT, ["timed_out"]),
        (Interrupted("leave"), Outcome.INTERRUPTED, []),
        (MemoryError(), Outcome.OUT_OF_MEMORY, ["out_of_memory"]),
        (KeyboardInterrupt(), Outcome.INTERRUPTED, []),
        (SystemExit(3), Outcome.INTERRUPTED, []),
        (ValueError("odd"), Outcome.FAILED, []),
    ],
)
def test_what_was_raised_decides(raised, outcome, names):
    ending = decide(raised)
    assert ending.outcome is outcome
    assert [name for name, value in ending.violations] == names
    assert all(value > 0 for _, value in ending.violations)
    assert ending.reason


def test_every_broken_limit_is_a_constraint():
    ending = decide(LimitBroken("too big", {"parameters": 0.5, "macs": 2.0}))
    assert ending.outcome is Outcome.INFEASIBLE
    assert ending.violations == (("macs", 2.0), ("parameters", 0.5))


def test_a_failure_keeps_its_traceback():
    def fails():
        raise ValueError("odd")

    try:
        fails()
    except ValueError as error:
        ending = decide(error)
    assert ending.reason == "ValueError: odd"
    assert ending.details is not None and "in fails" in ending.details


def test_a_missed_target_is_censored_not_a_number():
    ending = decide(None, reached_accuracy=0.84, target_accuracy=0.9)
    assert ending.outcome is Outcome.CENSORED
    assert ending.reason == "reached 84.00% of the target accuracy 90.00%"
    assert ending.violations[0][1] == pytest.approx(0.06)
    assert decide(None, reached_accuracy=0.9, target_accuracy=0.9).outcome is Outcome.COMPLETE
    assert decide(None, target_accuracy=0.9).outcome is Outcome.CENSORED
