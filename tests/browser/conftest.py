"""A browser without a network, and a sweep to look at."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.launching.evaluation import evaluate
from pipeline.launching.planning import create_folder, plan_sweep
from pipeline.launching.trial_run import TrialRun
from pipeline.reporting.files import read_summary
from pipeline.reporting.writing import write_page
from pipeline.testing.simulated_run import run_all, simulated_run

#: MLflow's pages take their time on a machine that is busy with other tests.
PATIENCE = 120_000  # ms
expect.set_options(timeout=PATIENCE)
REQUIRED = os.environ.get("SWEETSPOT_REQUIRE_SERVICES") == "1"
#: Where continuous integration looks for screenshots.
ARTIFACTS = Path(os.environ.get("SWEETSPOT_ARTIFACTS", "build/artifacts")).resolve()
HOSTILE = (
    "<script>document.title = 'broken in'</script>",
    '"><img src=x onerror="document.title = \'broken in\'">',
    "x" * 300,
    "\N{SLICE OF PIZZA} \u202e'quoted' & more",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return Debian's browser; skips, or fails where services are required, without it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sentence = "chromium is not installed: apt-get install chromium"
        if REQUIRED:
            pytest.fail(sentence)
        pytest.skip(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that has no network, and fails the test for any fault of its own."""
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    tab.on("request", lambda request: asked.append(request.url))
    yield tab
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def search(mlruns: Path, *overrides: str, fails: tuple[int, ...] = ()) -> TrialRun:
    """Return the run of a simulated sweep after its search; trials in ``fails`` raise."""
    words = ("data=digits", "search=random", f"mlruns={mlruns}", *overrides)
    plan = plan_sweep(compose(CommandLine(command="sweep", overrides=words)), print)
    create_folder(plan)

    def fail(specification: Any, epoch: int) -> None:
        if specification.number in fails:
            raise RuntimeError(HOSTILE[0])

    run = simulated_run(plan, before_epoch=fail, worker=HOSTILE[1], device={"name": HOSTILE[3]})
    run_all(run)
    evaluate(plan.config, run.study, run.results, run.trainer)
    return run


@pytest.fixture(scope="session")
def searched() -> Callable[..., TrialRun]:
    """Return a function that searches in a folder for results, by overrides."""
    return search


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    """Return text that would do something if it were not shown as text."""
    return HOSTILE


@pytest.fixture(scope="session")
def sweep_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a simulated sweep with failures, its report written."""
    run = search(
        tmp_path_factory.mktemp("browser"),
        "objective=two_costs", "search.trials=24", "objective.limits.macs=8000000",
        "search.rungs.peers=2", "tracking=off",
        fails=(5, 9),
    )  # fmt: skip
    folder = run.config.sweep_dir
    # A folder's classes have the names of its sub-folders, whatever these are.
    summary = read_summary(folder)
    summary["data"]["classes"] = [*HOSTILE, *summary["data"]["classes"][len(HOSTILE) :]]
    (folder / "summary.json").write_text(json.dumps(summary))
    write_page(folder)
    return folder


@pytest.fixture(scope="session")
def summary(sweep_dir: Path) -> dict[str, Any]:
    """Return the sweep's summary."""
    return read_summary(sweep_dir)


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Return the folder for screenshots, which exists."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS
