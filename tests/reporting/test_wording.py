"""Numbers and names in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.trial import COSTS
from pipeline.reporting.wording import (
    accuracy_text,
    cost_label,
    cost_text,
    counted,
    duration_text,
    printable,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3_599.7, "1 h 0 min"),
        (4_320, "1 h 12 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("cost", "value", "text"),
    [
        ("epoch_seconds", 3.14159, "3.14"),
        ("epoch_seconds", 0.012345, "0.0123"),
        ("epoch_seconds", 1234.5, "1,234"),
        ("parameters", 243_786, "243,786"),
        ("parameters", 50, "50"),
        ("macs", 123_456_789, "123.5M"),
        ("latency_ms", None, "-"),
    ],
)
def test_costs(cost: str, value: float | None, text: str) -> None:
    assert cost_text(cost, value) == text


def test_every_cost_has_words_of_its_own() -> None:
    labels = {cost_label(cost) for cost in COSTS}
    assert len(labels) == len(COSTS)
    assert not any("_" in label for label in labels)


def test_accuracies_and_counts() -> None:
    assert accuracy_text(0.91624) == "91.62%"
    assert accuracy_text(None) == "-"
    assert (counted(1, "trial"), counted(1_200, "trial")) == ("1 trial", "1,200 trials")


@settings(deadline=None)
@given(st.text(), st.sampled_from(["ascii", "utf-8", "latin-1", "cp437"]))
def test_printable_text_can_be_printed(text: str, encoding: str) -> None:
    safe = printable(text, encoding)
    assert safe.encode(encoding).decode(encoding) == safe
    assert len(safe) == len(text)
    assert all(ord(character) >= 32 and ord(character) != 127 for character in safe)


def test_printable_text_keeps_what_is_harmless() -> None:
    assert printable("T-shirt/top [b]größe[/b] 3×3") == "T-shirt/top [b]größe[/b] 3×3"
    assert printable("3×3 ± größe", "ascii") == "3x3 +- gr??e"
    assert printable("a\x1b[31mb\nc\u202ed\udc80") == "a?[31mb c?d?"
