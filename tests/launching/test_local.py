"""What a supervisor sees while its workers work."""

import time
from types import SimpleNamespace
from typing import Any

from pipeline.launching import local
from pipeline.launching.local import LocalSupervisor
from pipeline.launching.results import SweepResults
from pipeline.search.study import SweepStudy


def test_what_a_worker_that_is_not_its_own_leaves_is_queued_again(plan, monkeypatch):
    study = SweepStudy(plan.config, plan.space)
    results = SweepResults(plan.config, plan.description)
    assert study.claim("gone-1") is not None
    supervisor = LocalSupervisor(plan=plan, say=print, show=lambda: None)
    end = time.monotonic() + 60.0

    def poll():
        """Work until the trial waits again, as one that waits for the search's end does."""
        assert time.monotonic() < end
        return 0 if "gone-1" not in running(study) else None

    def start(self, count):
        worker: Any = SimpleNamespace(poll=poll)
        self._workers.append(local._Worker(process=worker, log=plan.config.sweep_dir / "log"))

    monkeypatch.setattr(local, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(LocalSupervisor, "_start_workers", start)
    monkeypatch.setattr(LocalSupervisor, "_is_work_left", lambda *_, **__: False)
    supervisor._supervise(study, results, None)
    claims = [study.claim("b"), study.claim("b")]
    waited = [(c.specification.number, c.specification.attempt) for c in claims if c is not None]
    assert waited == [(1, 0), (0, 1)]
    assert supervisor._recovered  # so that a worker's death beside it is no fault of the machine


def running(study):
    return {
        trial.user_attrs.get("worker")
        for trial in study.storage.optuna.get_all_trials(study._study._study_id)
        if not trial.state.is_finished()
    }
