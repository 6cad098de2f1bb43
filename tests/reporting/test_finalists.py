"""The finalists as people see them: on the terminal, and in a file."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.finalists import FinalRound
from pipeline.core.selection import RuleSettings
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.console import show_result
from pipeline.reporting.finalists import finalists_of, write_finalists_csv

Maker = Callable[..., TrialRecord]
Summarise = Callable[..., dict[str, Any]]
AUTO = RuleSettings(name="auto")


def printed(summary: dict[str, Any], monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    show_result(summary, Path("mlruns"), stream=stream)
    text = stream.getvalue()
    lines = text.splitlines()[:-3]  # addresses are not broken
    assert max(map(len, lines)) <= width
    return text


def test_a_narrow_terminal_shows_means_and_errors_whole(
    records: list[TrialRecord],
    summarise: Summarise,
    final_round: FinalRound,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = printed(summarise(records, last=final_round), monkeypatch, width=50)
    (row,) = [line for line in text.splitlines() if "± 0.20%" in line and "2.1" in line]
    assert row.split() == ["2", "88.80", "±", "0.20%", "2.10", "±", "0.10", "-"]
    assert "…" not in text


def test_the_table_fits_80_columns_with_two_costs(
    records: list[TrialRecord],
    summarise: Summarise,
    final_round: FinalRound,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = ["epoch_seconds", "latency_ms"]
    text = printed(summarise(records, costs=costs, last=final_round), monkeypatch)
    (row,) = [line for line in text.splitlines() if "± 0.20%" in line and "8k3-d64" in line]
    assert row.split() == [
        "2", "8k3-d64", "2", "88.80", "±", "0.20%", "2.10", "±", "0.10", "0.210", "±", "0.010",
        "-",
    ]  # fmt: skip
    assert "91.40 ± 0.20%" in text


def test_without_finalists_there_is_no_table(
    records: list[TrialRecord], summarise: Summarise, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = summarise(records)
    assert "finalists" not in printed(summary, monkeypatch)
    del summary["finalists"]  # as an earlier version wrote it
    assert finalists_of(summary) == []


def test_the_file_has_a_row_a_finalist(
    tmp_path: Path, records: list[TrialRecord], summarise: Summarise, final_round: FinalRound
) -> None:
    path = tmp_path / "finalists.csv"
    write_finalists_csv(path, summarise(records, rule=AUTO, last=final_round))
    first, second = csv.DictReader(path.read_text().splitlines())
    assert list(first) == [
        "trial", "architecture", "trainings", "val_accuracy_mean", "val_accuracy_standard_error",
        "epoch_seconds_mean", "epoch_seconds_standard_error", "probability_on_front", "sweet_spot",
        "without_result",
    ]  # fmt: skip
    assert (first["trial"], first["trainings"], first["sweet_spot"]) == ("2", "2", "")
    assert (second["trial"], second["sweet_spot"]) == ("3", "yes")
    assert float(second["val_accuracy_mean"]) == pytest.approx(0.914)
    assert float(second["val_accuracy_standard_error"]) == pytest.approx(0.002)
    assert first["probability_on_front"] == ""
    assert first["without_result"] == "0"


def test_trainings_without_a_result_are_said(
    tmp_path: Path,
    records: list[TrialRecord],
    summarise: Summarise,
    final_round: FinalRound,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = tuple(replace(finalist, without_result=3) for finalist in final_round.finalists)
    summary = summarise(records, rule=AUTO, last=replace(final_round, finalists=failed))
    text = printed(summary, monkeypatch)
    (row,) = [line for line in text.splitlines() if "± 0.20%" in line and "8k3-d64" in line]
    assert row.split()[:5] == ["2", "8k3-d64", "2", "of", "5"]
    said = " ".join(text.split())
    assert "trial 3, 32k3-64k3-d128 (which ended with a result in 2 of 5 trainings): " in said
    assert "(means of its trainings); it ended with a result in 2 of 5 trainings; the same" in said
    write_finalists_csv(tmp_path / "finalists.csv", summary)
    rows = list(csv.DictReader((tmp_path / "finalists.csv").read_text().splitlines()))
    assert [row["without_result"] for row in rows] == ["3", "3"]
    for finalist in summary["finalists"]:
        del finalist["without_result"]  # as an earlier version wrote it
    assert "2 of 5" not in printed(summary, monkeypatch).replace("in 2 of 5 trainings", "")


def test_censored_trials_are_told_of(
    records: list[TrialRecord],
    summarise: Summarise,
    trial: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = trial(9, "8k3-d8", 0.7, 2.0, outcome=Outcome.CENSORED)
    text = " ".join(printed(summarise([*records, late]), monkeypatch).split())
    assert "1 trial was censored: trained to the end without reaching" in text
    assert "censored" not in printed(summarise(records), monkeypatch)
