"""A comparison as people read it, on terminals of any width."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.core.trial import TrialRecord
from pipeline.reporting.compare import Answers, ComparedSweep, SweepComparison, compare
from pipeline.reporting.compare_screen import pair_sentence, show_comparison
from pipeline.tracking.events import TestRead

Summarise = Callable[..., dict[str, Any]]
LABELS = np.zeros(1_000, dtype=np.int64)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def made(records: list[TrialRecord], summarise: Summarise) -> Callable[..., SweepComparison]:
    """Return a maker of comparisons; each sweep has so many right of 1,000 test images."""

    def make(*right: int, costs: tuple[str, ...] = ("epoch_seconds",), **changes: Any) -> Any:
        sweeps = []
        for index, count in enumerate(right):
            name = f"sweep-{index}"
            values: dict[str, Any] = {
                "summary": summarise(records, sweep=name, costs=list(costs)),
                "devices": frozenset({"Xeon"}),
                "reading": TestRead(
                    trial=3, accuracy=count / 1_000, correct=count, images=1_000, reason="why"
                ),
                "answers": Answers(
                    predicted=(np.arange(1_000) >= count).astype(np.int64), labels=LABELS
                ),
            }
            sweeps.append(ComparedSweep(name=name, **(values | (changes if index else {}))))
        return compare(sweeps, any_device=True)

    return make


def shown(comparison: SweepComparison, width: int = 80, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        show_comparison(comparison, stream)
    return raw.getvalue().decode(encoding).splitlines()


def words(comparison: SweepComparison, width: int = 80) -> str:
    return " ".join(" ".join(shown(comparison, width)).split())


def test_it_says_what_there_is(made: Callable[..., SweepComparison]) -> None:
    lines = shown(made(910, 930))
    assert lines[0] == "fashion_mnist: 2 sweeps, accuracy against epoch time (s)"
    text = "\n".join(lines)
    # Slabs: 0.78 log10(76/1) + 0.01 log10(76/2) + 0.026 log10(76/4) + 0.001 log10(4).
    assert ["A", "sweep-0", "7", "4", "1.5167"] in [line.split() for line in lines]
    assert "trial 3, rule knee" in text
    assert "91.00%" in text and "89.07 to 92.62" in text
    assert "ten times the dearest cnn reference" in text and "epoch time (s) 76" in text
    assert "Devices differ" not in text


@pytest.mark.parametrize("width", range(20, 140, 7))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("costs", [("epoch_seconds",), ("latency_ms", "epoch_seconds", "macs")])
def test_nothing_is_wider_than_the_terminal_or_cut_off(
    made: Callable[..., SweepComparison],
    records: list[TrialRecord],
    width: int,
    encoding: str,
    costs: tuple[str, ...],
) -> None:
    for item in records:
        item.costs["macs"] = 123_456_789.0
    lines = shown(made(910, 930, costs=costs), width, encoding)
    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    for word in ("hypervolume", "testaccuracy,", "epochtime(s)", "91.60%", "89.07", "sweep-1"):
        assert word in text
    assert "…" not in text


def test_a_better_one_and_a_worse_one(made: Callable[..., SweepComparison]) -> None:
    comparison = made(910, 930, 900)
    better, worse = (pair_sentence(comparison, pair) for pair in comparison.pairs)
    assert better == (
        "On the same 1,000 test images B is 2.00 points more accurate than A (95% interval 1.09 "
        "to 2.91): 20 of them only B gets right, 0 only A; p < 0.001 (McNemar, Holm's correction "
        "for 2 tests), more than chance explains."
    )
    assert worse.startswith(
        "On the same 1,000 test images C is 1.00 points less accurate than A (95% interval 0.3"
    )
    assert "0 of them only C gets right, 10 only A; p = 0.002 (" in worse


def test_a_difference_that_may_be_chance(made: Callable[..., SweepComparison]) -> None:
    comparison = made(910, 912)
    assert pair_sentence(comparison, comparison.pairs[0]).endswith(
        "2 of them only B gets right, 0 only A; p = 0.5 (McNemar), chance may explain it."
    )
    comparison = made(910, 910)
    assert "B is exactly as accurate as A (95% interval -0." in pair_sentence(
        comparison, comparison.pairs[0]
    )


def test_a_pair_that_cannot_be_tested_is_one_line(made: Callable[..., SweepComparison]) -> None:
    comparison = made(910, 910, answers=None, missing=("models/0003.test.npy",))
    said = "No paired test of A and B: sweep-1 has no models/0003.test.npy."
    assert said in words(comparison)


def test_devices_that_differ_are_said(made: Callable[..., SweepComparison]) -> None:
    text = words(made(910, 910, devices=frozenset({"H200"})))
    assert "Devices differ, so times tell little: A on Xeon, B on H200." in text


def test_what_is_not_known_yet_is_a_dash(
    made: Callable[..., SweepComparison], summarise: Summarise
) -> None:
    text = words(made(910, 910, summary=summarise([]), reading=None, answers=None))
    assert "B none yet - - -" in text
    assert "No paired test of A and B: sweep-1 has no sweet spot yet." in text


def test_without_a_reference_there_is_no_hypervolume(
    summarise: Summarise, trial: Callable[..., TrialRecord]
) -> None:
    summary = summarise([trial(0, "8k3-d64", 0.9, 2.0)])
    sweeps = [ComparedSweep(name=n, summary=summary, devices=frozenset()) for n in ("a", "b")]
    text = words(compare(sweeps))
    assert "No hypervolume: no sweep has a cnn reference with every cost." in text


def test_hostile_text_is_only_text(
    made: Callable[..., SweepComparison], summarise: Summarise, records: list[TrialRecord]
) -> None:
    summary = summarise(records)
    summary["sweet_spot"]["architecture"] = "[red]x\x1b[31m"
    text = words(made(910, 910, summary=summary))
    assert "[red]x?[31m" in text
