from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("more", "tone", "answer"),
    [
        (-1, "good", "Yes: cheaper than the cnn reference, and as accurate as far as 400"),
        (-4, "mixed", "In part: cheaper than the cnn reference; whether as accurate, 400 test "),
    ],
)
def test_a_loss_that_few_images_cannot_tell_from_none_is_no_yes(
    sources: ReportSources, more: int, tone: str, answer: str
) -> None:
    spot, cnn = sources.summary["sweet_spot"], sources.summary["references"]["cnn"]
    right = np.ones(400, dtype=bool)
    right[:-more] = False
    answers: dict[int, Any] = {
        spot["trial"]: SimpleNamespace(right=right),
        cnn["trial"]: SimpleNamespace(right=np.ones(400, dtype=bool)),
    }
    # Some images that only the sweet spot gets right, and as many that only the reference does.
    for number, places in ((cnn["trial"], slice(100, 106)), (spot["trial"], slice(106, 112))):
        answers[number].right[places] = False
    found = verdict(replace(sources, answers=answers))
    assert found.tone == tone and found.answer.startswith(answer)


@pytest.mark.parametrize(
    ("accuracy", "seconds", "tone", "answer"),
    [
        (0.93, 3.0, "good", "Yes: cheaper and more accurate than the cnn reference"),
        (0.93, 9.0, "mixed", "In part: more accurate than the cnn reference, but dearer"),
        (0.90, 3.0, "mixed", "In part: cheaper than the cnn reference, but less accurate"),
        (0.912, 3.0, "good", "Yes: cheaper than the cnn reference, and as accurate"),
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
    for outcome in (Outcome.INTERRUPTED, Outcome.OUT_OF_MEMORY, None):
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
