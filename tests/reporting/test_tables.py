"""The front as a file and on the terminal."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.core.trial import TrialRecord
from pipeline.reporting.tables import cost_interval_text, front_rows, front_table, write_front_csv

Maker = Callable[..., TrialRecord]
Summarise = Callable[..., dict[str, Any]]


def printed(summary: dict[str, Any], *, width: int = 80, ascii_only: bool = False) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False).print(
        front_table(summary, width=width, ascii_only=ascii_only)
    )
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_csv_has_what_was_measured_and_the_recipe(
    tmp_path: Path, records: list[TrialRecord], summarise: Summarise
) -> None:
    records[2].costs["macs"] = 5e6
    write_front_csv(tmp_path / "front.csv", summarise(records), records)
    text = (tmp_path / "front.csv").read_text()
    assert text.splitlines()[0] == (
        "trial,architecture,val_accuracy,epoch_seconds,latency_ms,macs,batch_size,optimizer,"
        "learning_rate,schedule,augmentation,sweet_spot"
    )
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["trial"] for row in rows] == ["0", "2", "3", "4"]
    assert rows[2] == {
        "trial": "3",
        "architecture": "32k3-64k3-d128",
        "val_accuracy": "0.916",
        "epoch_seconds": "4.0",
        "latency_ms": "0.4",
        "macs": "",
        "batch_size": "256",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "schedule": "one_cycle",
        "augmentation": "none",
        "sweet_spot": "yes",
    }
    assert [row["sweet_spot"] for row in rows] == ["", "", "yes", ""]
    assert rows[1]["macs"] == "5000000.0"


def test_csv_of_an_empty_front_has_its_header(tmp_path: Path, summarise: Summarise) -> None:
    write_front_csv(tmp_path / "front.csv", summarise([]), [])
    assert (tmp_path / "front.csv").read_text() == (
        "trial,architecture,val_accuracy,epoch_seconds,batch_size,optimizer,learning_rate,"
        "schedule,augmentation,sweet_spot\n"
    )


def test_csv_without_the_records_keeps_the_summary_s_values(
    tmp_path: Path, records: list[TrialRecord], summarise: Summarise
) -> None:
    write_front_csv(tmp_path / "front.csv", summarise(records), [])
    assert (tmp_path / "front.csv").read_text().splitlines()[1] == "0,d128,0.88,1.0,,,,,,"


def test_rows_are_marked(records: list[TrialRecord], summarise: Summarise) -> None:
    rows = front_rows(summarise(records))
    assert [(row["trial"], marks) for row, marks in rows] == [
        (0, ["dnn reference"]),
        (2, []),
        (3, ["sweet spot"]),
        (4, []),
        (1, ["cnn reference"]),
    ]


def test_a_sweet_spot_that_is_a_reference_has_both_marks(
    trial: Maker, summarise: Summarise
) -> None:
    rows = front_rows(summarise([trial(0, "d128", 0.88, 1.0, reference="dnn")]))
    assert [marks for _, marks in rows] == [["sweet spot", "dnn reference"]]


def test_table_on_80_columns(records: list[TrialRecord], summarise: Summarise) -> None:
    lines = printed(summarise(records))
    assert lines[0] == "The front of fashion_mnist-standard-a1b2c3, cheapest first"
    assert any(
        line.split() == ["3", "32k3-64k3-d128", "91.60%", "4", "sweet", "spot"] for line in lines
    )
    assert any(
        line.split() == ["1", "64k3-64k3-d128", "91.20%", "7.6", "cnn", "reference"]
        for line in lines
    )


@pytest.mark.parametrize("width", [60, 80])
def test_long_architectures_fold_and_no_number_is_cut(
    trial: Maker, summarise: Summarise, width: int
) -> None:
    long = "512k5sb-512k5sb-512k5snb-512k5snb-d1024p0.35"
    records = [trial(1_234, long, 0.91234, 1234.5)]
    costs = ["epoch_seconds", "latency_ms"]
    lines = printed(summarise(records, costs=costs), width=width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "1234" in text and "91.23%" in text and "1,234" in text and "123" in text
    assert "…" not in text


def test_table_without_unicode(records: list[TrialRecord], summarise: Summarise) -> None:
    assert "\n".join(printed(summarise(records), ascii_only=True)).isascii()


def test_names_are_not_markup(records: list[TrialRecord], summarise: Summarise) -> None:
    lines = printed(summarise(records, sweep="[red]x[/red]\x1b[31m"))
    assert lines[0] == "The front of [red]x[/red]?[31m, cheapest first"


def test_a_narrow_terminal_loses_nothing(records: list[TrialRecord], summarise: Summarise) -> None:
    lines = printed(summarise(records), width=50)
    assert max(map(len, lines)) <= 50
    words = [line.strip() for line in lines]
    assert "sweet spot" in words and "cnn reference" in words
    row = next(line for line in lines if "32k3-64k3-d128" in line)
    assert row.split() == ["3", "32k3-64k3-d128", "91.60%", "4"]


@pytest.mark.parametrize("costs", [["epoch_seconds"], ["epoch_seconds", "latency_ms"]])
@pytest.mark.parametrize("width", [48, 64, 72, 80, 100])
def test_no_mark_is_cut_off_and_no_short_name_is_folded(
    records: list[TrialRecord], summarise: Summarise, costs: list[str], width: int
) -> None:
    summary = summarise(records, costs=costs)
    lines = printed(summary, width=width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert text.count("reference") == 2 and "sweet" in text  # below each other where it is narrow
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    if width >= 80:
        assert all(member["architecture"] in text for member in summary["front"])


@pytest.mark.parametrize(
    ("cost", "low", "high", "timed"),
    [
        ("epoch_seconds", "epoch_low_seconds", "epoch_high_seconds", "step"),
        ("train_seconds", "train_low_seconds", "train_high_seconds", "step"),
        ("latency_ms", "latency_low_ms", "latency_high_ms", "latency"),
    ],
)
def test_an_interval_says_where_the_machine_was_too_noisy(
    trial: Maker, cost: str, low: str, high: str, timed: str
) -> None:
    measured = {low: 1.2, high: 1.4, "step_noisy": 0.0, "latency_noisy": 0.0}
    record = replace(trial(0, "d128", 0.88, 1.0), measurements=measured)
    assert cost_interval_text(record, cost) == "1.2 to 1.4"
    record.measurements[f"{timed}_noisy"] = 1.0
    assert cost_interval_text(record, cost) == "1.2 to 1.4, noisy"
    assert cost_interval_text(record, "parameters") == ""
