"""The whole of a worker's life, with a simulated trainer in the place of Keras."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline.core.errors import ConfigurationError, DataError
from pipeline.core.outcome import LossNotFinite
from pipeline.core.trial import Outcome, RunKey
from pipeline.data.loading import load_all
from pipeline.launching import evaluation
from pipeline.launching.presence import Presence, was_told
from pipeline.launching.results import SweepResults
from pipeline.launching.sessions import Sessions
from pipeline.launching.sweep_folder import unchanged_test
from pipeline.launching.worker import RECYCLE_STATUS, Leaving, work
from pipeline.reporting.files import read_summary
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated import SimulatedTrainer
from pipeline.tracking.event_log import read, training_log_paths, trial_log_path
from pipeline.tracking.story import trial_story


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the process its signal handlers back: a worker takes them for good."""
    # A worker that is slow to leave would end the tests' own process.
    monkeypatch.setattr("pipeline.launching.worker.LEAVING_SECONDS", 600.0)
    numbers = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def worked(plan, before_epoch=lambda specification, epoch: None):
    """Work until the worker leaves; return its status and the data that it was given."""
    given = []

    def build(data, threads):
        given.append(data)
        return SimulatedTrainer(
            config=plan.config, description=plan.description, before_epoch=before_epoch
        )

    return work(plan.config, build), given[0]


def studied(plan):
    return SweepStudy(plan.config, plan.space)


def story(plan, run):
    found = trial_story(read(trial_log_path(plan.config.sweep_dir, *run)))
    assert found is not None
    return found


def further(plan):
    return [run for run in training_log_paths(plan.config.sweep_dir) if run.repetition]


def test_nobody_trains_on_other_images_than_the_sweep_was_begun_with(plan):
    path = plan.config.sweep_dir / "description.json"
    changed = json.loads(path.read_text()) | {"fingerprint": "f" * 64}
    path.write_text(json.dumps(changed))
    with pytest.raises(DataError, match="images of data=digits are no longer those that"):
        worked(plan)
    assert training_log_paths(plan.config.sweep_dir) == {}


def test_nobody_goes_on_with_a_sweep_whose_times_were_told_otherwise(plan, replan):
    timed = replan(plan, objective={"costs": ("train_seconds",)})  # as from before it was noted how
    with pytest.raises(ConfigurationError, match="begun by another version"):
        worked(timed)
    assert training_log_paths(plan.config.sweep_dir) == {}


def test_finalists_are_trained_after_the_search_and_do_not_enter_it(plan):
    assert worked(plan)[0] == 0
    study = studied(plan)
    summary = read_summary(plan.config.sweep_dir)
    front = {member["trial"] for member in summary["front"]}
    finalists = [finalist["trial"] for finalist in summary["finalists"]]
    assert 1 <= len(finalists) <= 3
    assert set(finalists) <= front
    assert further(plan) == sorted(RunKey(n, r) for n in finalists for r in (1, 2))
    assert study.originals() == 5
    assert summary["trials"]["complete"] == 5
    assert len(study.records()) == 5
    last_of_search = max(record.ended or 0 for record in study.records())
    seeds = {record.specification.seed for record in study.records()}
    for record in study.finalists.records():
        assert record.outcome is Outcome.COMPLETE
        assert (record.started or 0) >= last_of_search
        seeds.add(record.specification.seed)
    assert len(seeds) == 5 + 2 * len(finalists)
    for finalist in summary["finalists"]:
        assert finalist["val_accuracy"]["n"] == 3
        assert finalist["costs"]["macs"]["standard_error"] == 0
        assert 0 < finalist["probability_on_front"] <= 1
    assert summary["sweet_spot"]["rule"] == "one_standard_error"
    assert summary["sweet_spot"]["trial"] in finalists
    assert "resamples of seeds and validation images" in summary["sweet_spot"]["reason"]
    names = {path.name for path in (plan.config.sweep_dir / "models").glob("*.keras")}
    assert names == {f"{number:04d}.keras" for number in front | {0, 1}}


def test_workers_get_no_test_images_before_everything_is_trained(plan, monkeypatch):
    when = []

    def watched(config, description):
        study = studied(plan)
        results = SweepResults(plan.config, plan.description)
        due = study.finalists.due(results.final_trainings(study))
        when.append((study.is_done(), study.finalists.is_idle(), due))
        return unchanged_test(config, description)

    monkeypatch.setattr(evaluation, "unchanged_test", watched)
    _, data = worked(plan)
    assert when == [(True, True, [])]
    assert set(vars(data)) == {"description", "train", "validation"}
    test = {image.tobytes() for image in load_all(plan.config.data)[1].images}
    for split in (data.train, data.validation):
        assert not any(image.tobytes() in test for image in split.images)


def test_an_interrupted_finalist_is_taken_up_again_and_finished_ones_are_not(plan):
    ended = []

    def told_to_leave(specification, epoch):
        if specification.repetition and epoch == 2:
            ended.append(specification.run)
            if len(ended) == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    assert worked(plan, told_to_leave)[0] == RECYCLE_STATUS
    first, second = ended
    assert story(plan, first).record.outcome is Outcome.COMPLETE
    assert story(plan, second).record.outcome is Outcome.INTERRUPTED
    summary = read_summary(plan.config.sweep_dir)
    assert summary["sweet_spot"]["rule"] == "knee"
    assert Sessions.read(plan.config.sweep_dir).test_readings == {}

    assert worked(plan)[0] == 0
    assert story(plan, first).retries == 0
    assert story(plan, second).retries == 1
    assert story(plan, second).record.outcome is Outcome.COMPLETE
    after = read_summary(plan.config.sweep_dir)
    assert after["sweet_spot"]["rule"] == "one_standard_error"
    assert all(finalist["val_accuracy"]["n"] == 3 for finalist in after["finalists"])
    logs = {run: read(trial_log_path(plan.config.sweep_dir, *run)) for run in further(plan)}
    assert worked(plan)[0] == 0
    again = {run: read(trial_log_path(plan.config.sweep_dir, *run)) for run in further(plan)}
    assert again == logs
    assert read_summary(plan.config.sweep_dir)["test_readings"] == after["test_readings"]


def test_a_lost_workers_finalist_is_trained_again_until_the_retries_are_used_up(plan, replan):
    plan = replan(plan, search={"max_retries": 1}, finalists={"limit": 1, "seeds": 1})
    worked(replan(plan, finalists={"limit": 0}))
    study, results = studied(plan), SweepResults(plan.config, plan.description)
    wanted = results.final_trainings(study)
    outcomes = []
    for attempt in range(2):
        claim = study.finalists.claim("dead", wanted)
        assert claim is not None
        assert (claim.specification.run, claim.specification.attempt) == (wanted[0].run, attempt)
        assert study.finalists.due(wanted) == []
        (lost,) = results.lost_trials(study, lambda worker: False, lambda record: record)
        outcomes.append(lost.outcome)
    assert outcomes == [Outcome.INTERRUPTED, Outcome.FAILED]
    assert study.finalists.claim("w", wanted) is None
    worked(replan(plan, finalists={"limit": 1, "seeds": 1}))
    summary = read_summary(plan.config.sweep_dir)
    (finalist,) = summary["finalists"]
    assert (finalist["val_accuracy"]["n"], finalist["without_result"]) == (1, 1)
    assert summary["sweet_spot"]["rule"] == "knee"
    assert summary["test_readings"] >= 2


def test_more_seeds_and_more_finalists_later_train_what_is_missing(plan, replan):
    worked(replan(plan, finalists={"limit": 1, "seeds": 1}))
    (only,) = further(plan)
    events = read(trial_log_path(plan.config.sweep_dir, *only))
    worked(replan(plan, finalists={"limit": 2, "seeds": 2}))
    summary = read_summary(plan.config.sweep_dir)
    assert len(further(plan)) == 2 * len(summary["finalists"])
    assert read(trial_log_path(plan.config.sweep_dir, *only)) == events


def test_without_finalists_nothing_is_trained_twice(plan, replan):
    plan = replan(plan, finalists={"limit": 0})
    worked(plan)
    summary = read_summary(plan.config.sweep_dir)
    assert (further(plan), summary["finalists"]) == ([], [])
    assert summary["sweet_spot"]["rule"] == "knee"


def test_neither_rungs_nor_limits_end_a_finalist(plan, replan, monkeypatch):
    limits = plan.config.objective.limits.model_copy(update={"device_memory_mib": 5.0})
    plan = replan(plan, finalists={"limit": 0}, objective={"limits": limits})
    worked_in_memory(plan)
    rungs = plan.config.search.rungs.model_copy(update={"enabled": True, "peers": 2})
    finalists = {"limit": 3, "seeds": 2}
    plan = replan(plan, search={"rungs": rungs}, finalists=finalists)
    monkeypatch.setattr(SweepStudy, "reason_to_stop", lambda *_: "behind")
    worked_in_memory(plan)
    records = studied(plan).finalists.records()
    assert records
    assert {record.outcome for record in records} == {Outcome.COMPLETE}
    assert {record.costs["device_memory_mib"] for record in records} == {10.0}


def worked_in_memory(plan):
    """Work with a device that finalists need ten MiB of, and all others one."""
    needed = []

    def build(data, threads):
        return SimulatedTrainer(
            config=plan.config,
            description=plan.description,
            before_epoch=lambda trial, epoch: needed.append(10.0 if trial.repetition else 1.0),
            memory_mib=lambda epoch: needed[-1],
        )

    work(plan.config, build)


def test_a_finalist_that_diverges_leaves_the_others_to_decide(plan):
    def diverging(specification, epoch):
        if specification.repetition == 1:
            raise LossNotFinite("the loss is nan")

    worked(plan, diverging)
    summary = read_summary(plan.config.sweep_dir)
    assert {finalist["val_accuracy"]["n"] for finalist in summary["finalists"]} == {2}
    assert summary["sweet_spot"]["rule"] == "one_standard_error"


def test_time_that_is_up_ends_the_search_but_not_the_final_round(plan, replan, monkeypatch):
    started = []

    def counted(specification, epoch):
        if epoch == 1:
            started.append(specification.run)

    monkeypatch.setattr("pipeline.launching.worker.out_of_time", lambda config: len(started) > 2)
    worked(plan, counted)
    assert [run.number for run in started if not run.repetition] == [0, 1, 2]
    assert len(further(plan)) >= 2
    assert studied(plan).originals() == 3


def test_a_worker_is_replaced_after_many_trainings(plan, monkeypatch):
    monkeypatch.setattr("pipeline.launching.worker.TRIALS_A_PROCESS", 6)
    assert worked(plan)[0] == RECYCLE_STATUS
    assert Sessions.read(plan.config.sweep_dir).test_readings == {}
    while worked(plan)[0] == RECYCLE_STATUS:
        pass
    assert Sessions.read(plan.config.sweep_dir).test_readings


@pytest.mark.parametrize("told", [True, False], ids=["told", "orphan"])
def test_a_worker_that_cannot_even_hear_is_ended_in_time(told):
    """In a library's long call Python runs no handler of a signal."""
    text = (
        "import hashlib\n"
        "from pipeline.launching import worker\n"
        "worker.LEAVING_SECONDS = 0.1\n"
        "with worker.Leaving() as leaving:\n"
        f"    leaving._parent += {0 if told else 1}\n"
        "    print('there', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "there\n"
        if told:
            process.send_signal(signal.SIGUSR2)
        assert process.wait(timeout=250) == (128 + signal.SIGUSR2 if told else 1)


def test_a_worker_that_nobody_supervises_hears_ctrl_c_and_may_outlive_its_shell():
    text = (
        "import signal, time\n"
        "from pipeline.launching import worker\n"
        "with worker.Leaving(alone=True) as leaving:\n"
        "    leaving._parent += 1\n"
        "    assert not leaving.is_told()\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print(leaving.reason())\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=250, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "the worker was told to leave (SIGINT)\n"


def test_a_worker_that_nobody_supervises_is_not_to_be_replaced(plan, monkeypatch):
    monkeypatch.setattr("pipeline.launching.worker.TRIALS_A_PROCESS", 2)
    trainer = SimulatedTrainer(config=plan.config, description=plan.description)
    assert work(plan.config, lambda data, threads: trainer, alone=True) == 0
    assert studied(plan).is_done()


def test_a_worker_may_be_told_twice():
    """A cluster says SIGUSR2 first, and SIGTERM when its patience is over."""
    text = (
        "import time\n"
        "from pipeline.launching import worker\n"
        "worker.LEAVING_SECONDS = 60.0\n"
        "with worker.Leaving() as leaving:\n"
        "    for number in ('there', 'SIGUSR2', 'SIGTERM'):\n"
        "        while number not in (leaving.reason() or 'there'):\n"
        "            time.sleep(0.01)\n"
        "        time.sleep(0.1)\n"  # the watching thread, too, has heard of it
        "        print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        for word, number in (
            ("there", signal.SIGUSR2), ("SIGUSR2", signal.SIGTERM), ("SIGTERM", None),
        ):  # fmt: skip
            assert process.stdout.readline() == f"{word}\n"
            if number is not None:
                process.send_signal(number)
        assert (process.wait(timeout=250), process.stderr.read()) == (0, "")


def test_what_a_worker_hears_is_noted_while_it_still_does_something_else(tmp_path):
    with Presence(tmp_path) as presence, Leaving(presence.note_told):
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 30.0
        while not was_told(tmp_path, presence.name):
            assert time.monotonic() < deadline
            time.sleep(0.001)
