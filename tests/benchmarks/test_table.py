"""The README's table says what the dated results say, and nothing else."""

import json
import shutil

from benchmarks import table
from benchmarks.__main__ import BENCHMARKS


def test_the_readme_has_the_newest_results():
    text = table.README.read_text()
    assert text == table.written(text), "python -m benchmarks.table writes it anew"
    assert text.count(table.BEGIN) == text.count(table.END) == 1


def test_a_row_without_a_result_says_so_and_the_newest_counts(tmp_path):
    rows = table.table(tmp_path).splitlines()[2:]
    assert len(rows) == len(table.ROWS)
    assert all(row.endswith("| not measured yet | – |") for row in rows)
    device = {"device": "cpu", "name": "Some CPU", "cores": "8"}
    for day, ratio in (("2026-01-02", 1.31), ("2026-01-10", 1.26)):
        result = {"date": day, "device": device, "ratios": {"stepped": ratio}}
        (tmp_path / f"{day}-start_up.json").write_text(json.dumps(result))
    # An older result of another form, and one that is not of this benchmark.
    old = {"date": "2026-01-01", "device": device, "median_outside_seconds": 0.4}
    (tmp_path / "2026-01-01-overhead.json").write_text(json.dumps(old))
    shutil.copy(tmp_path / "2026-01-10-start_up.json", tmp_path / "2026-01-11-warm_start_up.json")
    rows = [row for row in table.table(tmp_path).splitlines()[2:] if "not measured" not in row]
    overhead, line = sorted(rows, key=lambda row: "Some CPU" in row)
    assert overhead.endswith("| to be measured again | – |")
    assert line.endswith("| at most 1.4× | 1.26× | 2026-01-10, Some CPU, 8 cores |")


def test_every_benchmark_of_a_row_can_be_run():
    assert {row.benchmark.partition("-seed-")[0] for row in table.ROWS} <= set(BENCHMARKS)
