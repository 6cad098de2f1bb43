from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.page.course import busy_time, course_view, outcome_rows, rungs
from pipeline.reporting.page.sources import Attempt, ReportSources
from pipeline.tracking.event_log import Event


def attempt(trial: int, started: float, ended: float, host: str = "here") -> Attempt:
    return Attempt(
        trial=trial, worker=f"{host}-{trial}", host=host, started=started, ended=ended,
        outcome="complete",
    )  # fmt: skip


def test_rungs_count_who_came_and_who_was_stopped(sources: ReportSources) -> None:
    assert [(r.epoch, r.reached, r.stopped) for r in rungs(sources.records, (1, 2), 3)] == [
        (1, 4, 1), (2, 3, 0)
    ]  # fmt: skip
    assert rungs(sources.records, (), 3) == ()
    assert [rung.epoch for rung in course_view(sources).rungs] == [1, 2]
    assert course_view(replace(sources, config_text="search: [")).rungs == ()


def test_rungs_are_those_of_the_longest_trial_and_of_costs_that_are_known(
    sources: ReportSources,
) -> None:
    stories = list(sources.stories)
    specification = stories[2].record.specification
    longer = replace(specification, recipe=replace(specification.recipe, epochs=5))
    stories[2] = replace(stories[2], record=replace(stories[2].record, specification=longer))
    view = course_view(replace(sources, stories=stories))
    assert [rung.epoch for rung in view.rungs] == [1, 2, 3, 4]
    late = {**sources.summary, "costs": ["time_to_accuracy_seconds"]}
    assert course_view(replace(sources, summary=late)).rungs == ()


def test_reasons_that_differ_in_numbers_are_one(records: list[TrialRecord]) -> None:
    stopped = [
        replace(records[5], specification=replace(records[5].specification, number=n),
                reason=f"epoch {n}: ranked {n} of 8")
        for n in (10, 11)
    ]  # fmt: skip
    rows = {row.outcome: row for row in outcome_rows([*records, *stopped])}
    assert rows["complete"].count == 5 and rows["complete"].reasons == ()
    assert [(r.text, r.count) for r in rows["stopped"].reasons] == [
        ("epoch …: ranked … of …", 2), ("ranked 7 of 8", 1)
    ]  # fmt: skip
    assert rows["out_of_memory"].reasons[0].numbers == (6,)


def test_pauses_are_cut_out() -> None:
    attempts = [attempt(0, 100, 110), attempt(1, 105, 120), attempt(2, 5000, 5010)]
    assert busy_time(attempts) == [(100, 120, 0.0), (5000, 5010, 20.0)]


def test_the_timeline_has_a_lane_for_each_worker_at_a_time(sources: ReportSources) -> None:
    attempts = [
        attempt(0, 100, 110), attempt(1, 101, 104), attempt(2, 104, 109), attempt(3, 102, 103, "b")
    ]  # fmt: skip
    timeline = course_view(replace(sources, attempts=attempts)).timeline
    assert timeline is not None
    assert timeline.lanes == ("here 1", "here 2", "b 1")
    assert [(span.trial, span.lane) for span in timeline.spans] == [(0, 0), (1, 1), (3, 2), (2, 1)]
    assert "10 s by worker here-0" in timeline.spans[0].title
    again = [replace(attempts[0], again=True)]
    timeline = course_view(replace(sources, attempts=again)).timeline
    assert timeline is not None and "; trained again, 10 s by" in timeline.spans[0].title


def test_hypervolume_is_drawn_from_the_summarys_history(sources: ReportSources) -> None:
    events = [
        Event(time=t, kind="summary", values={"ended": n, "metrics": {"front/hypervolume": value}})
        for t, n, value in ((1.0, 2, 1.0), (2.0, 3, 1.0), (3.0, 5, 1.5))
    ]
    drawn = course_view(replace(sources, sweep_events=events)).hypervolume
    assert drawn is not None
    assert drawn[2] == 1.5
    assert len(drawn[1].split()) == 5
    assert course_view(sources).hypervolume is None


def test_a_trial_has_no_rung_at_its_own_last_epoch_nor_beyond(sources: ReportSources) -> None:
    """Those of the conftest train for three epochs; one trains for two, and one for four."""
    records = []
    for record, epochs in zip(sources.records[2:5], (None, 2, 4), strict=True):
        specification = replace(
            record.specification, recipe=replace(record.specification.recipe, epochs=epochs)
        )
        history = tuple(
            replace(record.history[0], epoch=epoch) for epoch in range(1, (epochs or 3) + 1)
        )
        records.append(replace(record, specification=specification, history=history))
    found = rungs(records, (1, 2, 3), 3)
    assert [(rung.epoch, rung.reached) for rung in found] == [(1, 3), (2, 2), (3, 1)]


def test_a_hypervolume_that_never_comes_is_not_waited_for(
    sources: ReportSources, summarise: Callable[..., dict[str, Any]]
) -> None:
    assert course_view(sources).why_no_hypervolume == (
        "Not known before the cnn reference and another trial have ended."
    )
    records = [
        replace(record, outcome=Outcome.INFEASIBLE, val_accuracy=None, costs={})
        if record.specification.reference == "cnn"
        else record
        for record in sources.records
    ]
    view = course_view(replace(sources, summary=summarise(records)))
    assert view.why_no_hypervolume == "There is none: the cnn reference does not fit the images."
