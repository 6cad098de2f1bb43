"""A sweep that goes on has the threads that it began with: times of one sweep are compared."""

from dataclasses import replace

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.launching import devices, local
from pipeline.launching.local import LocalSupervisor
from pipeline.launching.planning import plan_sweep
from pipeline.launching.promotion import measuring_protocol
from pipeline.measuring.automatic import by_rule
from pipeline.measuring.machine import this_machine
from pipeline.tracking.event_log import read, sweep_log_path
from pipeline.tracking.events import SessionStarted, content_of

NAME, CORES = "done", 4


@pytest.fixture
def again(tmp_path, simulate_sweep, monkeypatch):
    """Return a function that runs a sweep once more, on four cores, as far as it has workers."""
    simulate_sweep(tmp_path, NAME, "finalists=off")
    machine = replace(this_machine(), cores=CORES, gpus=())
    monkeypatch.setattr(local, "this_machine", lambda: machine)
    monkeypatch.setattr(local, "prepare", lambda: pytest.fail("there is nothing to do"))

    def again(*overrides):
        said: list[str] = []
        words = (
            "data=digits", "search=random", "search.trials=4", "tracking=off", "finalists=off",
            f"sweep_name={NAME}", f"mlruns={tmp_path}", *overrides,
        )  # fmt: skip
        plan = plan_sweep(compose(CommandLine(command="sweep", overrides=words)), said.append)
        supervisor = LocalSupervisor(plan=plan, say=said.append, show=lambda: None)
        assert supervisor.run() == 0
        assert said == []  # nothing is measured, so nothing has to be compared
        supervisor._say_other_threads()
        contents = [content_of(event) for event in read(sweep_log_path(plan.config.sweep_dir))]
        session = [content for content in contents if isinstance(content, SessionStarted)][-1]
        return said, session, plan.config

    return again


def test_auto_is_what_it_was(again):
    assert again("launch.workers=2")[1].threads == CORES // 2
    # One worker would have every core to itself, and those that are usual one or two each.
    said, session, _ = again("launch.workers=1")
    assert (said, session.threads) == ([], CORES // 2)


def test_there_are_no_more_workers_than_cores_for_their_threads(again):
    assert again("launch=one_worker")[1].threads == CORES
    _, session, config = again()
    assert (session.workers, session.threads) == (1, CORES)
    assert measuring_protocol(config)["launch.threads"] == CORES


def test_threads_that_are_asked_for_have_a_core_each_in_the_first_run_too(plan, monkeypatch):
    machine = replace(this_machine(), cores=8, gpus=(), memory_bytes=None)
    for module in (local, devices):
        monkeypatch.setattr(module, "this_machine", lambda: machine)
    monkeypatch.setattr(devices, "automatic", lambda _: replace(by_rule(machine), workers=8))
    wanted = []
    for threads in (4, "auto"):
        launch = plan.config.launch.model_copy(update={"workers": "auto", "threads": threads})
        own = replace(plan, config=plan.config.model_copy(update={"launch": launch}))
        wanted.append(LocalSupervisor(plan=own, say=print, show=lambda: None)._wanted_workers())
    assert wanted == [2, 8]


@pytest.mark.parametrize("threads", ["auto", 1])
def test_memory_that_holds_fewer_workers_is_said_and_no_core_is_left_idle(
    plan, monkeypatch, threads
):
    machine = replace(this_machine(), cores=8, gpus=(), memory_bytes=5 * 1024**3)
    for module in (local, devices):
        monkeypatch.setattr(module, "this_machine", lambda: machine)
        monkeypatch.setattr(module, "automatic", lambda _: replace(by_rule(machine), workers=8))
    launch = plan.config.launch.model_copy(update={"workers": "auto", "threads": threads})
    own = replace(plan, config=plan.config.model_copy(update={"launch": launch}))
    said: list[str] = []
    supervisor = LocalSupervisor(plan=own, say=said.append, show=lambda: None)
    expected = (2, 4) if threads == "auto" else (2, 1)
    assert (supervisor._wanted_workers(), supervisor._threads()) == expected
    supervisor._say_few_workers()
    (sentence,) = said
    assert sentence.startswith(f"2 workers with {expected[1]} thread")
    assert sentence.endswith(" each, and not 8 workers: memory holds no more with these images.")


def test_others_are_said(again):
    again("launch.threads=1")
    said, session, _ = again("launch.threads=2")
    assert session.threads == 2
    assert said == [
        "done began with 1 thread a worker, this run has 2: times of earlier trials and of these "
        "do not compare."
    ]
