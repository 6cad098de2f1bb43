"""Trials of a sweep that is set up, run as a worker runs them, with training simulated."""

from collections.abc import Callable

from pipeline.core.trial import TrialRecord, TrialSpecification
from pipeline.launching.planning import SweepPlan
from pipeline.launching.results import SweepResults
from pipeline.launching.trial_run import TrialRun
from pipeline.search.study import SweepStudy
from pipeline.testing.simulated import SimulatedTrainer


def simulated_run(
    plan: SweepPlan,
    *,
    study: SweepStudy | None = None,
    before_epoch: Callable[[TrialSpecification, int], None] = lambda specification, epoch: None,
    must_leave: Callable[[], str | None] = lambda: None,
    worker: str = "w",
    device: dict[str, str] | None = None,
) -> TrialRun:
    """Return what runs a sweep's trials in this process, without Keras.

    Parameters
    ----------
    study
        The plan's own in the sweep's storage, where it is not said.
    before_epoch
        As of ``SimulatedTrainer``.
    """
    return TrialRun(
        config=plan.config,
        description=plan.description,
        study=study or SweepStudy(plan.config, plan.space, first=plan.first),
        results=SweepResults(plan.config, plan.description),
        trainer=SimulatedTrainer(
            config=plan.config, description=plan.description, before_epoch=before_epoch
        ),
        worker=worker,
        device={"name": "simulated"} if device is None else device,
        must_leave=must_leave,
    )


def run_next(run: TrialRun) -> TrialRecord:
    """Claim the next trial, which there has to be, and return what came of it."""
    claim = run.study.claim(run.worker)
    assert claim is not None
    return run.run(claim)


def run_all(run: TrialRun) -> list[TrialRecord]:
    """Claim and run trials until none is left; return what came of them, in this order."""
    records = []
    while (claim := run.study.claim(run.worker)) is not None:
        records.append(run.run(claim))
    return records
