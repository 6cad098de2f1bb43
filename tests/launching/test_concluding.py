"""What follows the end of a sweep's last session, whoever does it."""

import sys
import threading
from typing import Any
from unittest.mock import MagicMock

import pytest

from pipeline.launching import local, peers
from pipeline.launching.evaluation import evaluate
from pipeline.launching.peers import Peer
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated_run import run_all, simulated_run
from pipeline.tracking.event_log import EventLog, read, sweep_log_path
from pipeline.tracking.events import SessionStarted, record
from pipeline.tracking.mirror import SyncReport
from pipeline.tracking.sync_loop import SyncLoop


@pytest.fixture
def all_done(plan, replan):
    """Return a sweep of which everything is done but for the end of its session."""
    plan = replan(plan, finalists={"limit": 0})
    run = simulated_run(plan)
    run_all(run)
    evaluate(plan.config, run.study, run.results, run.trainer)
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=1, threads=1, host="here", versions={}, git_commit=None))
    return plan


def test_what_the_last_peer_was_killed_before_is_done_by_the_next_one_and_once(
    all_done, monkeypatch
):
    done: list[str] = []
    monkeypatch.setattr(peers, "write_report", lambda folder: done.append("report"))
    monkeypatch.setattr(Peer, "_promote", lambda *_: sys.exit(9))
    killed = Peer(plan=all_done, say=print, show=lambda: None)
    with pytest.raises(SystemExit):
        killed.run()
    killed._hand_over()  # as the system does
    assert Sessions.read(all_done.config.sweep_dir).open_since is None
    monkeypatch.setattr(Peer, "_promote", lambda *_: done.append("promotion"))
    done.clear()
    for ended in (True, False):
        # As one that follows jobs on a cluster, it has no worker where all is done or time is up.
        peer = Peer(plan=all_done, say=print, show=lambda: None, trains=False)
        assert peer.run() == 0
        assert peer.ended is ended
    assert done == ["report", "promotion"]
    kinds = [event.kind for event in read(sweep_log_path(all_done.config.sweep_dir))]
    assert kinds.count("session_ended") == kinds.count("concluded") == 1


def test_a_sweep_that_an_earlier_version_has_ended_is_not_concluded_again(all_done):
    with EventLog(sweep_log_path(all_done.config.sweep_dir)) as log:
        log.append("session_ended", wall_seconds=3.0, exit_status=0)
    peer = Peer(plan=all_done, say=print, show=lambda: None)
    assert peer.run() == 0
    assert not peer.ended


def test_a_slow_mlflow_puts_promotion_off_and_is_waited_for_once(plan, replan, monkeypatch):
    plan = replan(plan, promote="auto", tracking={"enabled": True})
    study = SweepStudy(plan.config, plan.space)
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=1, threads=1, host="here", versions={}, git_commit=None))
    answers = threading.Event()
    slow: Any = MagicMock()
    slow.sync.side_effect = lambda: answers.wait(60) and SyncReport()
    slow.sweep_run_id.return_value = None
    slow.sync_command.return_value = "sweetspot sync"
    said: list[str] = []
    monkeypatch.setattr(Peer, "_start_mirror", lambda _: SyncLoop(slow, 10.0, said.append))
    monkeypatch.setattr(peers, "write_report", lambda folder: None)
    monkeypatch.setattr(local, "_MIRROR_SECONDS", 0.01)
    peer = Peer(plan=plan, say=said.append, show=lambda: None)
    peer._end(study, SweepResults(plan.config, plan.description), 0)
    monkeypatch.setattr(local, "_MIRROR_SECONDS", 60.0)  # of which nothing is spent
    peer._hand_over()
    assert not answers.is_set()
    answers.set()
    _, late = said
    name = plan.config.sweep_name
    assert late.startswith("nothing is promoted: MLflow is not up to date; `")
    assert f" sync {name} " in late and f" promote {name} " in late
