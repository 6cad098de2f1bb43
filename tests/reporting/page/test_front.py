from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.page import trials
from pipeline.reporting.page.front import front_view
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.trials import details, kinds, shown_stories


def test_the_table_is_the_summarys_front_and_the_references(sources: ReportSources) -> None:
    view = front_view(sources)
    assert [(row.trial, row.on_front) for row in view.rows] == [
        (0, True), (2, True), (3, True), (4, True), (1, False)
    ]  # fmt: skip
    assert view.rows[2].marks == ("sweet spot",)
    assert view.rows[2].accuracy == "91.60%"
    assert view.rows[2].interval == "91.04 to 92.13%"


def test_every_trial_has_a_mark_of_its_kind(sources: ReportSources) -> None:
    assert kinds(sources) == {
        0: "dnn", 1: "cnn", 2: "front", 3: "spot", 4: "front", 5: "stopped", 6: "failed"
    }  # fmt: skip
    view = front_view(sources)
    points = {point["n"]: point for point in view.data["points"]}
    assert points[6]["a"] is None and points[6]["c"] == {}
    assert points[3]["a"] == pytest.approx(91.6)
    assert points[3]["c"] == {"epoch_seconds": 4.0, "latency_ms": 0.4}
    assert points[5]["t"] == ("trial 5, 16k3-d32: stopped early, validation accuracy 70.00%")
    assert [name for name, _ in view.costs] == ["epoch_seconds", "latency_ms"]
    assert [kind for kind, _ in view.legend] == [
        "spot", "cnn", "dnn", "front", "stopped", "failed"
    ]  # fmt: skip


def test_the_front_of_another_cost_is_drawn_from_all_that_are_complete(
    sources: ReportSources,
) -> None:
    points = {point["n"]: point["e"] for point in front_view(sources).data["points"]}
    assert points == {0: True, 1: True, 2: True, 3: True, 4: True, 5: False, 6: False}
    limited = f"{sources.config_text}objective: {{limits: {{epoch_seconds: 6, macs: null}}}}\n"
    points = {
        p["n"]: p["e"] for p in front_view(replace(sources, config_text=limited)).data["points"]
    }
    assert points[1] is False and points[3] is True


def test_limits_hold_everything_or_what_is_near_the_front(sources: ReportSources) -> None:
    view = front_view(sources)
    for cost in view.data["costs"]:
        for name in ("front", "all"):
            for scale in ("log", "linear"):
                axis = cost[name][scale]
                assert all(axis["low"] <= tick <= axis["high"] for tick, _ in axis["ticks"])
        everything = cost["all"]
        for point in view.data["points"]:
            if cost["name"] in point["c"]:  # latency is not measured of a trial that was stopped
                price = point["c"][cost["name"]]
                assert everything["log"]["low"] < price < everything["log"]["high"]
                assert everything["linear"]["low"] < price < everything["linear"]["high"]
                assert everything["y"]["low"] < point["a"] < everything["y"]["high"]
        assert cost["front"]["y"]["low"] > 70


def test_finalists_have_their_means_and_errors(sources: ReportSources) -> None:
    known = {"mean": 0.915, "standard_error": 0.002, "n": 3}
    finalist = {
        "trial": 3, "architecture": "32k3-64k3-d128", "val_accuracy": known,
        "costs": {"epoch_seconds": {"mean": 4.1, "standard_error": 0.1, "n": 3}},
        "probability_on_front": 0.8,
    }  # fmt: skip
    summary = {**sources.summary, "finalists": [finalist]}
    view = front_view(replace(sources, summary=summary))
    assert view.finalists[0].accuracy == "91.50% ± 0.20%"
    assert view.finalists[0].costs == ("4.1 ± 0.1",)
    assert view.finalists[0].probability == "80%"
    assert view.data["finalists"][0]["a"] == 91.5
    assert front_view(sources).finalists == ()


def test_every_network_has_the_means_of_its_trainings(sources: ReportSources) -> None:
    every = front_view(sources).every
    assert [(number, name) for number, name, _ in every.rows] == [
        (record.number, title(record)) for record in sources.records[:5]
    ]
    assert not every.compared
    assert {cells[0] for _, _, cells in every.rows} == {"1"}

    def again(record: TrialRecord) -> TrialRecord:
        assert record.val_accuracy is not None
        specification = replace(record.specification, repetition=1)
        return replace(
            record, specification=specification, val_accuracy=record.val_accuracy + 0.002
        )

    further = [again(record) for record in sources.records[:5]]
    every = front_view(replace(sources, further=further)).every
    assert every.compared
    accuracy = every.titles.index("validation accuracy")
    # Two trainings, 0.2 points apart: t of one degree of freedom is 12.706, so 12.706 · 0.1.
    assert every.rows[3][2][accuracy] == "91.70 ± 1.27%"
    assert every.rows[3][2][every.titles.index("trainings")] == "2"


def title(record: TrialRecord) -> str:
    name, reference = record.specification.architecture.notation, record.specification.reference
    return f"{name} ({reference})" if reference else name


def test_too_many_trials_are_thinned_out_behind_the_front(
    trial: Callable[..., TrialRecord],
    records: list[TrialRecord],
    summarise: Callable[..., dict[str, Any]],
    make: Callable[..., ReportSources],
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(trials, "MOST_TRIALS", 20)
    many = [
        *records,
        *(trial(number, "8k3-d32", 0.5, 50.0, outcome=Outcome.STOPPED) for number in range(7, 90)),
    ]
    sources = make(many, summarise(many))
    kept = {story.record.number for story in shown_stories(sources)}
    assert len(kept) == 20
    assert set(range(5)) | {6} <= kept
    assert max(kept) > 80
    assert front_view(sources).left_out == 70
    assert set(details(sources)["trials"]) == {str(number) for number in kept}
