from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.verdict import verdict

Summarise = Callable[..., dict[str, Any]]


def test_the_answer_with_its_evidence(sources: ReportSources) -> None:
    found = verdict(sources)
    assert found.tone == "good"
    assert found.answer == (
        "Yes: cheaper than the cnn reference, and as accurate as far as 100 test images tell"
    )
    assert "1.9 times faster an epoch than the cnn reference" in found.sentence
    assert found.evidence is not None
    assert "is +5.00 points (95% interval -0.09 to +9.90): 5 images only" in found.evidence
    assert ("test accuracy", "95.00%") in found.facts
    assert found.reason is not None and found.reason.startswith("Chosen by the rule knee: ")


def answered(
    sources: ReportSources, images: int, gained: int, lost: int
) -> dict[int, NDArray[np.bool_]]:
    """Return right answers: so many images only the sweet spot gets right, or only the cnn."""
    ours, theirs = np.ones((2, images), dtype=np.bool_)
    ours[:lost] = False
    theirs[lost : lost + gained] = False
    spot, cnn = sources.summary["sweet_spot"], sources.summary["references"]["cnn"]
    return {spot["trial"]: ours, cnn["trial"]: theirs}


AS_ACCURATE = "Yes: cheaper than the cnn reference, and as accurate as far as"
DO_NOT_TELL = "In part: cheaper than the cnn reference; whether as accurate,"


@pytest.mark.parametrize(
    ("counts", "tone", "answer"),
    [
        # The low ends, in points: -0.39, -0.52, -1.82, -1.45, -0.21, 1.95.
        ((10_000, 200, 200), "good", f"{AS_ACCURATE} 10,000"),
        ((10_000, 200, 212), "mixed", f"{DO_NOT_TELL} 10,000"),
        ((400, 6, 6), "mixed", f"{DO_NOT_TELL} 400"),
        ((400, 8, 6), "mixed", f"{DO_NOT_TELL} 400"),
        ((400, 6, 1), "good", f"{AS_ACCURATE} 400"),
        ((400, 16, 0), "good", "Yes: cheaper and more accurate than the cnn reference"),
        ((400, 0, 16), "mixed", "In part: cheaper than the cnn reference, but less accurate"),
    ],
)
def test_what_few_images_cannot_tell_from_a_loss_is_no_yes(
    sources: ReportSources, counts: tuple[int, int, int], tone: str, answer: str
) -> None:
    right = answered(sources, *counts)
    answers: dict[int, Any] = {n: SimpleNamespace(right=known) for n, known in right.items()}
    tested = verdict(replace(sources, answers=answers))
    assert tested.tone == tone and tested.answer.startswith(answer)
    assert "validation" not in tested.answer
    # Before test is read, the validation images say it the same way.
    validated = verdict(replace(sources, answers={}, validation_right=right))
    assert validated.tone == tone and validated.answer.startswith(answer)
    assert validated.answer.count("validation images") == 1
    assert validated.evidence is None


@pytest.mark.parametrize(
    ("accuracy", "seconds", "tone", "answer"),
    [
        (0.93, 3.0, "good", "Yes: cheaper and more accurate than the cnn reference"),
        (0.93, 9.0, "mixed", "In part: more accurate than the cnn reference, but dearer"),
        (0.90, 3.0, "mixed", "In part: cheaper than the cnn reference, but less accurate"),
        (0.912, 3.0, "good", "Yes: cheaper than the cnn reference, and as accurate"),
        (0.913, 3.0, "good", "Yes: cheaper than the cnn reference, and as accurate"),
        (0.907, 3.0, "good", "Yes: cheaper than the cnn reference, and as accurate"),
        (0.917, 9.0, "bad", "No: dearer and no more accurate than the cnn reference"),
        (0.93, 7.6, "mixed", "In part: more accurate than the cnn reference, but no cheaper"),
        (0.90, 9.0, "bad", "No: dearer and less accurate than the cnn reference"),
    ],
)
def test_every_answer(
    sources: ReportSources, accuracy: float, seconds: float, tone: str, answer: str
) -> None:
    summary = dict(sources.summary)
    summary["sweet_spot"] = {
        **summary["sweet_spot"], "val_accuracy": accuracy, "epoch_seconds": seconds
    }  # fmt: skip
    found = verdict(replace(sources, summary=summary, answers={}))
    assert (found.tone, found.answer) == (tone, f"{answer}, on the validation images")
    assert found.evidence is None


@pytest.mark.parametrize(
    ("accuracy", "tone", "answer"),
    [
        (0.93, "good", "Yes, so far: cheaper and more accurate than the cnn reference"),
        (0.90, "mixed", "In part, so far: cheaper than the cnn reference, but less accurate"),
    ],
)
def test_while_trials_run_an_answer_is_one_so_far(
    sources: ReportSources, accuracy: float, tone: str, answer: str
) -> None:
    summary = dict(sources.summary)
    summary["sweet_spot"] = {
        **summary["sweet_spot"], "val_accuracy": accuracy, "epoch_seconds": 3.0
    }  # fmt: skip
    for state in ("running", "interrupted"):
        summary["trials"] = {**sources.summary["trials"], state: 2}
        found = verdict(replace(sources, summary=summary, answers={}))
        assert (found.tone, found.answer) == (tone, f"{answer}, on the validation images")


def test_while_trials_run_a_no_is_none_yet(
    records: list[TrialRecord], summarise: Summarise, make: Callable[..., ReportSources]
) -> None:
    few = [records[1]]
    summary = summarise(few)
    summary["trials"]["running"] = 1
    found = verdict(make(few, summary))
    assert (found.tone, found.answer) == (
        "open", "Not yet: nothing beats the cnn reference so far"
    )  # fmt: skip


def test_the_reference_itself_is_no_sweet_spot(
    records: list[TrialRecord], summarise: Summarise, make: Callable[..., ReportSources]
) -> None:
    few = [records[1]]
    assert verdict(make(few, summarise(few))).answer == "No: nothing beats the cnn reference"


def test_before_any_trial_the_answer_is_open(
    summarise: Summarise, make: Callable[..., ReportSources]
) -> None:
    found = verdict(make([], summarise([])))
    assert (found.tone, found.answer) == ("open", "Not known yet")
    assert found.sentence.startswith("There is no sweet spot yet")


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("time_to_accuracy_seconds", "faster to the target accuracy than the cnn reference"),
        ("device_memory_mib", "less device memory than the cnn reference"),
    ],
)
def test_costs_that_training_shows_have_an_answer_too(
    sources: ReportSources, summarise: Summarise, cost: str, words: str
) -> None:
    records = [
        replace(record, costs={**record.costs, cost: 10.0 * record.costs["epoch_seconds"]})
        if record.costs
        else record
        for record in sources.records
    ]
    found = verdict(replace(sources, summary=summarise(records, costs=(cost,)), answers={}))
    assert found.tone in ("good", "mixed")
    assert words in found.sentence


def test_a_reference_that_never_reaches_the_target_is_beaten(
    sources: ReportSources, summarise: Summarise
) -> None:
    cost = "time_to_accuracy_seconds"
    records = [
        replace(record, outcome=Outcome.CENSORED)
        if record.specification.reference == "cnn"
        else replace(record, costs={**record.costs, cost: record.costs.get("epoch_seconds", 1.0)})
        for record in sources.records
    ]
    summary = summarise(records, costs=(cost,))
    found = verdict(replace(sources, summary=summary, answers={}))
    assert (found.tone, found.answer) == (
        "good", "Yes: it reaches the target accuracy, and the cnn reference does not"
    )  # fmt: skip
    assert "the cnn reference did not reach the target accuracy" in found.sentence
    for outcome in (Outcome.INTERRUPTED, None):
        summary["references"]["cnn"]["outcome"] = outcome
        found = verdict(replace(sources, summary=summary, answers={}))
        assert found.answer == "Not known yet"
        assert "the cnn reference has no result to compare with yet" in found.sentence


def test_while_finalists_are_trained_an_answer_is_one_so_far(sources: ReportSources) -> None:
    answers = []
    for settled in (True, False):
        summary = {**sources.summary, "finalists_settled": settled}
        answers.append(verdict(replace(sources, summary=summary)).answer)
    assert answers[0].startswith("Yes: cheaper")
    assert answers[1].startswith("Yes, so far: cheaper")


def test_a_reference_that_never_has_a_result_leaves_the_answer_open(
    sources: ReportSources, summarise: Summarise
) -> None:
    records = [
        replace(record, outcome=Outcome.OUT_OF_MEMORY, val_accuracy=None)
        if record.specification.reference == "cnn"
        else record
        for record in sources.records
    ]
    found = verdict(replace(sources, summary=summarise(records), answers={}))
    assert (found.tone, found.answer) == (
        "open", "Not known: the cnn reference ran out of memory"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "answer"),
    [
        ((8, 8), "Yes: cheaper and more accurate"),
        ((16, 8), "In part: more accurate than the cnn reference, but no cheaper"),
        ((24, 8), "In part: more accurate than the cnn reference, but dearer"),
        ((None, 8), "Yes: cheaper and more accurate"),
    ],
)
def test_the_whole_training_is_judged(
    sources: ReportSources, epochs: tuple[int | None, int], answer: str
) -> None:
    summary = {**sources.summary, "references": dict(sources.summary["references"])}
    summary["sweet_spot"] = {
        **summary["sweet_spot"], "val_accuracy": 0.93, "epoch_seconds": 3.8, "epochs": epochs[0]
    }  # fmt: skip
    summary["references"]["cnn"] = {**summary["references"]["cnn"], "epochs": epochs[1]}
    found = verdict(replace(sources, summary=summary, answers={}))
    assert found.answer.startswith(answer)


def test_what_is_counted_is_cheaper_by_however_little(
    sources: ReportSources, summarise: Summarise
) -> None:
    records = [
        replace(r, costs={**r.costs, "parameters": 243_786.0}) if r.costs else r
        for r in sources.records
    ]
    summary = summarise(records, costs=("parameters",))
    spot = {**summary["sweet_spot"], "trial": 3, "val_accuracy": 0.93, "parameters": 236_618}
    found = verdict(replace(sources, summary={**summary, "sweet_spot": spot}, answers={}))
    assert found.answer.startswith("Yes: cheaper and more accurate than the cnn reference")
