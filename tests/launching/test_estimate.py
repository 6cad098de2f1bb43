from dataclasses import replace

import pytest

from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import macs
from pipeline.launching.estimate import Pace, calibrated_pace, estimate, matrix_product_rate
from pipeline.measuring.automatic import Calibration, Tried, by_rule, keep_calibration
from pipeline.measuring.machine import Precision, this_machine
from pipeline.search.space import SearchSpace


def fast():
    return Pace(operations_a_second=1e11)


def slow():
    return Pace(operations_a_second=1e9)


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
    # Half stop after two epochs of eight, and of the rest three in ten after four.
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


def calibrate(config, seconds):
    """Keep a calibration by which a thread takes so many seconds an image, and four are best."""
    rows: tuple[tuple[str, Precision, int, int, float], ...] = (
        ("cnn", "float32", 1, 1, 1.0),
        ("cnn", "float32", 4, 1, 4.0),
        ("cnn", "float32", 1, 4, 3.0),  # threads lose something
        ("cnn", "mixed_bfloat16", 1, 1, 9.0),
        ("dnn", "float32", 1, 1, 1.0),
    )
    tried = tuple(
        Tried(
            network=REFERENCES[name].notation, precision=precision, jit_compile=False,
            steps_per_execution=20, workers=workers, threads=threads,
            images_per_second=speed / seconds[name],
        )
        for name, precision, workers, threads, speed in rows
    )  # fmt: skip
    calibration = Calibration(
        answer=replace(by_rule(), workers=4, threads=1), measured_on={"name": "this one"},
        date="2026-11-30", seconds=1.0, tried=tried,
    )  # fmt: skip
    keep_calibration(config.mlruns, calibration)


def test_a_calibrated_machine_is_known_by_its_two_networks(plan, monkeypatch):
    machine = replace(this_machine(), cores=4, gpus=())
    monkeypatch.setattr("pipeline.launching.estimate.this_machine", lambda: machine)

    def settings(precision="float32", *, calibrate=True, **launch):
        training = plan.config.training.model_copy(update={"precision": precision})
        own = plan.config.launch.model_copy(update={"workers": "auto", "threads": "auto", **launch})
        return plan.config.model_copy(
            update={"calibrate": calibrate, "training": training, "launch": own}
        )

    assert calibrated_pace(settings(), 4) is None
    work = {name: 6.0 * macs(REFERENCES[name], (28, 28, 1), 10) for name in ("cnn", "dnn")}
    calibrate(settings(), {name: 8e-6 + work[name] / 1e11 for name in work})
    for launch, workers, times in (
        ({}, 4, 4.0),
        ({"workers": 16}, 16, 4.0),  # more of them do no more
        ({"workers": 2, "threads": 1}, 2, 2.0),
        ({"workers": 1, "threads": 1}, 1, 1.0),
    ):
        pace = calibrated_pace(settings(**launch), workers)
        assert pace is not None
        assert pace.operations_a_second == pytest.approx(times * 1e11)
        assert pace.seconds_an_image == pytest.approx(8e-6 / times)
    many_threads = calibrated_pace(settings(workers=1), 1)
    assert many_threads is not None
    assert 3e11 < many_threads.operations_a_second < 4e11  # an image's own time is not shared
    calibrated = replace(plan, config=settings(workers=4, threads=1))
    known = [Pace(operations_a_second=4e11, seconds_an_image=2e-6)]
    assert estimate(calibrated).minutes == pytest.approx(estimate(plan, known.pop).minutes)
    # Of a precision in which nobody has timed both, and where calibrations do not count.
    assert calibrated_pace(settings("mixed_bfloat16"), 4) is None
    assert calibrated_pace(settings(calibrate=False), 4) is None


def test_a_plan_has_as_many_workers_as_will_run(plan, monkeypatch):
    machine = replace(this_machine(), cores=8, gpus=())
    monkeypatch.setattr("pipeline.launching.estimate.this_machine", lambda: machine)
    monkeypatch.setattr(
        "pipeline.launching.estimate.automatic", lambda _: replace(by_rule(machine), workers=8)
    )
    found = []
    for threads in ("auto", 4):
        launch = plan.config.launch.model_copy(update={"workers": "auto", "threads": threads})
        own = replace(plan, config=plan.config.model_copy(update={"launch": launch}))
        found.append(estimate(own, fast).workers)
    assert found == [8, 2]
