"""MLflow's own pages over a sweep: found, told, comparable, with report and models."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.config import PROJECT_ROOT
from pipeline.launching.trial_run import TrialRun
from pipeline.reporting.files import read_summary
from pipeline.reporting.writing import write_report
from pipeline.tracking.event_log import EventLog, sweep_log_path, trial_log_path
from pipeline.tracking.events import SessionEnded, SessionStarted, SystemSampled, record
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.registry import Registration, Registry
from pipeline.tracking.run_state import content_digest
from pipeline.tracking.system import SystemReader

pytestmark = pytest.mark.services

SWEEP = "seen-in-mlflow"


@pytest.fixture(scope="module")
def mirrored(
    tmp_path_factory: pytest.TempPathFactory,
    searched: Callable[..., TrialRun],
    hostile: tuple[str, ...],
) -> Path:
    """Return the folder of a simulated sweep that is in MLflow, its sweet spot a champion."""
    run = searched(
        tmp_path_factory.mktemp("mlflow"), f"sweep_name={SWEEP}", "search.trials=6", fails=(3,)
    )
    config, folder = run.config, run.config.sweep_dir
    with EventLog(sweep_log_path(folder)) as log:
        record(log, SessionStarted(workers=1, host="here", versions={}, git_commit=None))
        record(log, SessionEnded(wall_seconds=1.0, exit_status=0))
    with EventLog(trial_log_path(folder, 1)) as log:
        record(log, SystemSampled(attempt=0, metrics=SystemReader()()))
    write_report(folder)
    summary = read_summary(folder)
    spot = summary["sweet_spot"]
    file = folder / "models" / f"{spot['trial']:04d}.keras"
    with Mirror(folder, config, run.description) as mirror:
        assert mirror.sync().failure is None
    Registry(config=config, data="digits").register(
        Registration(
            sweep=SWEEP,
            trial=spot["trial"],
            keras_file=file,
            classes=run.description.classes,
            example=np.zeros((1, 28, 28, 1), dtype=np.uint8),
            tags={"sweep": SWEEP, "trial": str(spot["trial"]), "reason": hostile[0]}
            | {"model_digest": content_digest(file), "architecture": spot["architecture"]},
            card=f"# A card with {hostile[1]}",
        ),
        instead_of=None,
    )
    return folder


def wait_until_it_answers(server: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    server.kill()
    pytest.fail(f"MLflow does not answer: {server.communicate()[0]}")


@pytest.fixture(scope="module")
def address(mirrored: Path) -> Iterator[str]:
    """Return what ``sweetspot ui`` prints, while it serves."""
    for attempt in range(5):  # a test beside this one may take the port in between
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["ui", f"port={port}", f"mlruns={mirrored.parents[1]}"]
        server = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *words],
            cwd=PROJECT_ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert server.stdout is not None
        line = server.stdout.readline()
        if "cannot be had" not in line or attempt == 4:
            break
        server.communicate(timeout=200)
    try:
        said = re.search(r"http://\S+", line)
        assert said is not None, line
        wait_until_it_answers(server, port)
        yield said[0]
    finally:
        server.terminate()
        server.communicate(timeout=200)


@pytest.fixture
def tab(chromium: Browser, address: str) -> Iterator[Page]:
    """Return a page that has followed the address, as somebody does for the first time."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(120_000)
    tab = context.new_page()
    tab.goto(address)
    expect(tab.get_by_role("link", name=SWEEP)).to_be_visible()
    yield tab
    context.close()


@pytest.fixture
def summary(mirrored: Path) -> dict[str, Any]:
    """Return the sweep's summary."""
    return read_summary(mirrored)


def test_the_sweep_is_found_tells_its_story_and_lists_its_trials(
    tab: Page, summary: dict[str, Any], artifacts: Path
) -> None:
    expect(tab.get_by_text("sweetspot-digits").first).to_be_visible()
    tab.screenshot(path=artifacts / "mlflow-sweeps.png")
    tab.get_by_role("link", name=SWEEP).click()
    spot = summary["sweet_spot"]
    tab.get_by_text("Show more").click()
    expect(tab.get_by_text(f"The sweet spot is trial {spot['trial']}, ")).to_be_visible()
    for member in summary["front"]:
        row = tab.get_by_role(
            "row", name=re.compile(rf"^{member['trial']} {member['architecture']}")
        )
        expect(row.last).to_contain_text(f"{member['val_accuracy']:.4f}")
    tab.screenshot(path=artifacts / "mlflow-sweep.png")
    with tab.context.expect_page() as opened:
        tab.get_by_role("link", name="All its runs as a table").click()
    table = opened.value
    trials = sum(summary["trials"].values())
    expect(table.get_by_text(f"{trials} matching runs")).to_be_visible()
    expect(table.get_by_role("link", name="001 cnn")).to_be_visible()
    for column in ("val_accuracy", "cost/epoch_seconds", "architecture", "kind", "status"):
        head = re.compile(rf"^\s*{column}\s*$")
        expect(table.get_by_role("columnheader").filter(has_text=head).first).to_be_attached()
    name = f"{summary['sweet_spot']['trial']:03d} {summary['sweet_spot']['architecture']}"
    expect(table.locator("a[href*='/runs/']").get_by_text(name, exact=True).first).to_be_visible()
    table.screenshot(path=artifacts / "mlflow-trials.png")
    expect(table.get_by_role("gridcell", name="failed")).to_have_count(1)


def test_the_report_opens_and_can_be_clicked(
    tab: Page, summary: dict[str, Any], artifacts: Path
) -> None:
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.get_by_role("link", name=SWEEP).click()
    tab.get_by_role("tab", name="Artifacts").click()
    tab.get_by_text("report.html").first.click()
    report = tab.frame_locator("iframe")
    spot = summary["sweet_spot"]
    expect(report.locator("#answer .sentence")).to_contain_text(
        f"The sweet spot is trial {spot['trial']}, {spot['architecture']}"
    )
    report.locator("#front-chart .mark.spot").click()
    expect(report.get_by_role("dialog")).to_contain_text(f"Trial {spot['trial']}: ")
    tab.screenshot(path=artifacts / "mlflow-report.png")
    report.get_by_role("button", name="Close").click()
    report.get_by_role("link", name="Provenance").click()
    expect(report.locator("#provenance h2")).to_be_in_viewport()
    assert faults == []


def test_a_trial_has_its_curves_the_machines_load_and_its_model(
    tab: Page, summary: dict[str, Any], artifacts: Path, hostile: tuple[str, ...]
) -> None:
    spot = summary["sweet_spot"]
    base = tab.url.partition("#")[0]
    tab.get_by_role("link", name=SWEEP).click()
    tab.get_by_role("link", name="001 cnn").click()
    tab.get_by_role("tab", name="System metrics").click()
    expect(tab.get_by_text("cpu_utilization_percentage").first).to_be_visible()
    tab.screenshot(path=artifacts / "mlflow-system.png")
    tab.get_by_role("tab", name="Model metrics").click()
    tab.get_by_placeholder("Search metric charts").fill("val_accuracy")
    expect(tab.get_by_text("val_accuracy", exact=True).first).to_be_visible()
    tab.screenshot(path=artifacts / "mlflow-trial.png")
    tab.goto(f"{base}#/models/sweetspot-digits/versions/1")
    expect(tab.get_by_text(hostile[0]).first).to_be_visible()
    source = tab.get_by_role("link", name=f"{spot['trial']:03d} {spot['architecture']}")
    expect(source.first).to_be_visible()
    tab.screenshot(path=artifacts / "mlflow-version.png")
    assert tab.title() != "broken in"
