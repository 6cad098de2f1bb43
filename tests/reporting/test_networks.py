"""Every network side by side: on the terminal, and in a file."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.trial import TrialRecord
from pipeline.reporting.console import show_result
from pipeline.reporting.networks import compares_all, network_rows, write_networks_csv

Summarise = Callable[..., dict[str, Any]]


def again(record: TrialRecord, repetition: int, accuracy: float) -> TrialRecord:
    specification = replace(record.specification, repetition=repetition)
    return replace(record, specification=specification, val_accuracy=accuracy)


@pytest.fixture
def trainings(records: list[TrialRecord]) -> list[TrialRecord]:
    """Return the five complete trials, each trained twice more."""
    further = [
        again(record, repetition, (record.val_accuracy or 0.0) + 0.002 * repetition)
        for repetition in (1, 2)
        for record in records[:5]
    ]
    return [*records, *further]


def test_each_has_its_mean_its_interval_and_where_its_image_arrives(
    records: list[TrialRecord], trainings: list[TrialRecord], summarise: Summarise
) -> None:
    rows = network_rows(summarise(records, test_accuracies={1: 0.91}), trainings)
    assert [row.trained.number for row in rows] == [0, 1, 2, 3, 4]
    cnn = rows[1]
    assert cnn.trained.accuracy.mean == pytest.approx(0.914)
    assert cnn.interval is not None
    # s = 0.002 of three trainings; t of two degrees of freedom is 4.303.
    assert cnn.interval.high - cnn.trained.accuracy.mean == pytest.approx(
        4.303 * 0.002 / 3**0.5, rel=1e-3
    )
    assert [row.flattened for row in rows] == [784, 1600, 13 * 13 * 8, 1600, 14 * 14 * 128]
    assert cnn.image_seconds == pytest.approx(7.6 / 50_000)
    assert cnn.test_accuracy == 0.91
    assert rows[2].test_accuracy is None


def test_the_table_stands_where_all_were_trained_several_times(
    records: list[TrialRecord],
    trainings: list[TrialRecord],
    summarise: Summarise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    summary = summarise(records)
    assert not compares_all(network_rows(summary, records))
    assert not compares_all(network_rows(summary, [*records, *trainings[7:9]]))
    assert not compares_all([])
    stream = io.StringIO()
    show_result(summary, Path("mlruns"), networks=network_rows(summary, trainings), stream=stream)
    text = stream.getvalue()
    table = text.partition("The sweet spot")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "Every network: means of n trainings" in text
    (row,) = [line for line in text.splitlines() if "91.80 ± 0.50%" in line]
    assert row.split()[0] == "32k3-64k3-d128" and "80" in row.split() and "1,600" in row.split()


def test_the_file_has_a_row_a_network(
    records: list[TrialRecord],
    trainings: list[TrialRecord],
    summarise: Summarise,
    tmp_path: Path,
) -> None:
    path = tmp_path / "networks.csv"
    write_networks_csv(path, network_rows(summarise(records), [*trainings[:7], trainings[7]]))
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["architecture"] for row in rows][:2] == ["d128", "64k3-64k3-d128"]
    assert [row["trainings"] for row in rows] == ["2", "1", "1", "1", "1"]
    assert rows[0]["reference"] == "dnn" and rows[2]["reference"] == ""
    assert rows[1]["val_accuracy_low"] == "" and float(rows[0]["val_accuracy_low"]) < 0.88
    assert float(rows[0]["microseconds_an_image"]) == pytest.approx(20.0)
    assert float(rows[4]["latency_ms"]) == pytest.approx(1.9)


@pytest.mark.parametrize("width", [40, 50, 60, 64, 80])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_narrow_terminal_has_fewer_columns_and_whole_numbers(
    records: list[TrialRecord],
    trainings: list[TrialRecord],
    summarise: Summarise,
    monkeypatch: pytest.MonkeyPatch,
    *,
    width: int,
    encoding: str,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    summary = summarise(records, test_accuracies={1: 0.91})
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_result(summary, Path("mlruns"), networks=network_rows(summary, trainings), stream=stream)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    table = text.partition("Every network")[2].partition("The sweet spot")[0]
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in table and "..." not in table
    assert "µs/img" in table or "us/img" in table
    assert "91.80" in table and "0.50%" in table
    assert ("networks.csv says more" in " ".join(table.split())) is ("flat" not in table)
    assert ("flat" in table) is (width >= 80)
