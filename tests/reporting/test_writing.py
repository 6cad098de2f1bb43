"""The report from a folder's files alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.trial import TrialRecord
from pipeline.reporting.writing import write_report


def test_report_of_a_running_sweep(
    folder: Any, records: list[TrialRecord], summarise: Callable[..., dict[str, Any]]
) -> None:
    folder.configure()
    folder.session()
    for record in records:
        folder.start(record)
        folder.end(record)
    (folder.path / "summary.json").write_text(json.dumps(summarise(records)))
    written = write_report(folder.path)
    assert [path.relative_to(folder.path).as_posix() for path in written] == [
        "report.html",
        "importance.json",
        "front.csv",
        "networks.csv",
        "figures/pareto-epoch_seconds.png",
    ]
    assert all(path.stat().st_size > 0 for path in written)


def test_report_before_any_trial_ended(folder: Any) -> None:
    with pytest.raises(StorageError, match=r"has no summary\.json yet"):
        write_report(folder.path)
    assert [path.name for path in folder.path.iterdir()] == []
