import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import SlurmLaunch
from pipeline.launching.planning import SweepPlan, create_folder, plan_sweep


@pytest.fixture(scope="session")
def digits_plan(tmp_path_factory) -> SweepPlan:
    """Return a plan on the embedded digits, with random search and MACs as the cost."""
    folder = tmp_path_factory.mktemp("planned")
    overrides = (
        "data=digits", "search=random", "objective=macs", "search.trials=5",
        "search.rungs.enabled=false", "tracking=off", f"mlruns={folder}",
    )  # fmt: skip
    return plan_sweep(compose(CommandLine(command="sweep", overrides=overrides)), print)


@pytest.fixture
def plan(digits_plan, tmp_path) -> SweepPlan:
    """Return the plan with results under a folder of this test, which exists."""
    return replanned(digits_plan, mlruns=tmp_path)


def replanned(plan: SweepPlan, **changes) -> SweepPlan:
    """Return a plan whose configuration has other values, with its folder written."""
    sections = {
        name: getattr(plan.config, name).model_copy(update=value)
        if isinstance(value, dict)
        else value
        for name, value in changes.items()
    }
    config = plan.config.model_copy(update=sections)
    changed = SweepPlan(
        config=config,
        description=plan.description,
        space=plan.space,
        identity=plan.identity,
        exists=plan.exists,
    )
    create_folder(changed)
    return changed


@pytest.fixture
def replan():
    return replanned


@pytest.fixture
def slurm_launch() -> SlurmLaunch:
    """Return what asks a cluster for two workers with four processors each."""
    return SlurmLaunch(
        kind="slurm", workers=2, threads="auto", follow=True, notice_seconds=60, requeues=5,
        cpus=4, gpus=0,
    )  # fmt: skip


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program that a shell script stands for on the PATH, and nothing before it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make
