import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import checked, compose, plain
from pipeline.config import (
    PROJECT_ROOT,
    Config,
    FloatDimension,
    IntegerDimension,
    LimitsConfig,
    TrainingConfig,
    anchored,
    checked_name,
    differing_keys,
    identity_hash,
    identity_parts,
)
from pipeline.core.errors import ConfigurationError
from pipeline.core.trial import EpochResult


@pytest.fixture(scope="module")
def values():
    return plain(CommandLine(command="sweep", overrides=("data=digits",)))


def test_a_configuration_survives_its_file(values):
    config = Config.model_validate(values)
    again = Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json"))))
    assert again == config


def test_it_cannot_be_changed(values):
    config = Config.model_validate(values)
    with pytest.raises(ValidationError, match="frozen"):
        config.search.trials = 3


@given(
    st.one_of(st.none(), st.lists(st.integers(-3, 9), max_size=4)),
    st.one_of(st.none(), st.integers(-3, 9)),
    st.one_of(st.none(), st.integers(-3, 9)),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.integers(-2, 4)),
)
def test_a_dimension_is_a_sound_list_or_a_sound_range(choices, low, high, log, step):
    try:
        dimension = IntegerDimension(choices=choices, low=low, high=high, log=log, step=step)
    except ValidationError:
        return
    values = dimension.values()
    assert values == tuple(sorted(set(values)))
    assert values
    assert dimension.smallest == values[0]
    assert dimension.largest >= values[-1]
    if choices is None:
        assert low is not None and high is not None and low <= high
        assert not log or low > 0
    else:
        assert set(values) == set(choices)
    assert IntegerDimension.model_validate(dimension.model_dump()) == dimension


def test_a_sweep_that_promotes_needs_the_registry(values):
    assert Config.model_validate({**values, "promote": "auto"}).promote == "auto"
    tracking = {**values["tracking"], "enabled": False}
    assert Config.model_validate({**values, "tracking": tracking}).promote == "manual"
    with pytest.raises(ValidationError, match="promote=auto needs MLflow"):
        Config.model_validate({**values, "promote": "auto", "tracking": tracking})


def test_float_ranges_with_a_step_include_their_end():
    assert FloatDimension(low=0.0, high=0.5, step=0.1).values() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert FloatDimension(low=0.0, high=0.5).values() is None
    assert FloatDimension(low=0.5, high=0.5).values() == (0.5,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"choices": []}, "choices is empty"),
        ({"choices": [1], "low": 1}, "exclude each other"),
        ({"choices": [1, 1]}, "repeat a value"),
        ({"low": 1}, "both low and high"),
        ({"low": 3, "high": 2}, "3 > 2"),
        ({"low": 0, "high": 2, "log": True}, "above 0"),
        ({"low": 1, "high": 4, "log": True, "step": 1}, "log and step"),
        ({"low": 1, "high": 4, "step": 0}, "step must be positive"),
    ],
)
def test_contradictory_dimensions_say_what_is_wrong(settings, words):
    with pytest.raises(ValidationError, match=words):
        IntegerDimension(**settings)


@pytest.mark.parametrize("name", ["a", "fashion-standard-1a2b3c", "A.b_c-9", "x" * 100])
def test_sound_names(name):
    assert checked_name(name) == name


@given(st.text(max_size=120))
def test_a_name_that_passes_is_one_folder_below(name):
    try:
        checked_name(name)
    except ValueError:
        return
    base = Path("/base")
    assert (base / name).parent == base
    assert ".." not in name


@pytest.mark.parametrize("name", ["", "a/b", "..", "a..b", ".hidden", "-x", "a b", "x" * 101, "ü"])
def test_names_that_could_leave_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="a name consists of"):
        checked_name(name)


def test_relative_paths_start_at_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert anchored(Path("mlruns")) == PROJECT_ROOT / "mlruns"
    assert anchored(tmp_path / "x") == tmp_path / "x"


def test_a_home_folder_of_nobody_is_refused():
    with pytest.raises(ConfigurationError, match=r"^~no-such-user leads nowhere: "):
        anchored(Path("~no-such-user"))


def test_limits_say_what_is_broken_and_by_how_much():
    limits = LimitsConfig(parameters=100, macs=50)
    assert limits.broken({"parameters": 150.0, "macs": 50.0, "latency_ms": 9.0}) == {
        "parameters": pytest.approx(0.5)
    }


def test_the_target_is_reached_on_the_images_that_are_said(values):
    result = EpochResult(
        epoch=1,
        train_loss=0.1,
        train_accuracy=0.998,
        val_loss=0.2,
        val_accuracy=0.98,
        epoch_seconds=1.0,
        images_per_second=1.0,
    )
    objective = Config.model_validate(values).objective
    assert objective.towards_target(result) == 0.98
    on_training = objective.model_copy(update={"target_on": "training"})
    assert on_training.towards_target(result) == 0.998


@cache
def identity(*overrides):
    config = compose(CommandLine(command="sweep", overrides=("data=digits", *overrides)))
    return identity_parts(config, "f" * 64)


@pytest.mark.parametrize(
    "override",
    ["search.trials=30", "search.minutes=5", "search.max_failed=3", "search.max_retries=9",
     "search.max_infeasible=5", "objective.rule=knee",
     "finalists=all", "finalists=off", "finalists.seeds=5", "launch.workers=1", "tracking=off",
     "sweep_name=x", "mlruns=/elsewhere"],
)  # fmt: skip
def test_budget_rule_and_workers_do_not_change_the_question(override):
    assert identity_hash(identity(override)) == identity_hash(identity())


def test_what_a_rule_allows_does_not_change_the_question():
    for rule in ("budget", "least_accuracy", "price"):
        found = identity(f"objective.rule={rule}", f"objective.{rule}=0.3")
        assert identity_hash(found) == identity_hash(identity())


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("search.seed=1", "search.seed"),
        ("search=random", "search.sampler"),
        ("training.epochs=9", "training.epochs"),
        ("training.adam_beta_2=0.9", "training.adam_beta_2"),
        ("training.averaged_epochs=0.5", "training.averaged_epochs"),
        ("space.filters.choices=[3]", "space.filters.choices"),
        ("search.first=[8k3-d16]", "search.first"),
        ("warm_start=earlier", "warm_start"),
        ("objective.costs=[epoch_seconds,macs]", "objective.costs"),
        ("objective.target_on=training", "objective.target_on"),
        ("measuring.turns=31", "measuring.turns"),
    ],
)
def test_what_shapes_decisions_does(override, key):
    assert differing_keys(identity(override), identity()) == [key]
    assert identity_hash(identity(override)) != identity_hash(identity())


@pytest.mark.parametrize("cost", ["train_seconds", "time_to_accuracy_seconds"])
def test_a_sweep_whose_times_of_training_were_by_the_clock_asks_another_question(cost):
    found = identity(f"objective.costs=[{cost}]", "objective.target_accuracy=0.9")
    before = {key: value for key, value in found.items() if key != "times of training"}
    assert differing_keys(found, before) == ["times of training"]
    assert "times of training" not in identity()


@pytest.mark.parametrize(
    ("cost", "told"),
    [("epoch_seconds", True), ("train_seconds", True), ("macs", False), ("latency_ms", False)],
)
def test_a_sweep_whose_steps_were_timed_cold_asks_another_question(cost, told):
    words = (f"objective.costs=[{cost}]",)
    assert ("training steps" in identity(*words)) is told
    assert "training steps" in identity(*words, "objective.limits.epoch_seconds=9")


def test_a_sweep_of_before_adams_memory_was_a_setting_is_the_same_as_one_with_keras_own():
    found = identity("training.adam_beta_2=0.999", "training.learning_rate=0.004")
    assert "adam_beta_2" not in found["training"]
    assert TrainingConfig(**found["training"]).adam_beta_2 == 0.999


@pytest.mark.parametrize("training", ["standard", "quick", "reproducible", "long"])
def test_trials_are_judged_at_rungs_by_the_average_that_the_rungs_were_chosen_with(training):
    config = compose(CommandLine(command="sweep", overrides=(f"training={training}",)))
    assert (config.training.averaging, config.training.averaged_epochs) == ("interim", 0.25)
    rungs = config.search.rungs
    assert (rungs.first, rungs.risk, rungs.keep, rungs.peers) == (2, 0.25, 0.8, 4)


def test_a_sweep_of_before_the_averages_length_was_a_setting_is_the_same():
    before = identity("training.averaging=none")["training"]
    assert not {"averaging", "averaged_epochs"} & set(before)
    assert identity("training.averaging=none", "training.averaged_epochs=3")["training"] == before
    of_an_epoch = identity("training=polish")["training"]
    assert of_an_epoch["averaging"] == "ema" and "averaged_epochs" not in of_an_epoch
    assert TrainingConfig(**before).averages_over is None
    assert TrainingConfig(**of_an_epoch).averages_over == 1.0


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:geheim@box", "http://geheim@box:5000", "postgresql://me:geheim@box/mlflow",
        "postgresql://box/mlflow?password=geheim", "https://box/#token=geheim", "http://[geheim",
    ],
)  # fmt: skip
def test_an_address_with_a_secret_is_refused_and_not_repeated(uri):
    with pytest.raises(ConfigurationError, match=r"tracking.uri: must not hold .*_PASSWORD") as no:
        compose(CommandLine(command="sweep", overrides=(f"tracking.uri='{uri}'",)))
    assert "geheim" not in str(no.value)


@pytest.mark.parametrize("uri", ["http://box:5000", "postgresql://me@box/mlflow", "sqlite:///a.db"])
def test_an_address_alone_is_taken(uri):
    config = compose(CommandLine(command="sweep", overrides=(f"tracking.uri='{uri}'",)))
    assert config.tracking.uri == uri


def test_an_empty_address_is_none():
    assert compose(CommandLine(command="sweep", overrides=("tracking.uri=",))).tracking.uri is None


@given(st.integers(-9, 9), st.integers(0, 30), st.one_of(st.none(), st.integers(1, 7)))
def test_a_range_is_counted_as_it_is_written_out(low, more, step):
    dimension = IntegerDimension(low=low, high=low + more, step=step)
    assert dimension.count == len(dimension.values())
    assert dimension.largest == dimension.values()[-1]


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("depth", {"low": 0, "high": 10**9}, "depth must lie in 0 to 4, not 0 to 1000000000"),
        ("filters", {"low": 1, "high": 10**40}, "a range may have at most 1,000,000 values: take"),
        ("filters", {"low": 1, "high": 10**9, "log": True}, "at most 1,000,000 values"),
        ("kernel_size", {"low": 1, "high": 10**9, "step": 2}, "at most 1,000,000 values"),
        ("dropout", {"low": 0.0, "high": 0.5, "step": 1e-9}, "at most 1,000,000 values"),
        ("dropout", {"low": 0.0, "high": 0.5, "step": 1e-320}, "at most 1,000,000 values"),
    ],
)
def test_a_range_too_long_to_write_out_is_refused(values, name, changed, said):
    nothing = dict.fromkeys(("choices", "low", "high", "log", "step"))
    with pytest.raises(ConfigurationError) as caught:
        checked(values | {"space": values["space"] | {name: nothing | changed}})
    assert str(caught.value).startswith(f"space.{name}: ") and said in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("section", "name"), [("tracking", "interval_seconds"), ("storage", "heartbeat_seconds")]
)
def test_no_thread_is_to_wait_for_longer_than_threads_can(values, section, name):
    others = {"grace_seconds": 1e11} if section == "storage" else {}
    with pytest.raises(ConfigurationError, match=rf"^{section}\.{name}: .* than or equal to 86400"):
        checked(values | {section: values[section] | others | {name: 1e10}})
