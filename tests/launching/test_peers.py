"""Peers in processes of their own share a sweep; only the training is simulated."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from pipeline.core.errors import AGAIN_STATUS
from pipeline.launching import peers
from pipeline.launching.peers import Peer
from pipeline.launching.planning import load_plan
from pipeline.launching.presence import Presence, living
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions
from pipeline.reporting.files import read_summary
from pipeline.search.storage import StorageLost
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import EventLog, read, sweep_log_path, trial_log_paths
from pipeline.tracking.events import SessionEnded, SessionStarted, record

SIMULATED = """
import sys, time
from pathlib import Path
from pipeline.launching import forking
from pipeline.launching.forking import Assignment, WorkerProcess
from pipeline.launching.peers import Peer
from pipeline.launching.planning import load_plan
from pipeline.launching.running_worker import RunningWorker
from pipeline.launching.worker import work
from pipeline.testing.simulated import SimulatedTrainer

forking.PRELOADED = "pipeline.launching.worker"  # nobody needs Keras here

def simulate(config):
    def before_epoch(specification, epoch):
        time.sleep(0.02)
        while epoch > 1 and (config.sweep_dir / "hold").exists():
            time.sleep(0.02)

    def build(data, threads):
        return SimulatedTrainer(
            config=config, description=data.description, before_epoch=before_epoch
        )
    return work(config, build)

class SimulatedPeer(Peer):
    def _start_worker(self):
        log = self.config.sweep_dir / "worker.log"
        assignment = Assignment(
            mlruns=self.config.mlruns, sweep=self.config.sweep_name, threads=1, gpu_memory=None,
            jit_compile="off", steps_per_execution=20, log=log,
        )
        return RunningWorker(process=WorkerProcess(assignment, work=simulate), log=log)

if __name__ == "__main__":
    plan = load_plan(Path(sys.argv[1]), sys.argv[2])
    sys.exit(SimulatedPeer(plan=plan, say=print, show=lambda: None).run())
"""


@pytest.fixture
def sweep(plan, replan, tmp_path):
    """Return a sweep's configuration, and a function that starts a peer of it."""
    launch = plan.config.launch.model_copy(update={"kind": "peer", "workers": 1})
    config = replan(plan, launch=launch, training={"epochs": 10}, search={"trials": 8}).config
    script = tmp_path / "simulated.py"
    script.write_text(SIMULATED)
    processes = []

    def start():
        words = [sys.executable, str(script), str(config.mlruns), config.sweep_name]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return processes[-1]

    yield config, start
    for process in processes:
        process.kill()
        process.communicate()


def ended(process):
    printed, _ = process.communicate(timeout=600)
    return process.returncode, printed.decode()


def started(config, start):
    """Return two peers, both there, whose trials stay in their second epoch while ``hold`` does."""
    (config.sweep_dir / "hold").touch()
    both = start(), start()
    while len(living(config.sweep_dir, "peers")) < 2 or not is_training(config):
        for process in both:
            assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return both


def is_training(config):
    return any(
        event.kind == "epoch"
        for path in trial_log_paths(config.sweep_dir).values()
        for event in read(path)
    )


def check_complete(config, sessions=1):
    summary = read_summary(config.sweep_dir)
    assert summary["trials"]["complete"] == 8
    assert sum(summary["trials"].values()) == 8
    assert summary["references"]["cnn"]["test_accuracy"] is not None
    kinds = [event.kind for event in read(sweep_log_path(config.sweep_dir))]
    assert kinds.count("session_started") == sessions
    assert kinds[::-1].index("session_ended") < kinds[::-1].index("session_started")
    assert (config.sweep_dir / "front.csv").exists()


def test_one_is_told_to_leave_and_the_other_finishes(sweep):
    config, start = sweep
    plan = load_plan(config.mlruns, config.sweep_name)
    verdict = Peer(plan=plan, say=print, show=lambda: None).verdict
    assert verdict() is None
    first, second = started(config, start)  # whoever leaves as the only one ends the session
    first.send_signal(signal.SIGUSR2)
    (config.sweep_dir / "hold").unlink()
    assert ended(first)[0] == AGAIN_STATUS
    assert ended(second) == (0, "")
    check_complete(config)
    # Nothing is left to do: neither a session nor a worker is started for it.
    assert verdict() == 0
    assert ended(start()) == (0, "")
    check_complete(config)


def test_peers_that_start_together_do_not_go_on_with_a_session_of_the_dead(sweep):
    config, start = sweep
    # A cluster that went down an hour ago, with everybody in it.
    with EventLog(sweep_log_path(config.sweep_dir), clock=lambda: time.time() - 3600) as log:
        record(log, SessionStarted(workers=2, threads=1, host="gone", versions={}, git_commit=None))
    first, second = start(), start()
    assert ended(first)[0] == ended(second)[0] == 0
    check_complete(config, sessions=2)
    assert Sessions.read(config.sweep_dir).wall_seconds() < 1800


@pytest.mark.parametrize(("threads", "taken"), [("auto", 4), (3, 3)])
def test_a_task_of_a_cluster_trains_one_network_with_the_processors_it_asked_for(
    plan, replan, slurm_launch, *, threads, taken
):
    launch = slurm_launch.model_copy(update={"threads": threads})
    peer = Peer(plan=replan(plan, launch=launch), say=print, show=lambda: None)
    assert peer._threads() == taken
    assert peer._wanted_workers() == 1


@pytest.mark.parametrize(
    ("minutes", "status", "verdict"), [(5, 0, 0), (5, 1, None), (None, 0, None)]
)
def test_time_that_is_up_is_a_verdict_and_dead_workers_are_none(
    plan, replan, minutes, status, verdict
):
    plan = replan(plan, search={"minutes": minutes})
    peer = Peer(plan=plan, say=print, show=lambda: None)
    began = time.time()
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=2, threads=1, host="here", versions={}, git_commit=None))
        record(log, SessionEnded(wall_seconds=300.0, exit_status=status))
    assert peer.verdict(began) == verdict
    assert peer.verdict() is None  # of a session that is still to come


def test_who_is_told_to_leave_when_all_is_done_ends_the_sweep_when_it_comes_again(sweep):
    config, start = sweep
    assert ended(start()) == (0, "")
    plan = load_plan(config.mlruns, config.sweep_name)
    study, results = SweepStudy(config, plan.space), SweepResults(config, plan.description)
    with EventLog(sweep_log_path(config.sweep_dir)) as log:
        record(log, SessionStarted(workers=1, threads=1, host="here", versions={}, git_commit=None))
    for told, is_open in ((signal.SIGUSR2, True), (None, False)):
        (config.sweep_dir / "report.html").unlink()
        peer = Peer(plan=plan, say=print, show=lambda: None, _signal=told)
        peer._end(study, results, 0)
        peer._hand_over()
        assert peer.ended is not is_open
        assert (Sessions.read(config.sweep_dir).open_since is not None) is is_open
        assert (config.sweep_dir / "report.html").exists() is not is_open
        if is_open:
            (config.sweep_dir / "report.html").touch()


def test_who_ends_a_sweep_badly_says_that_nothing_is_promoted(plan, replan, monkeypatch):
    plan = replan(plan, promote="auto", tracking={"enabled": True})
    study = SweepStudy(plan.config, plan.space)
    with EventLog(sweep_log_path(plan.config.sweep_dir)) as log:
        record(log, SessionStarted(workers=1, threads=1, host="here", versions={}, git_commit=None))
    said: list[str] = []
    monkeypatch.setattr(Peer, "_start_mirror", lambda _: None)
    monkeypatch.setattr(peers, "write_report", lambda folder: None)
    peer = Peer(plan=plan, say=said.append, show=lambda: None)
    peer._end(study, SweepResults(plan.config, plan.description), 1)
    peer._hand_over()
    assert said == [
        "nothing is promoted: promote=auto tries what a sweep has found only where it ends with "
        "status 0, not 1"
    ]


@pytest.mark.soak
def test_one_is_killed_the_other_told_to_leave_and_a_third_goes_on_later(sweep):
    config, start = sweep
    first, second = started(config, start)
    first.kill()  # its worker sees that and leaves
    second.send_signal(signal.SIGTERM)
    (config.sweep_dir / "hold").unlink()
    ended(first)
    assert ended(second)[0] == AGAIN_STATUS
    assert read_summary(config.sweep_dir)["trials"]["running"] == 0
    # Everybody is gone, and the same command later goes on: another session.
    assert ended(start()) == (0, "")
    check_complete(config, sessions=2)


@pytest.mark.parametrize("told", [signal.SIGUSR2, None])
def test_a_peer_that_is_told_to_leave_waits_for_no_storage(plan, monkeypatch, told):
    leaving = []

    def lost(config, *, is_leaving, patient):
        leaving.append(is_leaving())
        if told is not None:
            signal.raise_signal(told)
        leaving.append(is_leaving())
        raise StorageLost("the server is away")

    monkeypatch.setattr(peers, "open_storage", lost)
    peer = Peer(plan=plan, say=print, show=lambda: None)
    if told is None:
        with pytest.raises(StorageLost):
            peer.run()
    else:
        assert peer.run() == AGAIN_STATUS
    assert leaving == [False, told is not None]
    assert living(plan.config.sweep_dir, "peers") == set()


def of_run(config, run, *, seconds, status):
    """Leave a session of a scheduler's run behind that has ended."""
    started = SessionStarted(
        workers=1, threads=1, host="here", versions={}, git_commit=None, run=run
    )
    with EventLog(sweep_log_path(config.sweep_dir)) as log:
        record(log, started)
        record(log, SessionEnded(wall_seconds=seconds, exit_status=status))


def counted_sessions(config):
    kinds = [event.kind for event in read(sweep_log_path(config.sweep_dir))]
    assert kinds.count("session_started") == kinds.count("session_ended")
    return kinds.count("session_ended")


def test_a_run_has_its_minutes_once_however_often_its_peers_leave_and_come(
    sweep, replan, monkeypatch
):
    config, start = sweep
    replan(load_plan(config.mlruns, config.sweep_name), search={"minutes": 5.0})
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    of_run(config, "7", seconds=301.0, status=128 + signal.SIGUSR2)
    # All were told to leave. Whoever comes back begins no trial, but has the end to tell.
    assert ended(start()) == (0, "")
    assert counted_sessions(config) == 2
    assert Sessions.read(config.sweep_dir).exit_status == 0
    assert (config.sweep_dir / "report.html").exists()
    # Whoever comes late, to a place that is free in the queue, has nothing to do.
    assert ended(start()) == (0, "")
    assert counted_sessions(config) == 2
    assert trial_log_paths(config.sweep_dir) == {}
    # The next night has minutes of its own.
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "8")
    assert ended(start()) == (0, "")
    check_complete(config, sessions=3)


def test_of_peers_that_find_no_storage_the_last_one_tells(plan, monkeypatch):
    asked = []

    def lost(config, *, is_leaving, patient):
        asked.append(patient)
        raise StorageLost("the server is away")

    monkeypatch.setattr(peers, "open_storage", lost)
    folder = plan.config.sweep_dir
    for patient, others in ((False, [Presence(folder, "peers")]), (True, [])):
        peer = Peer(plan=plan, say=print, show=lambda: None, patient=patient)
        with ExitStack() as stack:
            for other in others:
                stack.enter_context(other)
            with pytest.raises(StorageLost):
                peer.run()
        assert peer.ended is not bool(others)
    assert asked == [True, False]  # a job waits, and a person is told at once
    assert living(folder, "peers") == set()


def test_of_peers_that_lose_their_storage_for_good_the_last_one_tells(plan, monkeypatch):
    def lost(*_):
        raise StorageLost("the server is away")

    monkeypatch.setattr(Peer, "_take_part", lost)
    monkeypatch.setattr(Peer, "_recover", lost)
    folder = plan.config.sweep_dir
    for others in ([Presence(folder, "peers")], []):
        peer = Peer(plan=plan, say=print, show=lambda: None)
        with ExitStack() as stack:
            for other in others:
                stack.enter_context(other)
            with pytest.raises(StorageLost):
                peer.run()
        assert peer.ended is not bool(others)


def test_a_peer_that_joins_a_local_supervisor_leaves_without_ending_its_session(sweep, tmp_path):
    config, start = sweep
    local = tmp_path / "local.py"
    until_then = "[time.sleep(0.02) for _ in iter((config.sweep_dir / 'go').exists, True)]"
    local.write_text(
        SIMULATED.replace("peers import Peer", "local import LocalSupervisor as Peer").replace(
            "time.sleep(0.02)", until_then
        )
    )
    words = [sys.executable, str(local), str(config.mlruns), config.sweep_name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as supervisor:
        while not trial_log_paths(config.sweep_dir):
            assert supervisor.poll() is None
            time.sleep(0.02)
        try:
            peer = start()
            while not any(str(peer.pid) in name for name in living(config.sweep_dir, "peers")):
                time.sleep(0.02)
            peer.send_signal(signal.SIGINT)
            assert ended(peer)[0] == 128 + signal.SIGINT
            assert Sessions.read(config.sweep_dir).open_since is not None
        finally:
            (config.sweep_dir / "go").touch()
        assert ended(supervisor) == (0, "")
    check_complete(config)
