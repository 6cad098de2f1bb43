"""Is there a sweet spot? The answer, and the difference to the lesson's network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.promotion import EQUAL_WITHIN
from pipeline.core.statistics import PairedTest, mcnemar
from pipeline.core.summary import open_trials
from pipeline.core.trial import ANALYTIC_COSTS, Outcome
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.ratios import order, training_ratio
from pipeline.reporting.sentence import sweet_spot_sentence, without_result
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text, counted

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
    test = _against_cnn(summary, {n: known.right for n, known in sources.answers.items()})
    paired = test or _against_cnn(summary, sources.validation_right)
    tone: Tone
    never = without_result(summary, "cnn")
    if cnn.get("outcome") == Outcome.CENSORED:
        tone, answer = "good", "Yes: it reaches the target accuracy, and the cnn reference does not"
    elif never is not None:
        tone, answer = "open", f"Not known: the cnn reference {never}"
    else:
        images = "validation images" if test is None else "test images"
        tone, answer = _answer(spot, cnn, summary["costs"][0], paired, images)
        if test is None and tone != "open" and spot["trial"] != cnn["trial"]:
            answer += "" if images in answer else f", on the {images}"
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


def _against_cnn(
    summary: Mapping[str, Any], right: Mapping[int, NDArray[np.bool_]]
) -> PairedTest | None:
    """Compare right answers, by trial; None where those of the sweet spot or the cnn lack."""
    spot, cnn = summary["sweet_spot"], summary["references"]["cnn"]
    ours, theirs = right.get(spot["trial"]), right.get(cnn["trial"])
    if ours is None or theirs is None or spot["trial"] == cnn["trial"]:
        return None
    return mcnemar(ours, theirs)


def _answer(
    spot: Mapping[str, Any],
    cnn: Mapping[str, Any],
    cost: str,
    paired: PairedTest | None,
    images: str,
) -> tuple[Tone, str]:
    """Return the answer from both networks' answers to the same images, as far as known.

    Where one was trained for more epochs, the cheaper one is cheaper to train as a whole, not by
    the epoch. As accurate is what is surely not less accurate by more than ``EQUAL_WITHIN``.
    Where the answers are not known, what differs by no more than that is called as accurate.
    """
    if spot["trial"] == cnn["trial"]:
        return "bad", "No: nothing beats the cnn reference"
    paid, price = cnn.get(cost), spot.get(cost)
    if cnn["val_accuracy"] is None or not paid or not price:
        return "open", "Not known yet"
    ratio = (training_ratio(spot, cnn) if cost == "epoch_seconds" else None) or paid / price
    cheaper = order(ratio, exact=cost in ANALYTIC_COSTS)
    if paired is not None:
        more = (paired.interval.low > 0) - (paired.interval.high < 0)
    else:
        difference = round(spot["val_accuracy"] - cnn["val_accuracy"], 6)
        more = (difference > EQUAL_WITHIN) - (difference < -EQUAL_WITHIN)
    faster = {1: "cheaper", 0: "no cheaper", -1: "dearer"}[cheaper]
    match cheaper, more:
        case 1, 1:
            return "good", "Yes: cheaper and more accurate than the cnn reference"
        case 1, 0 if paired is not None and paired.interval.low < -EQUAL_WITHIN:
            return "mixed", (
                f"In part: cheaper than the cnn reference; whether as accurate, {paired.images:,} "
                f"{images} do not tell"
            )
        case 1, 0:
            so_far = "" if paired is None else f" as far as {paired.images:,} {images} tell"
            return "good", f"Yes: cheaper than the cnn reference, and as accurate{so_far}"
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
