import threading
from collections.abc import Callable
from typing import Any

from pipeline.tracking.mirror import Mirror, SyncReport
from pipeline.tracking.store import open_client
from pipeline.tracking.sync_loop import SyncLoop

Sweep = Any


class ScriptedMirror(Mirror):
    """Answers with given failures and refusals, and tells the test when a pass is over."""

    def __init__(
        self, sweep: Sweep, failures: list[str | None], refused: list[str | None] | None = None
    ) -> None:
        super().__init__(sweep.dir, sweep.config, sweep.data)
        self.failures = failures
        self.refused = refused or []
        self.used_up = threading.Event()
        self.closed = False
        self.threads: set[str] = set()

    def sync(self) -> SyncReport:
        self.threads.add(threading.current_thread().name)
        failure = self.failures.pop(0) if self.failures else None
        refused = self.refused.pop(0) if self.refused else None
        if not self.failures:
            self.used_up.set()
        return SyncReport(failure=failure, refused=refused)

    def close(self) -> None:
        super().close()
        self.closed = True


def test_a_sweep_is_mirrored_to_its_end(stored_sweep: Sweep) -> None:
    said: list[str] = []
    loop = SyncLoop(
        Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data), 0.01, said.append
    )
    stored_sweep.begin()
    stored_sweep.references()
    stored_sweep.end()
    report = loop.close(lambda: 250)
    assert report.failure is None and report.runs == 3
    assert said == []
    client = open_client(stored_sweep.config)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as free:
        assert free.sync().failure is None


def test_a_failure_is_said_once_until_it_is_over(fake_sweep: Callable[..., Sweep]) -> None:
    mirror = ScriptedMirror(fake_sweep(), ["down", "down", "still", None, "again", "again"])
    said: list[str] = []
    loop = SyncLoop(mirror, 0.001, said.append)
    assert mirror.used_up.wait(120)
    assert loop.close(lambda: 120).failure is None
    assert said == ["down", "again"]
    assert mirror.closed and mirror.threads == {"mlflow-mirror"}


def test_a_refusal_that_lasts_does_not_hide_a_failure(fake_sweep: Callable[..., Sweep]) -> None:
    failures = [None, "down", None, "down", None, None]
    refused = ["413", None, "413", "413", "413", None, "403"]
    mirror = ScriptedMirror(fake_sweep(), failures, refused)
    said: list[str] = []
    loop = SyncLoop(mirror, 0.001, said.append)
    assert mirror.used_up.wait(120)
    loop.close(lambda: 120)
    assert said == ["413", "down", "down", "403"]


def test_closing_waits_no_longer_than_it_may(fake_sweep: Callable[..., Sweep]) -> None:
    release = threading.Event()

    class Hanging(ScriptedMirror):
        def sync(self) -> SyncReport:
            release.wait(30)
            return super().sync()

    said: list[str] = []
    sweep = fake_sweep()
    loop = SyncLoop(Hanging(sweep, []), 10, said.append)
    report = loop.close(lambda: 0.01)
    assert report.failure is not None and f"sync question mlruns={sweep.mlruns}`" in report.failure
    assert said == [report.failure]  # whoever waited hears that it is not done
    patience = [250.0, 250.0, 0.5]
    loop.close(lambda: patience.pop(0) if len(patience) > 1 else patience[0])
    assert patience == [0.5]  # who is told to hurry waits no longer
    release.set()
    assert loop.close(lambda: 120).failure is None


def test_importing_the_room_loads_no_heavy_library(fresh_python: Callable[[str], str]) -> None:
    modules = ("mirror", "sync_loop", "sweeps", "events", "story", "store", "system")
    loaded = fresh_python(
        f"import sys, {', '.join(f'pipeline.tracking.{name}' for name in modules)}; "
        "print([name for name in ('mlflow', 'tensorflow', 'optuna', 'matplotlib', 'sqlalchemy') "
        "if name in sys.modules])"
    )
    assert loaded.strip() == "[]"
