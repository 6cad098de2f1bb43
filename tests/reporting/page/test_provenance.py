from dataclasses import replace

from pipeline.core.trial import TrialRecord
from pipeline.reporting.page.provenance import clock_rows, provenance_view
from pipeline.reporting.page.sources import ReportSources
from pipeline.tracking.event_log import Event
from pipeline.tracking.events import SessionStarted, SweepContent, TestRead


def event(time: float, content: SweepContent) -> Event:
    return Event(time=time, kind=content.kind, values=content.to_values())


def session(time: float, workers: int, commit: str | None, **versions: str) -> Event:
    started = SessionStarted(workers=workers, host="here", versions=versions, git_commit=commit)
    return event(time, started)


def test_the_data_are_named_with_their_sizes_and_their_fingerprint(sources: ReportSources) -> None:
    facts = dict(provenance_view(sources).facts)
    assert facts["sweep"] == "fashion_mnist-standard-a1b2c3"
    assert facts["data"] == (
        "fashion_mnist: 50,000 images to train, 10,000 to validate, 100 to test; 28×28×1 pixels, "
        "10 classes"
    )
    assert facts["data fingerprint"] == "c0ffee"
    assert facts["time spent"] == "1 min 2 s"
    assert not {"commit", "started", "sessions", "versions", "MLflow run"} & facts.keys()


def test_every_commit_is_named_once_and_the_last_sessions_versions(sources: ReportSources) -> None:
    events = [
        session(0.0, 4, "abc", keras="3.14"),
        event(60.0, TestRead(trial=3, accuracy=0.9, correct=9, images=10, reason="sweet spot")),
        session(120.0, 2, None, keras="3.15"),
        session(3600.0, 1, "abc", keras="3.16", numpy="2.2"),
    ]
    summary = {**sources.summary, "mlflow_run_id": "the run", "wall_seconds": 0.0}
    view = provenance_view(replace(sources, sweep_events=events, summary=summary))
    facts = dict(view.facts)
    assert facts["commit"] == "abc, unknown"
    assert facts["started"] == "1970-01-01 00:00 UTC"
    assert facts["sessions"] == "3, the last with 1 worker"
    assert facts["versions"] == "keras 3.16, numpy 2.2"
    assert facts["MLflow run"] == "the run"
    assert "time spent" not in facts
    assert view.readings == ((3, "1970-01-01 00:01 UTC", "sweet spot"),)


def test_devices_are_counted_whatever_is_known_of_them(sources: ReportSources) -> None:
    devices = [{"name": "Xeon", "cores": "8"}] * 2 + [{}] * 2 + [{"device": "gpu"}] * 3
    stories = [
        replace(story, device=device)
        for story, device in zip(sources.stories, devices, strict=True)
    ]
    facts = provenance_view(replace(sources, stories=stories)).facts
    assert [text for name, text in facts if name == "device"] == [
        "gpu (3 trials)", "Xeon, 8 cores (2 trials)", "unknown (2 trials)",
    ]  # fmt: skip


def test_clocks_are_added_up_over_all_trainings(
    sources: ReportSources, records: list[TrialRecord]
) -> None:
    rows = provenance_view(sources).clocks  # of the six trials that have trained
    assert [(row.name, row.time, row.share) for row in rows] == [
        ("training", "36 s", 75.0), ("measuring", "12 s", 25.0),
    ]  # fmt: skip
    further = [replace(records[3], clocks={"training": 12.0, "waiting": 60.0, "new_one": 0.0})]
    rows = provenance_view(replace(sources, further=further)).clocks
    assert [(row.name, row.time, row.share) for row in rows] == [
        ("waiting for others to measure", "1 min 0 s", 50.0), ("training", "48 s", 40.0),
        ("measuring", "12 s", 10.0),
    ]  # fmt: skip
    assert clock_rows([replace(records[0], clocks={"new_one": 1.0})])[0].name == "new one"
    assert clock_rows(records) == ()


def test_passwords_of_the_configuration_are_not_shown(sources: ReportSources) -> None:
    shown = provenance_view(sources).config
    assert shown is not None and "postgresql://someone:…@host/optuna" in shown
    assert "secret" not in shown
    assert provenance_view(replace(sources, config_text=None)).config is None
