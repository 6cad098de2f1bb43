"""Is there a sweet spot? The answer, and the difference to the lesson's network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.core.promotion import EQUAL_WITHIN
from pipeline.core.statistics import PairedTest, mcnemar
from pipeline.core.summary import open_trials
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.sentence import never_there, sweet_spot_sentence
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, counted

#: Costs that differ by less, either way, are equal but for a machine's moods.
_SAME_WITHIN = 1.05
Tone = Literal["good", "mixed", "bad", "open"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The answer to the sweep's question.

    Parameters
    ----------
    tone
        Whether it is the one that was hoped for.
    sentence
        The sweet spot against both references, with the numbers.
    evidence
        How sure the difference in accuracy is; None where test was not read.
    reason
        Why this trial was chosen.
    """

    tone: Tone
    answer: str
    sentence: str
    evidence: str | None = None
    reason: str | None = None
    facts: tuple[tuple[str, str], ...] = ()


def verdict(sources: ReportSources) -> Verdict:
    """Return the answer as far as the sweep has come."""
    summary = sources.summary
    spot, cnn = summary["sweet_spot"], summary["references"]["cnn"]
    sentence = sweet_spot_sentence(summary, sources.comparison)
    if spot is None:
        return Verdict(tone="open", answer="Not known yet", sentence=sentence)
    test = _test_against_cnn(sources)
    tone: Tone
    if never_there(summary, "cnn"):
        tone, answer = "good", "Yes: it reaches the target accuracy, and the cnn reference does not"
    else:
        tone, answer = _answer(spot, cnn, summary["costs"][0], test)
        if test is None and tone != "open" and spot["trial"] != cnn["trial"]:
            answer += ", on the validation images"
    if tone != "open" and not _is_final(summary):
        tone, answer = _so_far(tone, answer)
    return Verdict(
        tone=tone,
        answer=answer,
        sentence=sentence,
        evidence=None if test is None else _evidence(test),
        reason=f"Chosen by the rule {spot['rule']}: {spot['reason']}.",
        facts=_facts(summary),
    )


def _is_final(summary: Mapping[str, Any]) -> bool:
    """Say whether nothing runs that may change the answer, finalists included."""
    settled = summary.get("finalists_settled", True)  # an earlier version's summary lacks it
    return settled and not open_trials(summary)


def _test_against_cnn(sources: ReportSources) -> PairedTest | None:
    spot, cnn = sources.summary["sweet_spot"], sources.summary["references"]["cnn"]
    ours, theirs = sources.answers.get(spot["trial"]), sources.answers.get(cnn["trial"])
    if ours is None or theirs is None or spot["trial"] == cnn["trial"]:
        return None
    return mcnemar(ours.right, theirs.right)


def _answer(
    spot: Mapping[str, Any], cnn: Mapping[str, Any], cost: str, test: PairedTest | None
) -> tuple[Tone, str]:
    if spot["trial"] == cnn["trial"]:
        return "bad", "No: nothing beats the cnn reference"
    paid, price = cnn.get(cost), spot.get(cost)
    if cnn["val_accuracy"] is None or not paid or not price:
        return "open", "Not known yet"
    cheaper = (paid / price >= _SAME_WITHIN) - (price / paid >= _SAME_WITHIN)
    if test is not None:
        more = (test.interval.low > 0) - (test.interval.high < 0)
    else:
        difference = round(spot["val_accuracy"] - cnn["val_accuracy"], 3)
        more = (difference > 0) - (difference < 0)
    faster = {1: "cheaper", 0: "no cheaper", -1: "dearer"}[cheaper]
    match cheaper, more:
        case 1, 1:
            return "good", "Yes: cheaper and more accurate than the cnn reference"
        case 1, 0 if test is not None and test.difference < -EQUAL_WITHIN:
            return "mixed", (
                f"In part: cheaper than the cnn reference; whether as accurate, {test.images:,} "
                "test images do not tell"
            )
        case 1, 0:
            return "good", f"Yes: cheaper than the cnn reference, and as accurate{_as_far_as(test)}"
        case _, 1:
            return "mixed", f"In part: more accurate than the cnn reference, but {faster}"
        case 1, -1:
            return "mixed", "In part: cheaper than the cnn reference, but less accurate"
        case _:
            accurate = "less accurate" if more < 0 else "no more accurate"
            return "bad", f"No: {faster} and {accurate} than the cnn reference"


def _so_far(tone: Tone, answer: str) -> tuple[Tone, str]:
    """Return an answer that further trials may change; a no is none yet."""
    said, _, rest = answer.partition(": ")
    if tone == "bad":
        return "open", f"Not yet: {rest} so far"
    return tone, f"{said}, so far: {rest}"


def _as_far_as(test: PairedTest | None) -> str:
    return "" if test is None else f" as far as {test.images:,} test images tell"


def _evidence(test: PairedTest) -> str:
    low, high = 100 * test.interval.low, 100 * test.interval.high
    is_sure = low > 0 or high < 0 or not test.difference
    beyond = "" if is_sure else " So small a difference may be chance."
    return (
        f"On the same {test.images:,} test images the difference in accuracy to the cnn reference "
        f"is {100 * test.difference:+.2f} points (95% interval {low:+.2f} to {high:+.2f}): "
        f"{counted(test.only_first, 'image')} only the sweet spot gets right, {test.only_second} "
        f"only the reference.{beyond}"
    )


def _facts(summary: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    spot = summary["sweet_spot"]
    tested = spot["test_accuracy"] is not None
    accuracy = accuracy_text(spot["test_accuracy" if tested else "val_accuracy"])
    facts = [("test accuracy" if tested else "validation accuracy", accuracy)]
    costs = dict.fromkeys((summary["costs"][0], "latency_ms", "parameters", "macs"))
    facts += [(cost_label(cost), cost_text(cost, spot[cost])) for cost in costs if spot.get(cost)]
    return tuple(facts)
