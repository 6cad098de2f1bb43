"""The sweet spot in one plain sentence, against both references."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.core.architecture import REFERENCES
from pipeline.core.statistics import Interval
from pipeline.core.summary import finalist_trainings, interval_on_test, why_no_sweet_spot
from pipeline.core.trial import ANALYTIC_COSTS, Outcome
from pipeline.reporting.ratios import difference, order, times, training_ratio

#: By reference: ``epoch_ratio_equal_batch``, see ``sweet_spot_sentence``.
Comparison = Mapping[str, Mapping[str, float]]


class _Words(NamedTuple):
    """How a ratio of costs is said: ``1.9 times BETTER than``, ``about SAME the …``."""

    better: str
    worse: str
    same: str


_WORDS = {
    "epoch_seconds": _Words("faster an epoch", "slower an epoch", "as fast an epoch as"),
    "latency_ms": _Words("faster a prediction", "slower a prediction", "as fast a prediction as"),
    "train_seconds": _Words("faster to train", "slower to train", "as fast to train as"),
    "time_to_accuracy_seconds": _Words(
        "faster to the target accuracy",
        "slower to the target accuracy",
        "as fast to the target accuracy as",
    ),
    "device_memory_mib": _Words(
        "less device memory", "more device memory", "as much device memory as"
    ),
    "parameters": _Words("fewer parameters", "more parameters", "as many parameters as"),
    "macs": _Words(
        "fewer multiply-accumulates", "more multiply-accumulates", "as many multiply-accumulates as"
    ),
}
#: What a reference did that never has a result.
_WITHOUT_RESULT = {
    Outcome.CENSORED: "did not reach the target accuracy",
    Outcome.INFEASIBLE: "does not fit the images",
    Outcome.DIVERGED: "diverged",
    Outcome.OUT_OF_MEMORY: "ran out of memory",
    Outcome.TIMED_OUT: "took longer than it may",
    Outcome.FAILED: "failed",
}


def sweet_spot_sentence(summary: Mapping[str, Any], comparison: Comparison | None = None) -> str:
    """Return the sentence.

    Parameters
    ----------
    summary
        The content of ``summary.json``.
    comparison
        By reference, ``epoch_ratio_equal_batch``: the reference's seconds an epoch divided by
        the sweet spot's, both at the sweet spot's batch size; above 1 the sweet spot is faster.

    Notes
    -----
    The cost compared is the sweep's leading one. Where that is the time of an epoch, and one was
    trained for more of them, the time of the whole training is told as well. Accuracies are
    compared on the test images where both are known there, else on the validation images; a
    difference is given in percentage points.
    """
    spot = summary["sweet_spot"]
    if spot is None:
        return f"There is no sweet spot yet: {why_no_sweet_spot(summary)}."
    references = summary["references"]
    itself = next((n for n in references if references[n]["trial"] == spot["trial"]), None)
    who = f"trial {spot['trial']}, {spot['architecture']}"
    if itself is not None:
        who = f"the {itself} reference itself, {who}"
    elif spot["architecture"] in (twins := {a.notation: n for n, a in REFERENCES.items()}):
        way = "with another seed" if spot.get("other_seed_of") else "another way"
        who += f" (the {twins[spot['architecture']]} reference's network, trained {way})"
    for finalist in summary.get("finalists", ()):
        if finalist["trial"] == spot["trial"] and finalist.get("without_result"):
            who += f" (which ended with a result in {finalist_trainings(finalist)} trainings)"
    cost = summary["costs"][0]
    against = [
        _against(summary, name, cost, (comparison or {}).get(name, {}))
        for name in ("cnn", "dnn")
        if name != itself
    ]
    return f"The sweet spot is {who}: {'; '.join(against)}."


def _against(
    summary: Mapping[str, Any], name: str, cost: str, measured: Mapping[str, float]
) -> str:
    spot, reference = summary["sweet_spot"], summary["references"][name]
    accuracy = _accuracy(summary, spot, reference)
    never = without_result(summary, name)
    paid, price = reference.get(cost), spot.get(cost)  # an earlier version's may lack it
    if not paid or not price:
        if accuracy is None:
            if never is not None:
                return f"the {name} reference {never}"
            return f"the {name} reference has no result to compare with yet"
        linked = f"{accuracy.words} {'than' if accuracy.sign else 'as'}"
        return f"{linked} the {name} reference{accuracy.brackets}, its cost not known yet"
    words, exact = _WORDS[cost], cost in ANALYTIC_COSTS
    sign = order(paid / price, exact=exact)
    if sign == 0:
        speed = f"{'' if exact else 'about '}{words.same} the {name} reference"
    else:
        much = difference(paid / price) if exact else times(paid / price)
        speed = f"{much} {words.better if sign > 0 else words.worse} than the {name} reference"
    if cost == "epoch_seconds":
        remarks = (
            _batch_remark(spot, reference, measured.get("epoch_ratio_equal_batch")),
            _length_remark(spot, reference),
        )
        said = "; ".join(filter(None, remarks))
        speed += f" ({said})" if said else ""
    if accuracy is None:
        return f"{speed}, which {never}" if never else f"{speed} (its accuracy not known yet)"
    joint = "but" if sign * accuracy.sign < 0 else "and"
    return f"{speed} {joint} {accuracy.words}{accuracy.brackets}"


def without_result(summary: Mapping[str, Any], name: str) -> str | None:
    """Return what a reference did that never has a result; None where it has one, or may have.

    In words that follow its name: ``ran out of memory``.
    """
    # An earlier version's summary does not tell how a reference has ended.
    return _WITHOUT_RESULT.get(summary["references"][name].get("outcome"))


def readings_sentence(summary: Mapping[str, Any]) -> str:
    """Say for which networks the test images were read, once each, or that they were not."""
    count = summary["test_readings"]
    if not count:
        return "The test images have not been read."
    spot = summary["sweet_spot"]
    named = [f"the {name} reference" for name, r in summary["references"].items() if _is_read(r)]
    present = {r["trial"] for r in summary["references"].values() if _is_read(r)}
    if spot is not None and _is_read(spot) and spot["trial"] not in present:
        named.insert(0, "the sweet spot")
    earlier = count - len(named)
    if earlier > 0:
        named.append("an earlier sweet spot" if earlier == 1 else f"{earlier} earlier sweet spots")
    listed = ", ".join(named[:-1]) + (" and " if len(named) > 1 else "") + named[-1]
    each = "" if len(named) == 1 else " each"
    return f"The test images were read once{each} for {listed}."


def _is_read(network: Mapping[str, Any]) -> bool:
    return network["test_accuracy"] is not None


class _Accuracy(NamedTuple):
    sign: int
    words: str
    brackets: str


def _accuracy(
    summary: Mapping[str, Any], spot: Mapping[str, Any], reference: Mapping[str, Any]
) -> _Accuracy | None:
    for key, images in (("test_accuracy", "test"), ("val_accuracy", "validation")):
        ours, theirs = spot[key], reference[key]
        if ours is None or theirs is None:
            continue
        points = round(100 * (ours - theirs), 1)
        brackets = f" ({100 * ours:.2f}% against {100 * theirs:.2f}% on the {images} images"
        if key == "test_accuracy":
            first, second = (interval_on_test(summary, value) for value in (ours, theirs))
            brackets += f", 95% intervals {_percents(first)} and {_percents(second)}"
        brackets += ")"
        if points == 0:
            return _Accuracy(0, "as accurate", brackets)
        more = "more" if points > 0 else "less"
        sign = 1 if points > 0 else -1
        return _Accuracy(sign, f"{abs(points):.1f} points {more} accurate", brackets)
    return None


def _percents(interval: Interval) -> str:
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}%"


def _batch_remark(
    spot: Mapping[str, Any], reference: Mapping[str, Any], equal: float | None
) -> str | None:
    ours, theirs = spot["batch_size"], reference["batch_size"]
    if ours == theirs:
        return None
    if equal is None:
        return f"trained with batch size {ours} against {theirs}"
    sign = order(equal)
    if sign == 0:
        return "about as fast at equal batch size"
    return f"{times(equal)} {'faster' if sign > 0 else 'slower'} at equal batch size"


def _length_remark(spot: Mapping[str, Any], reference: Mapping[str, Any]) -> str | None:
    ratio = training_ratio(spot, reference)
    if ratio is None:
        return None
    sign, words = order(ratio), _WORDS["train_seconds"]
    whole = f"{times(ratio)} {words.better if sign > 0 else words.worse}"
    if sign == 0:
        whole = "about as fast to train"
    return f"trained for {spot['epochs']} epochs against {reference['epochs']}: {whole}"
