"""``sweetspot status`` of a sweep that another host ran, from the logs alone."""

import json
import time

import pytest

from pipeline.commands import cli
from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe, TrialSpecification
from pipeline.tracking.event_log import EventLog, sweep_log_path, trial_log_path
from pipeline.tracking.events import SessionStarted, Started, SystemSampled, record

SPECIFICATION = TrialSpecification(
    number=0, architecture=Architecture.parse("d4"), seed=1,
    recipe=Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle"),
)  # fmt: skip


@pytest.mark.parametrize(("silent_minutes", "active"), [(5, True), (60, False)])
def test_a_sweep_of_another_host_is_over_once_nothing_is_heard_of_it(
    mlruns, capsys, silent_minutes, active
):
    folder, now = mlruns / "sweeps" / "demo", time.time()
    with EventLog(sweep_log_path(folder), clock=lambda: now - 7200) as log:
        record(log, SessionStarted(workers=1, host="elsewhere", versions={}, git_commit=None))
    with EventLog(trial_log_path(folder, 0), clock=lambda: now - 60 * silent_minutes) as log:
        started = Started(
            attempt=0, specification=SPECIFICATION, worker="w", host="elsewhere", pid=1
        )
        record(log, started)
        record(log, SystemSampled(attempt=0, metrics={}))
    assert cli.main(["status", "demo", "--json", f"mlruns={mlruns}"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["active"] is active
    assert values["counts"]["running"] == int(active)
