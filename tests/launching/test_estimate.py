from dataclasses import replace

import pytest

from pipeline.launching.estimate import estimate, matrix_product_rate
from pipeline.search.space import SearchSpace


def test_the_plan_in_numbers(plan):
    said = estimate(plan, lambda: 1e11)
    assert said.networks == plan.space.size()[0]
    assert said.cheapest_macs <= said.dearest_macs
    assert said.trials == 5
    assert said.minutes > 0


def test_a_faster_machine_and_fewer_trials_take_less(plan, replan, tmp_path):
    slow = estimate(plan, lambda: 1e9)
    assert estimate(plan, lambda: 1e11).minutes < slow.minutes
    more = replan(plan, search={"trials": 50}, mlruns=tmp_path / "more")
    assert estimate(more, lambda: 1e9).minutes > slow.minutes


def test_finalists_take_their_time(plan, replan, tmp_path):
    said = estimate(plan, lambda: 1e9)
    off = estimate(replan(plan, finalists={"limit": 0}, mlruns=tmp_path / "off"), lambda: 1e9)
    assert (said.finalists, said.seeds) == (3, 2)
    assert off.finalist_minutes == 0
    assert said.minutes == pytest.approx(off.minutes + said.finalist_minutes)


def test_images_too_small_for_the_cnn_have_an_estimate_too(plan):
    small = replace(
        plan,
        description=replace(plan.description, image_shape=(8, 8, 1)),
        space=SearchSpace(plan.config.space, (8, 8, 1), 10),
    )
    assert estimate(small, lambda: 1e9).minutes > 0


def test_the_machines_rate_is_a_rate():
    assert matrix_product_rate(size=64, repeats=2) > 1e6


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
    # Half stop after one epoch of eight, a quarter after two, an eighth after four.
    assert estimate(stopping, lambda: 1e9).minutes < 0.6 * estimate(never, lambda: 1e9).minutes
