from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.trial import EpochResult, Outcome, TrialRecord
from pipeline.tracking.event_log import Event, read, trial_log_path
from pipeline.tracking.events import (
    Ended,
    EpochEnded,
    Measured,
    ModelKept,
    Started,
    SystemSampled,
)
from pipeline.tracking.story import trial_record, trial_story

Sweep = Any


@pytest.fixture
def sweep(fake_sweep: Callable[..., Sweep]) -> Sweep:
    return fake_sweep()


def events_of(sweep: Sweep, number: int = 3) -> list[Event]:
    return read(trial_log_path(sweep.dir, number))


def epochs(record: TrialRecord | None) -> list[int]:
    assert record is not None
    return [result.epoch for result in record.history]


def test_nothing_is_known_before_the_start() -> None:
    assert trial_record([]) is None
    assert trial_record([Event(time=1.0, kind="model", values={"path": None})]) is None


def test_a_running_trial_has_its_history_so_far(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=2)
    events = events_of(sweep)
    record = trial_record(events)
    assert record is not None
    assert record.specification == spec
    assert record.outcome is None and record.ended is None
    assert record.started == events[0].time
    assert epochs(record) == [1, 2]
    assert record.costs["epoch_seconds"] == 5.25
    assert record.measurements == {"latency_p90_ms": 1.75}


def test_an_ended_trial_is_its_record(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=3)
    sweep.finish(spec, Outcome.FAILED, details="Traceback …")
    events = events_of(sweep)
    story = trial_story(events)
    assert story is not None
    expected = sweep.records[3]
    assert story.record == replace(
        expected, measurements={"latency_p90_ms": 1.75}, started=events[0].time
    )
    assert story.details == "Traceback …"
    assert story.summary == "Model: │ dense │"
    assert story.journey[-1].shape == (10,)
    assert (story.worker, story.host, story.pid, story.device) == (
        "0",
        "box",
        4711,
        {"name": "cpu"},
    )


def test_what_was_measured_first_stays_what_it_was_measured_on(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=1)
    again = Started(attempt=1, specification=spec, worker="1", host="other", pid=1,
                    device={"name": "gpu"})  # fmt: skip
    measured = Measured(attempt=1, costs={}, measurements={"step_ms": 2.0}, summary="", journey=())
    sweep.trial(3, again, measured)
    story = trial_story(events_of(sweep))
    assert story is not None
    assert (story.device, story.measured_on) == ({"name": "gpu"}, {"name": "cpu"})


def test_a_retry_continues_and_replaces_the_epochs_that_it_repeats(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=4)
    sweep.trial(
        3,
        Ended(attempt=0, record=TrialRecord(specification=spec, outcome=Outcome.INTERRUPTED)),
    )
    lost = trial_record(events_of(sweep))
    assert lost is not None and lost.outcome is Outcome.INTERRUPTED
    assert epochs(lost) == [1, 2, 3, 4], "whoever ends a lost trial does not know its epochs"
    retry = replace(spec, attempt=1)
    sweep.start(retry)
    waiting = trial_story(events_of(sweep))
    assert waiting is not None and waiting.retries == 1
    assert waiting.record.outcome is None and waiting.record.reason is None
    assert waiting.record.specification.attempt == 1
    assert waiting.record.started == lost.started
    better = EpochResult(**{**_plain(sweep.epoch_result(3)), "val_accuracy": 0.99})
    sweep.trial(3, EpochEnded(attempt=1, result=better))
    again = trial_record(events_of(sweep))
    assert epochs(again) == [1, 2, 3]
    assert again is not None and again.history[-1] == better


def test_a_retry_that_ends_knowing_only_its_own_epochs_keeps_the_earlier_ones(
    sweep: Sweep,
) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=2)
    retry = replace(spec, attempt=1)
    sweep.start(retry, epochs=1, first=3)
    sweep.trial(
        3,
        Ended(
            attempt=1,
            record=TrialRecord(
                specification=retry, outcome=Outcome.COMPLETE, history=(sweep.epoch_result(3),)
            ),
        ),
    )
    assert epochs(trial_record(events_of(sweep))) == [1, 2, 3]


def test_a_worker_that_was_given_up_is_not_listened_to(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec, epochs=1)
    sweep.start(replace(spec, attempt=1), epochs=1)
    known = trial_record(events_of(sweep))
    sweep.trial(
        3,
        EpochEnded(attempt=0, result=sweep.epoch_result(2)),
        Ended(attempt=0, record=TrialRecord(specification=spec, outcome=Outcome.FAILED)),
    )
    assert trial_record(events_of(sweep)) == known


def test_the_model_comes_and_goes(sweep: Sweep) -> None:
    spec = sweep.specification(3)
    sweep.start(spec)
    sweep.trial(3, SystemSampled(attempt=0, metrics={}), ModelKept(path="models/0003.keras"))
    story = trial_story(events_of(sweep))
    assert story is not None and story.model == "models/0003.keras"
    sweep.trial(3, ModelKept(path=None))
    gone = trial_story(events_of(sweep))
    assert gone is not None and gone.model is None
    assert gone.last_time == events_of(sweep)[-1].time


def _plain(result: EpochResult) -> dict[str, Any]:
    return {"epoch": result.epoch, **result.metrics()}
