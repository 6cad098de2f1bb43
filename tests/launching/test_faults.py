"""Whatever goes wrong on the way, a sweep ends with every trial accounted for, and none twice."""

import functools
import random
from collections import Counter, defaultdict

import pytest
from optuna.trial import TrialState

from benchmarks.results_files import keep
from pipeline.core.trial import Outcome
from pipeline.data.loading import load_all
from pipeline.launching.results import SweepResults
from pipeline.reporting.files import read_summary
from pipeline.search.study import SweepStudy
from pipeline.testing.cluster import SimulatedCluster
from pipeline.testing.faults import (
    FaultyStorage,
    SimulatedClock,
    faulty_event_logs,
    random_faults,
)
from pipeline.testing.memory import MemoryStudies
from pipeline.tracking.event_log import read, trial_log_path
from pipeline.tracking.story import trial_story

TRIALS, EPOCHS = 6, 3
SHORT, LONG = 50, 1000


@pytest.fixture(autouse=True)
def _read_once(monkeypatch):
    """Read the test images once: they are the same in every schedule."""
    monkeypatch.setattr("pipeline.launching.sweep_folder.load_all", functools.cache(load_all))


def counted(faults, happened):
    """Return the same faults, and count those that happen by where and which."""

    def choose(call):
        fault = faults(call)
        if fault is not None:
            happened["event log" if call == "append" else "storage", fault] += 1
        return fault

    return choose


def run_schedule(plan, seed, happened):
    """Run a sweep through a schedule of faults; return Optuna's trials and our records."""
    chance = random.Random(f"faults {seed}")
    clock = SimulatedClock()
    memory = MemoryStudies(clock)
    faults = counted(random_faults(chance, chance.choice((0.0, 0.01, 0.05, 0.2))), happened)
    log_faults = counted(random_faults(chance, chance.choice((0.0, 0.02))), happened)
    cluster = SimulatedCluster(
        plan, clock, memory, lambda: FaultyStorage(memory, faults, clock), seed=seed
    )
    study = SweepStudy(plan.config, plan.space, memory)
    with faulty_event_logs(log_faults, clock):
        cluster.run(study)
    results = SweepResults(plan.config, plan.description)
    results.complete_logs(study)
    results.refresh(study)
    study_id = memory.optuna.get_study_id_from_name(plan.config.sweep_name)
    return memory.optuna.get_all_trials(study_id), study.records()


def check_invariants(plan, trials, records):
    assert [record.number for record in records] == list(range(TRIALS))  # the budget is exact
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    attempts = defaultdict(list)
    for trial in trials:
        attempts[trial.user_attrs["number"]].append(trial)
    assert sorted(attempts) == list(range(TRIALS))
    for number, found in attempts.items():
        assert [trial.user_attrs["attempt"] for trial in found] == list(range(len(found)))
        *before, last = found
        assert all(trial.state is TrialState.FAIL for trial in before)  # one result, the last
        record = records[number]
        assert record.outcome is (
            Outcome.COMPLETE if last.state is TrialState.COMPLETE else Outcome.FAILED
        )
        story = trial_story(read(trial_log_path(plan.config.sweep_dir, number)))
        assert story is not None
        assert story.record.outcome is record.outcome
        if record.outcome is Outcome.COMPLETE:
            epochs = [result.epoch for result in story.record.history]
            assert epochs == list(range(1, EPOCHS + 1))
    counts = read_summary(plan.config.sweep_dir)["trials"]
    assert counts["running"] == counts["interrupted"] == 0
    assert sum(counts.values()) == TRIALS


def go_through(plan, replan, folder, seeds):
    """Run the schedules of these seeds; return how many faults happened, and retries."""
    drawn: dict[int, set[object]] = {}
    happened: Counter[tuple[str, str]] = Counter()
    retries = 0
    for seed in seeds:
        changed = replan(
            plan,
            mlruns=folder / str(seed),
            search={"trials": TRIALS, "max_retries": 2, "startup_trials": 4},
            training={"epochs": EPOCHS},
            finalists={"limit": 0},
            tracking={"system_metrics": False},
        )
        try:
            trials, records = run_schedule(changed, seed, happened)
            check_invariants(changed, trials, records)
        except Exception as error:
            error.add_note(f"in the schedule of seed {seed}")
            raise
        retries += len(trials) - TRIALS
        for record in records:
            drawn.setdefault(record.number, set()).add(record.specification.architecture)
    # Random search: however often a claim broke off, the same network was drawn.
    assert all(len(architectures) == 1 for architectures in drawn.values())
    return happened, retries


@pytest.mark.parametrize("part", range(2))
def test_schedules_of_faults(plan, replan, tmp_path, part):
    happened, retries = go_through(plan, replan, tmp_path, range(part, SHORT, 2))
    assert {where for where, _ in happened} == {"storage", "event log"}
    assert retries > 0


@pytest.mark.soak
def test_a_thousand_schedules_of_faults(plan, replan, tmp_path):
    happened, retries = go_through(plan, replan, tmp_path, range(LONG))
    faults = {f"{where} {fault}": count for (where, fault), count in sorted(happened.items())}
    keep(
        "fault-schedules",
        {"schedules": LONG, "trials": LONG * TRIALS, "faults": faults, "retries": retries},
        [
            f"{LONG} seeded schedules of faults through the real worker loop, three workers, "
            f"{TRIALS} trials each, a simulated trainer and clock: {sum(happened.values())} calls "
            f"of the storage and the event log failed, hung, came late or were done unheard, and "
            f"workers were killed, told to leave or hung; {retries} attempts had to be repeated. "
            "Every trial is accounted for, none twice, and event logs and summary agree with "
            "storage.",
        ],
    )
