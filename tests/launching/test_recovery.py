"""A worker without a supervisor looks after what others have lost."""

import functools
import signal

import pytest

from pipeline.core.trial import Outcome
from pipeline.launching import recovery, worker
from pipeline.launching.presence import Presence, supervisor_lock
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions
from pipeline.search.study import SweepStudy
from pipeline.testing.faults import SimulatedClock
from pipeline.testing.memory import MemoryStudies
from pipeline.testing.simulated import SimulatedTrainer


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch):
    """Give the process its signal handlers back: a worker takes them for good."""
    monkeypatch.setattr(worker, "LEAVING_SECONDS", 600.0)
    numbers = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("limit", [0, 2], ids=["no finalists", "finalists"])
def test_a_trial_that_is_lost_when_all_others_have_ended_is_taken_up(
    plan, replan, monkeypatch, limit
):
    plan = replan(plan, finalists={"limit": limit, "seeds": 1})
    config = plan.config
    with Presence(config.sweep_dir) as other:
        assert SweepStudy(config, plan.space).claim(other.name) is not None

        def lose(_seconds):
            other.release()

        monkeypatch.setattr(recovery, "_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(
            worker, "train_all", functools.partial(worker.train_all, wait=lose)
        )  # the first time that it waits
        status = worker.work(
            config,
            lambda data, threads: SimulatedTrainer(config=config, description=plan.description),
        )
    assert status == 0
    records = SweepStudy(config, plan.space).records()
    assert [record.outcome for record in records] == [Outcome.COMPLETE] * 5
    assert records[0].specification.attempt == 1
    assert Sessions.read(config.sweep_dir).test_readings


def test_beside_a_supervisor_it_does_not_look(plan):
    study = SweepStudy(plan.config, plan.space)
    results = SweepResults(plan.config, plan.description)
    assert study.claim("gone-1") is not None
    moments = iter((1.0, 2.0, 7.0, 8.0))
    lookout = recovery.Lookout(plan.config.sweep_dir, study, results, lambda: next(moments))
    with supervisor_lock(plan.config.sweep_dir):
        lookout.look()
    assert not study.is_idle()
    lookout.look()
    assert study.is_idle()


def test_who_was_told_to_leave_is_never_counted_as_lost_however_it_ends(plan):
    config = plan.config
    study = SweepStudy(config, plan.space)
    results = SweepResults(config, plan.description)
    for round_ in range(config.search.max_retries + 2):
        with Presence(config.sweep_dir) as ended:
            claim = study.claim(ended.name)
            assert claim is not None
            while claim.specification.number != 0:  # what was interrupted waits at the end
                claim = study.claim(ended.name)
                assert claim is not None
            assert claim.specification.attempt == round_
            ended.note_told()
        lost = recovery.recover_lost(config.sweep_dir, study, results)
        assert {record.outcome for record in lost} == {Outcome.INTERRUPTED}
        assert {record.reason for record in lost} == {
            "the worker was told to leave and did not in time"
        }
    # Nor do those times count where it is really lost then.
    claims = [study.claim("gone-1") for _ in range(config.search.trials)]
    (claim,) = (c for c in claims if c is not None and c.specification.number == 0)
    records = recovery.recover_lost(config.sweep_dir, study, results)
    (lost_one,) = (record for record in records if record.number == 0)
    assert lost_one.outcome is Outcome.INTERRUPTED
    assert lost_one.reason == "its worker was lost 1 time"


def test_where_storage_keeps_heartbeats_only_silence_loses_workers_of_other_machines(plan):
    clock = SimulatedClock()
    study = SweepStudy(plan.config, plan.space, MemoryStudies(clock))
    results = SweepResults(plan.config, plan.description)
    with Presence(plan.config.sweep_dir) as gone:
        ours = study.claim(gone.name)
    theirs = study.claim("elsewhere-7")  # neither of them has a lock here

    def lost():
        records = recovery.recover_lost(plan.config.sweep_dir, study, results)
        return [record.number for record in records]

    assert lost() == [ours.specification.number]
    assert lost() == []
    clock.sleep(121)
    assert lost() == [theirs.specification.number]
