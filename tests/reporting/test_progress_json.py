import json
from typing import Any

from pipeline.core.trial import TrialRecord
from pipeline.reporting.files import SUMMARY_NAME
from pipeline.reporting.progress import ProgressReader
from pipeline.reporting.progress_json import status_json


def test_what_runs_and_what_is_done_in_plain_values(
    folder: Any, records: list[TrialRecord], summarise: Any
) -> None:
    folder.configure(trials=9)
    folder.session()
    for trial in records:
        folder.start(trial)
        folder.end(trial)
    folder.start(records[3].__class__(specification=records[3].specification), worker="here-1")
    said = json.loads(json.dumps(status_json(folder.path, _progress(folder)), allow_nan=False))
    assert (said["sweep"], said["active"], said["budget"], said["done"]) == ("demo", True, 9, 6)
    assert said["counts"]["running"] == 1
    assert said["running"][0]["worker"] == "here-1"
    assert said["best"]["val_accuracy"] == 0.917
    assert said["summary"] is None
    summary = summarise(records)
    (folder.path / SUMMARY_NAME).write_text(json.dumps(summary))
    assert status_json(folder.path, _progress(folder))["summary"] == summary


def _progress(folder: Any) -> Any:
    return ProgressReader(folder.path, clock=folder.clock).read()
