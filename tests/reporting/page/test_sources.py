import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.core.trial import Outcome, RunKey, TrialRecord
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.right_answers import keep_answers
from pipeline.tracking.event_log import trial_log_path
from pipeline.tracking.events import Ended


def test_a_folder_is_read_with_every_attempt(
    folder: Any, records: list[TrialRecord], summarise: Callable[..., dict[str, Any]]
) -> None:
    folder.configure()
    folder.session()
    lost = records[2]
    folder.start(lost, worker="a")
    folder.now += 5
    folder.epoch(lost, 1, 0.8)
    folder.now += 100
    folder.start(lost, worker="b")
    folder.now += 7
    folder.end(lost)
    folder.now += 1
    folder.start(records[3], worker="b")
    summary = summarise([lost])
    (folder.path / "summary.json").write_text(json.dumps(summary))
    sources = ReportSources.read(folder.path, clock=lambda: 5.0)
    assert sources.summary == summary
    assert sources.written == 5.0
    assert [record.number for record in sources.records] == [2, 3]
    seen = [(a.trial, a.worker, a.ended - a.started, a.outcome) for a in sources.attempts]
    assert seen == [(2, "a", 5.0, None), (2, "b", 7.0, Outcome.COMPLETE), (3, "b", 0.0, None)]
    # Of a lost worker the end is written when somebody finds it.
    folder.now += 50_000
    found = replace(records[3], outcome=Outcome.INTERRUPTED, ended=None)
    folder._append(trial_log_path(folder.path, 3), Ended(attempt=0, record=found))
    last = ReportSources.read(folder.path).attempts[-1]
    assert (last.trial, last.ended - last.started) == (3, 0.0)
    assert last.outcome == Outcome.INTERRUPTED
    assert sources.answers == {} and sources.mistakes == {}
    assert [network.title for network in sources.networks] == ["sweet spot"]


def test_the_answers_to_the_validation_images_are_read_as_far_as_they_are_kept(
    folder: Any, records: list[TrialRecord], summarise: Callable[..., dict[str, Any]]
) -> None:
    folder.configure()
    summary = summarise(records)
    summary["data"]["validation"] = 4
    (folder.path / "summary.json").write_text(json.dumps(summary))
    for number, images in ((0, 3), (1, 4), (2, 4)):  # a damaged one, the cnn's, and one behind
        keep_answers(folder.path, RunKey(number), np.arange(images) > 0)
    known = ReportSources.read(folder.path).validation_right
    assert {n: right.tolist() for n, right in known.items()} == {1: [False, True, True, True]}
