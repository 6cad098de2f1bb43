from dataclasses import replace

import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.proposal import Proposal
from pipeline.launching.estimate import estimate
from pipeline.launching.training_rate import TrainingRate
from pipeline.measuring.automatic import by_rule
from pipeline.measuring.machine import this_machine
from pipeline.search.space import SearchSpace


def fast():
    return TrainingRate(operations_a_second=1e11)


def slow():
    return TrainingRate(operations_a_second=1e9)


def test_the_plan_in_numbers(plan):
    said = estimate(plan, fast)
    assert said.networks == plan.space.size()[0]
    assert said.cheapest_macs <= said.dearest_macs
    assert said.trials == 5
    assert said.minutes > 0


def test_a_faster_machine_and_fewer_trials_take_less(plan, replan, tmp_path):
    slower = estimate(plan, slow)
    assert estimate(plan, fast).minutes < slower.minutes
    more = replan(plan, search={"trials": 50}, mlruns=tmp_path / "more")
    assert estimate(more, slow).minutes > slower.minutes


def test_a_plan_names_what_there_is_room_for(plan):
    first = tuple(
        Proposal(architecture=Architecture(dense_units=units), recipe=plan.config.training.recipe)
        for units in (8, 9, 10, 11)
    )
    said = estimate(replace(plan, first=first), fast)  # five trials, two of them references
    assert [str(network) for network in said.first] == ["d8", "d9", "d10"]


def test_finalists_take_their_time(plan, replan, tmp_path):
    said = estimate(plan, slow)
    off = estimate(replan(plan, finalists={"limit": 0}, mlruns=tmp_path / "off"), slow)
    assert (said.finalists, said.seeds) == (3, 2)
    assert off.finalist_minutes == 0
    assert said.minutes == pytest.approx(off.minutes + said.finalist_minutes)


def test_images_too_small_for_the_cnn_have_an_estimate_too(plan):
    small = replace(
        plan,
        description=replace(plan.description, image_shape=(8, 8, 1)),
        space=SearchSpace(plan.config.space, (8, 8, 1), 10),
    )
    assert estimate(small, slow).minutes > 0


def test_trials_that_rungs_stop_take_less(plan, replan, tmp_path):
    rungs = plan.config.search.rungs.model_copy(update={"enabled": True, "peers": 2})
    longer = {"epochs": 8}
    stopping = replan(
        plan, search={"trials": 50, "rungs": rungs}, training=longer, mlruns=tmp_path / "stopping"
    )
    never = replan(
        plan,
        search={"trials": 50, "rungs": rungs.model_copy(update={"enabled": False})},
        training=longer,
        mlruns=tmp_path / "never",
    )
    # Most stop after two epochs of eight.
    assert estimate(stopping, slow).minutes < 0.65 * estimate(never, slow).minutes


def test_rungs_stop_nobody_where_a_cost_is_known_only_in_the_end(plan, replan, tmp_path):
    rungs = plan.config.search.rungs.model_copy(update={"enabled": True, "peers": 2})
    minutes = [
        estimate(
            replan(
                plan, search={"trials": 50, "rungs": some}, training={"epochs": 8},
                objective={"costs": ("train_seconds",)}, mlruns=tmp_path / name,
            ),
            slow,
        ).minutes
        for name, some in (("on", rungs), ("off", rungs.model_copy(update={"enabled": False})))
    ]  # fmt: skip
    assert minutes[0] == minutes[1]


def test_the_search_ends_when_its_minutes_are_over(plan, replan, tmp_path):
    whole = estimate(plan, slow)
    cut = estimate(replan(plan, search={"minutes": 0.1}, mlruns=tmp_path / "cut"), slow)
    assert cut.minutes - cut.finalist_minutes == pytest.approx(0.1 + 0.5)
    assert whole.minutes - whole.finalist_minutes > cut.minutes - cut.finalist_minutes
    assert (whole.search_minutes, cut.search_minutes) == (None, 0.1)


def test_what_is_above_a_limit_is_not_trained(plan, replan, tmp_path):
    limits = plan.config.objective.limits
    whole = estimate(plan, slow)
    middle = (whole.cheapest_macs * whole.dearest_macs) ** 0.5
    few, all_of_them = (
        estimate(
            replan(
                plan, search={"trials": 50}, mlruns=tmp_path / name,
                objective={"limits": limits.model_copy(update={"macs": limit})},
            ),
            slow,
        ).minutes
        for name, limit in (("few", middle), ("all", 2.0 * whole.dearest_macs))
    )  # fmt: skip
    assert few < 0.5 * all_of_them


def test_a_plan_has_as_many_workers_as_will_run(plan, monkeypatch):
    machine = replace(this_machine(), cores=8, gpus=(), memory_bytes=None)
    for module in ("estimate", "devices"):
        monkeypatch.setattr(f"pipeline.launching.{module}.this_machine", lambda: machine)
    monkeypatch.setattr(
        "pipeline.launching.devices.automatic", lambda _: replace(by_rule(machine), workers=8)
    )
    found = []
    for threads in ("auto", 4):
        launch = plan.config.launch.model_copy(update={"workers": "auto", "threads": threads})
        own = replace(plan, config=plan.config.model_copy(update={"launch": launch}))
        found.append(estimate(own, fast).workers)
    assert found == [8, 2]
