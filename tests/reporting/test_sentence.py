"""The sentence, read aloud for every case."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.sentence import readings_sentence, sweet_spot_sentence

Maker = Callable[..., TrialRecord]
Summarise = Callable[..., dict[str, Any]]
TESTED = {0: 0.876, 1: 0.9081, 3: 0.9119}


def test_faster_and_more_accurate(records: list[TrialRecord], summarise: Summarise) -> None:
    comparison = {
        "cnn": {"epoch_ratio_equal_batch": 1.43},
        "dnn": {"epoch_ratio_equal_batch": 1 / 5.1},
    }
    summary = summarise(records, test_accuracies=TESTED)
    assert sweet_spot_sentence(summary, comparison) == (
        "The sweet spot is trial 3, 32k3-64k3-d128: 1.9 times faster an epoch than the cnn "
        "reference (1.4 times faster at equal batch size) and 0.4 points more accurate (91.19% "
        "against 90.81% on the test images, 95% intervals 90.62 to 91.73% and 90.23 to 91.36%); "
        "4.0 times slower an epoch than the dnn reference "
        "(5.1 times slower at equal batch size) but 3.6 points more accurate (91.19% against "
        "87.60% on the test images, 95% intervals 90.62 to 91.73% and 86.94 to 88.23%)."
    )


def test_batch_sizes_are_given_where_the_equal_ratio_is_not(
    records: list[TrialRecord], summarise: Summarise
) -> None:
    sentence = sweet_spot_sentence(summarise(records))
    assert "cnn reference (trained with batch size 256 against 128) and" in sentence


def test_validation_accuracy_where_test_is_unknown(
    records: list[TrialRecord], summarise: Summarise
) -> None:
    sentence = sweet_spot_sentence(summarise(records, test_accuracies={3: 0.9119, 0: 0.876}))
    cnn, dnn = sentence.split("; ")
    assert cnn.endswith("(91.60% against 91.20% on the validation images)")
    assert "(91.19% against 87.60% on the test images, 95% intervals " in dnn


def two(trial: Maker, summarise: Summarise, spot: TrialRecord) -> str:
    """Return the clause against a cnn reference of 4 s and 90%, with that sweet spot."""
    cnn = trial(1, "64k3-64k3-d128", 0.9, 4.0, reference="cnn")
    summary = summarise([cnn])
    summary["sweet_spot"] = summarise([spot])["sweet_spot"]
    return sweet_spot_sentence(summary).split(": ", 1)[1].split(";")[0]


@pytest.mark.parametrize(
    ("accuracy", "seconds", "speed", "joint", "gain"),
    [
        (0.91, 2.0, "2.0 times faster an epoch than", "and", "1.0 points more accurate"),
        (0.89, 2.0, "2.0 times faster an epoch than", "but", "1.0 points less accurate"),
        (0.91, 8.0, "2.0 times slower an epoch than", "but", "1.0 points more accurate"),
        (0.89, 8.0, "2.0 times slower an epoch than", "and", "1.0 points less accurate"),
        (0.9, 4.0, "about as fast an epoch as", "and", "as accurate"),
        (0.9004, 2.0, "2.0 times faster an epoch than", "and", "as accurate"),
        (0.91, 4.1, "about as fast an epoch as", "and", "1.0 points more accurate"),
        (0.91, 0.3, "13 times faster an epoch than", "and", "1.0 points more accurate"),
    ],
)
def test_directions(
    *,
    trial: Maker,
    summarise: Summarise,
    accuracy: float,
    seconds: float,
    speed: str,
    joint: str,
    gain: str,
) -> None:
    said = two(trial, summarise, trial(7, "8k3-d64", accuracy, seconds))
    assert said.startswith(f"{speed} the cnn reference {joint} {gain} (")


@pytest.mark.parametrize(
    ("ratio", "remark"),
    [
        (1.5, "(1.5 times faster at equal batch size)"),
        (0.5, "(2.0 times slower at equal batch size)"),
        (1.02, "(about as fast at equal batch size)"),
    ],
)
def test_equal_batch_size(
    records: list[TrialRecord], summarise: Summarise, ratio: float, remark: str
) -> None:
    comparison = {"cnn": {"epoch_ratio_equal_batch": ratio}}
    assert f"cnn reference {remark} and" in sweet_spot_sentence(summarise(records), comparison)


def test_a_reference_is_the_sweet_spot(trial: Maker, summarise: Summarise) -> None:
    records = [
        trial(0, "d128", 0.88, 1.0, reference="dnn"),
        trial(1, "64k3-64k3-d128", 0.92, 8.0, reference="cnn"),
    ]
    assert sweet_spot_sentence(summarise(records)) == (
        "The sweet spot is the cnn reference itself, trial 1, 64k3-64k3-d128: 8.0 times slower "
        "an epoch than the dnn reference but 4.0 points more accurate (92.00% against 88.00% on "
        "the validation images)."
    )
    assert sweet_spot_sentence(summarise(records[:1])) == (
        "The sweet spot is the dnn reference itself, trial 0, d128: the cnn reference has no "
        "result to compare with yet."
    )


def test_a_reference_network_with_another_recipe(trial: Maker, summarise: Summarise) -> None:
    sentence = sweet_spot_sentence(summarise([trial(4, "64k3-64k3-d128", 0.92, 8.0)]))
    assert sentence == (
        "The sweet spot is trial 4, 64k3-64k3-d128 (the cnn reference's network, trained another "
        "way): the cnn reference has no result to compare with yet; the dnn reference has no "
        "result to compare with yet."
    )


def test_a_reference_that_still_trains(trial: Maker, summarise: Summarise) -> None:
    cnn = trial(1, "64k3-64k3-d128", None, 8.0, reference="cnn", outcome=None)
    sentence = sweet_spot_sentence(summarise([cnn, trial(2, "8k3-d64", 0.9, 2.0)]))
    assert "4.0 times faster an epoch than the cnn reference (its accuracy not known" in sentence


def test_a_cost_that_was_not_measured(trial: Maker, summarise: Summarise) -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.90, None, reference="cnn")
    spot = trial(2, "8k3-d64", 0.91, None, device_memory_mib=5.0)
    summary = summarise([cnn, spot], costs=["device_memory_mib"])
    assert (
        ": 1.0 points more accurate than the cnn reference (91.00% against 90.00% on the "
        "validation images), its cost not known yet;"
    ) in sweet_spot_sentence(summary)
    summary["references"]["cnn"]["val_accuracy"] = 0.91
    assert "as accurate as the cnn reference (" in sweet_spot_sentence(summary)


@pytest.mark.parametrize(
    ("cost", "clause"),
    [
        ("latency_ms", "4.0 times faster a prediction than the cnn reference and"),
        ("train_seconds", "3.0 times faster to train than the cnn reference and"),
        ("parameters", "2.2 times fewer parameters than the cnn reference and"),
        ("macs", "6.7 times fewer multiply-accumulates than the cnn reference and"),
        ("device_memory_mib", "2.0 times less device memory than the cnn reference and"),
        (
            "time_to_accuracy_seconds",
            "2.5 times faster to the target accuracy than the cnn reference and",
        ),
    ],
)
def test_the_leading_cost_is_compared(
    trial: Maker, summarise: Summarise, cost: str, clause: str
) -> None:
    sizes: dict[str, Any] = {"parameters": 1.0, "macs": 1.0}
    dear = sizes | {"device_memory_mib": 20.0, "time_to_accuracy_seconds": 25.0}
    cheap = sizes | {"device_memory_mib": 10.0, "time_to_accuracy_seconds": 10.0}
    records = [
        trial(1, "64k3-64k3-d128", 0.90, 8.0, reference="cnn", train_seconds=30.0, **dear),
        trial(2, "16k3-32k3-d128", 0.91, 2.0, train_seconds=10.0, **cheap),
    ]
    assert clause in sweet_spot_sentence(summarise(records, costs=[cost]))


def test_no_sweet_spot(trial: Maker, summarise: Summarise) -> None:
    running = trial(0, "d128", None, None, outcome=None)
    failed = trial(1, "d128", None, None, outcome=Outcome.FAILED)
    assert sweet_spot_sentence(summarise([running, failed])) == (
        "There is no sweet spot yet: no trial is complete."
    )
    assert sweet_spot_sentence(summarise([failed])) == (
        "There is no sweet spot yet: no trial came to its end."
    )


def test_it_says_for_which_networks_test_was_read(
    records: list[TrialRecord], summarise: Summarise
) -> None:
    read = summarise(records, test_accuracies=TESTED, test_readings=3)
    assert readings_sentence(read) == (
        "The test images were read once each for the sweet spot, the dnn reference and the cnn "
        "reference."
    )
    again = summarise(records, test_accuracies=TESTED, test_readings=4)
    assert readings_sentence(again).endswith("the cnn reference and an earlier sweet spot.")
    changed = summarise(records, test_accuracies={0: 0.8, 1: 0.9}, test_readings=4)
    assert readings_sentence(changed).endswith("and 2 earlier sweet spots.")
    assert readings_sentence(summarise(records)) == "The test images have not been read."


def test_a_reference_that_is_the_sweet_spot_is_read_once(
    trial: Maker, summarise: Summarise
) -> None:
    dnn = trial(0, "d128", 0.9, 1.0, reference="dnn")
    said = readings_sentence(summarise([dnn], test_accuracies={0: 0.89}, test_readings=1))
    assert said == "The test images were read once for the dnn reference."


@pytest.mark.parametrize(
    ("epochs", "remark"),
    [
        ((16, 8), "trained for 16 epochs against 8: about as fast to train"),
        ((20, 8), "trained for 20 epochs against 8: 1.2 times slower to train"),
        ((4, 8), "trained for 4 epochs against 8: 4.0 times faster to train"),
    ],
)
def test_a_longer_training_is_said(
    trial: Maker, summarise: Summarise, epochs: tuple[int, int], remark: str
) -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.9, 4.0, reference="cnn")
    summary = summarise([cnn, trial(7, "8k3-d64", 0.91, 2.0, batch_size=256)])
    summary["sweet_spot"]["epochs"], summary["references"]["cnn"]["epochs"] = epochs
    comparison = {"cnn": {"epoch_ratio_equal_batch": 1.5}}
    assert (
        "2.0 times faster an epoch than the cnn reference (1.5 times faster at equal batch size; "
        f"{remark}) and 1.0 points more accurate"
    ) in sweet_spot_sentence(summary, comparison)
    # What an earlier version has written does not tell.
    del summary["references"]["cnn"]["epochs"]
    assert "trained for" not in sweet_spot_sentence(summary, comparison)
    summary["references"]["cnn"]["epochs"] = epochs[0]
    assert "trained for" not in sweet_spot_sentence(summary, comparison)


def test_other_costs_than_an_epoch_s_hold_whatever_the_epochs(
    trial: Maker, summarise: Summarise
) -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.9, 4.0, reference="cnn")
    summary = summarise([cnn, trial(7, "8k3-d64", 0.91, 2.0)], costs=["latency_ms"])
    summary["sweet_spot"]["epochs"], summary["references"]["cnn"]["epochs"] = 16, 8
    assert "trained for" not in sweet_spot_sentence(summary)


@pytest.mark.parametrize(
    ("parameters", "clause"),
    [
        (236_618, "2.9% fewer parameters than"),
        (243_787, "0.00041% more parameters than"),
        (243_786, "as many parameters as"),
        (250_000, "2.5% more parameters than"),
        (121_893, "2.0 times fewer parameters than"),
    ],
)
def test_what_is_counted_needs_no_margin(
    trial: Maker, summarise: Summarise, parameters: int, clause: str
) -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.9, 4.0, reference="cnn", parameters=243_786.0)
    spot = trial(2, "16k3-32k3-d128", 0.91, 2.0, parameters=float(parameters))
    summary = summarise([cnn, spot], costs=["parameters"])
    summary["sweet_spot"] = summarise([spot])["sweet_spot"] | {"parameters": parameters}
    said = sweet_spot_sentence(summary).split(": ", 1)[1]
    assert said.startswith(f"{clause} the cnn reference ")


def test_a_reference_s_network_with_another_seed(trial: Maker, summarise: Summarise) -> None:
    cnn = trial(1, "64k3-64k3-d128", 0.90, 8.0, reference="cnn")
    said = sweet_spot_sentence(summarise([cnn, trial(4, "64k3-64k3-d128", 0.92, 8.0)]))
    assert "64k3-64k3-d128 (the cnn reference's network, trained with another seed): " in said
    other = trial(4, "64k3-64k3-d128", 0.92, 8.0, batch_size=64)
    assert "trained another way" in sweet_spot_sentence(summarise([cnn, other]))


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (Outcome.INFEASIBLE, "does not fit the images"),
        (Outcome.DIVERGED, "diverged"),
        (Outcome.OUT_OF_MEMORY, "ran out of memory"),
        (Outcome.TIMED_OUT, "took longer than it may"),
        (Outcome.FAILED, "failed"),
        (Outcome.CENSORED, "did not reach the target accuracy"),
    ],
)
def test_a_reference_that_never_has_a_result_is_not_waited_for(
    trial: Maker, summarise: Summarise, outcome: Outcome, what: str
) -> None:
    spot = trial(2, "8k3-d64", 0.9, 2.0)
    for seconds, clause in (
        (None, f": the cnn reference {what};"),
        (8.0, f": 4.0 times faster an epoch than the cnn reference, which {what};"),
    ):
        cnn = trial(1, "64k3-64k3-d128", None, seconds, reference="cnn", outcome=outcome)
        assert clause in sweet_spot_sentence(summarise([cnn, spot]))
