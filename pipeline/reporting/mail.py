"""How a run of a sweep ended in one line, for a mail's subject or a log."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import AGAIN_STATUS, SIGNAL_STATUS
from pipeline.core.summary import ended_trials
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, counted, duration_text

_BAD = ("failed", "diverged", "out_of_memory", "timed_out")


def summary_line(sweep: str, status: int, summary: Mapping[str, Any] | None) -> str:
    """Return the line.

    Parameters
    ----------
    status
        The exit status of the run.
    summary
        The content of ``summary.json``; None where no trial has ended.
    """
    parts = [f"{sweep}: {_state(status)}"]
    if summary is None:
        return f"{parts[0]}, no trial ended"
    trials = summary["trials"]
    ended = counted(ended_trials(summary), "trial")
    said = [f"{trials['complete']} of {ended} complete"]
    said += [f"{trials[name]} {name.replace('_', ' ')}" for name in _BAD if trials[name]]
    parts.append(", ".join(said))
    spot = summary["sweet_spot"]
    if spot is None:
        parts.append("no sweet spot")
    else:
        cost = summary["costs"][0]
        known = (
            "" if spot.get(cost) is None else f", {cost_label(cost)} {cost_text(cost, spot[cost])}"
        )
        test = spot["test_accuracy"]
        accuracy = (
            f"{accuracy_text(spot['val_accuracy'])} in validation"
            if test is None
            else f"{accuracy_text(test)} on test"
        )
        parts.append(f"sweet spot trial {spot['trial']} {spot['architecture']}, {accuracy}{known}")
    parts.append(duration_text(summary["wall_seconds"]))
    return "; ".join(parts)


def _state(status: int) -> str:
    if status == 0:
        return "done"
    left = status == AGAIN_STATUS or status > SIGNAL_STATUS
    return "stopped before its end" if left else "FAILED"
