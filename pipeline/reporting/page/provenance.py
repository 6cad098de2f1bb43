"""Where the numbers come from: commit, configuration, data, versions, devices, clocks."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.trial import TrialRecord
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.text import without_passwords
from pipeline.reporting.wording import counted, duration_text
from pipeline.tracking.events import SessionEnded, SessionStarted, TestRead, content_of

_CLOCKS = {
    "build_and_trace": "building networks",
    "first_step": "first steps, which compile",
    "training": "training",
    "evaluation": "evaluation",
    "measuring": "measuring",
    "tracking": "tracking",
    "waiting": "waiting for others to measure",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockRow:
    """A clock over all trials: in words, and its share in percent."""

    name: str
    time: str
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenanceView:
    """The section."""

    facts: tuple[tuple[str, str], ...]
    clocks: tuple[ClockRow, ...]
    readings: tuple[tuple[int, str, str], ...]
    config: str | None


def provenance_view(sources: ReportSources) -> ProvenanceView:
    """Return the section's values."""
    telling = (SessionStarted.kind, SessionEnded.kind, TestRead.kind)
    contents = [
        (event.time, content_of(event)) for event in sources.sweep_events if event.kind in telling
    ]
    started = [(moment, c) for moment, c in contents if isinstance(c, SessionStarted)]
    data = sources.summary["data"]
    height, width, channels = data["image_shape"]
    facts = [
        ("sweep", sources.summary["sweep"]),
        (
            "data",
            f"{data['name']}: {data['train']:,} images to train, {data['validation']:,} to "
            f"validate, {data['test']:,} to test; {height}×{width}×{channels} pixels, "
            f"{counted(len(data['classes']), 'class').replace('classs', 'classes')}",
        ),
        ("data fingerprint", data["fingerprint"]),
    ]
    if started:
        first, last = started[0], started[-1]
        commits = dict.fromkeys(c.git_commit or "unknown" for _, c in started)
        facts += [
            ("commit", ", ".join(commits)),
            ("started", moment_text(first[0])),
            ("sessions", f"{len(started)}, the last with {counted(last[1].workers, 'worker')}"),
            ("versions", ", ".join(f"{name} {v}" for name, v in last[1].versions.items())),
        ]
    wall = sources.summary["wall_seconds"]
    facts += [("time spent", duration_text(wall))] if wall else []
    facts += [("device", text) for text in _devices(sources)]
    if sources.summary["mlflow_run_id"]:
        facts.append(("MLflow run", sources.summary["mlflow_run_id"]))
    return ProvenanceView(
        facts=tuple(facts),
        clocks=clock_rows([*sources.records, *sources.further]),
        readings=tuple(
            (c.trial, moment_text(moment), c.reason)
            for moment, c in contents
            if isinstance(c, TestRead)
        ),
        config=None if sources.config_text is None else without_passwords(sources.config_text),
    )


def moment_text(moment: float) -> str:
    """Return a time in UTC: ``2026-11-22 13:05 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _devices(sources: ReportSources) -> list[str]:
    devices: Counter[str] = Counter()
    for story in sources.stories:
        device = story.device
        name = str(device.get("name") or device.get("device") or "unknown")
        cores = f", {device['cores']} cores" if "cores" in device else ""
        devices[f"{name}{cores}"] += 1
    return [f"{name} ({counted(count, 'trial')})" for name, count in devices.most_common()]


def clock_rows(records: Sequence[TrialRecord]) -> tuple[ClockRow, ...]:
    """Return the clocks of all trials together; those that never ran are left out."""
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.clocks)
    whole = sum(totals.values())
    return tuple(
        ClockRow(
            name=_CLOCKS.get(name, name.replace("_", " ")),
            time=duration_text(seconds),
            share=round(100 * seconds / whole, 1),
        )
        for name, seconds in totals.most_common()
        if seconds > 0
    )
