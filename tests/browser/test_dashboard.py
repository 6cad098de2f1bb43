"""optuna-dashboard over a sweep's study, in a browser."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pipeline.launching.trial_run import TrialRun
from pipeline.search.dashboard import dashboard_server

pytestmark = [
    pytest.mark.services,
    # Optuna about importances from few trials.
    pytest.mark.filterwarnings("ignore:Some regimes for parameter:UserWarning"),
]

SWEEP = "seen-in-optuna"


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, searched: Callable[..., TrialRun]
) -> Iterator[str]:
    """Return where optuna-dashboard answers."""
    run = searched(
        tmp_path_factory.mktemp("optuna"), f"sweep_name={SWEEP}", "search.trials=8", "tracking=off"
    )
    with dashboard_server(run.config, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_study_is_found_with_its_objectives_and_trials(
    chromium: Browser, address: str, artifacts: Path
) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(120_000)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("response", lambda answer: faults.append(answer.url) if answer.status >= 500 else None)
    tab.goto(address)
    tab.get_by_role("link", name=SWEEP).first.click()
    expect(tab.get_by_text("Pareto Front")).to_be_visible()
    expect(tab.get_by_text("val_accuracy").first).to_be_visible()
    expect(tab.get_by_text("epoch_seconds").first).to_be_visible()
    tab.wait_for_load_state("networkidle")
    tab.screenshot(path=artifacts / "optuna-dashboard.png")
    tab.goto(f"{tab.url}/trials")
    expect(tab.get_by_text("8 Trials")).to_be_visible()
    context.close()
    assert faults == []
