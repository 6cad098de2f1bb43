import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError, DataError, StorageError
from pipeline.core.journey import macs, parameters
from pipeline.launching.housekeeping import remove_sweep
from pipeline.launching.planning import (
    _check_identity,
    check_writable,
    create_folder,
    plan_sweep,
    set_up,
)
from pipeline.launching.sweep_folder import check_times, load_config
from pipeline.measuring.machine import Gpu, this_machine
from pipeline.search.study import SweepStudy
from pipeline.tracking.event_log import trial_log_path


def planned(tmp_path, *overrides):
    words = ("data=digits", f"mlruns={tmp_path}", *overrides)
    return plan_sweep(compose(CommandLine(command="sweep", overrides=words)), print)


def test_the_name_follows_from_the_question(tmp_path):
    plan = planned(tmp_path)
    assert re.fullmatch(r"digits-standard-[0-9a-f]{6}", plan.config.sweep_name or "")
    assert planned(tmp_path, "search.trials=40").config.sweep_name == plan.config.sweep_name
    assert planned(tmp_path, "search.seed=1").config.sweep_name != plan.config.sweep_name
    assert planned(tmp_path, "data.seed=1").config.sweep_name != plan.config.sweep_name
    assert (planned(tmp_path, "space=small").config.sweep_name or "").startswith("digits-small-")


def test_results_that_cannot_be_reached_are_refused(tmp_path, monkeypatch):
    look = Path.stat

    def stat(path, **keywords):
        if tmp_path in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **keywords)

    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StorageError, match=r"/loop is a file, not a folder$"):
        check_writable(tmp_path / "loop")
    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(StorageError, match=r"/x cannot be reached: Permission denied$"):
        check_writable(tmp_path / "x")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("objective.budget=5",), ["objective.budget does nothing by the rule auto: "]),
        (("objective.budget=5", "objective.rule=budget"), []),
        (("objective.least_accuracy=0.9",), ["objective.least_accuracy does nothing by the ru"]),
        (("objective.price=5", "objective.rule=knee"), ["objective.price does nothing by the "]),
    ],
)
def test_a_value_of_another_rule_is_remarked(tmp_path, overrides, said):
    heard: list[str] = []
    words = ("data=digits", f"mlruns={tmp_path}", *overrides)
    plan_sweep(compose(CommandLine(command="sweep", overrides=words)), heard.append)
    assert len(heard) == len(said)
    assert all(sentence.startswith(start) for sentence, start in zip(heard, said, strict=True))


def test_what_rungs_that_stop_nobody_are_like_is_no_question(tmp_path):
    words = ("search.rungs.enabled=false", "sweep_name=all")
    plan = planned(tmp_path, *words)
    create_folder(plan)
    path = plan.config.sweep_dir / "identity.json"
    known = json.loads(path.read_text())
    known["search"]["rungs"] |= {"first": 3, "keep": 0.5}  # as an earlier version wrote them
    path.write_text(json.dumps(known))
    assert planned(tmp_path, *words, "search.rungs.risk=0.2").exists
    with pytest.raises(ConfigurationError, match=r"search\.rungs"):
        planned(tmp_path, "sweep_name=all")


def test_planning_creates_nothing(tmp_path):
    planned(tmp_path / "mlruns")
    assert list(tmp_path.iterdir()) == []


def test_auto_is_settled(tmp_path):
    config = planned(tmp_path).config
    assert config.training.precision in ("float32", "mixed_bfloat16")
    assert config.data.name == "digits"


def test_two_that_set_a_sweep_up_at_once_agree_or_are_refused(tmp_path):
    words = ("sweep_name=mine", "search.first=[d8]", "search.trials=5")
    first, same = (planned(tmp_path, *words, f"search.trials={n}") for n in (5, 6))
    other = planned(tmp_path, *words, "search.seed=1")
    assert not (first.exists or same.exists or other.exists)
    assert set_up(first) == first
    same = replace(same, first=())  # its own idea of what to begin with
    second = set_up(same)
    assert second.exists and second.first == first.first
    with pytest.raises(
        ConfigurationError, match=r"another question; search\.seed \(0 there, 1 here\) differs"
    ):
        set_up(other)
    assert load_config(tmp_path, "mine") == second.config


def test_another_question_under_an_old_name_is_refused(tmp_path):
    create_folder(planned(tmp_path, "sweep_name=mine"))
    with pytest.raises(
        ConfigurationError, match=r"another question; training\.epochs \(8 there, 9 here\) differs"
    ):
        planned(tmp_path, "sweep_name=mine", "training.epochs=9")
    with pytest.raises(ConfigurationError, match=r"data, search\.seed \(0 there, 3 here\) differ,"):
        planned(tmp_path, "sweep_name=mine", "search.seed=3", "data.validation=0.3")


@pytest.mark.parametrize("part", ["times of training", "training steps"])
def test_a_sweep_whose_times_were_told_otherwise_is_refused_by_what_it_is(tmp_path, part):
    words = ("sweep_name=mine", "objective.costs=[train_seconds]")
    plan = planned(tmp_path, *words)
    create_folder(plan)
    path = plan.config.sweep_dir / "identity.json"
    path.write_text(json.dumps({k: v for k, v in plan.identity.items() if k != part}))
    with pytest.raises(ConfigurationError, match=r"begun by another version, .* another name$"):
        planned(tmp_path, *words)
    with pytest.raises(ConfigurationError, match=r"begun by another version"):
        planned(tmp_path, *words, "search.seed=1")
    with pytest.raises(ConfigurationError, match=r"begun by another version"):
        check_times(plan.config)
    with pytest.raises(
        ConfigurationError,
        match=r"another question; objective\.costs \(\[train_seconds\] there, \[macs\] here\) d",
    ):
        planned(tmp_path, "sweep_name=mine", "objective.costs=[macs]")


@pytest.mark.parametrize(
    ("overrides", "error", "said"),
    [
        (["data=folder", "data.dir=/nowhere"], DataError, "/nowhere"),
        (["architecture=64k3-64k3-64k3-64k3-d9"], ConfigurationError, "block 4 .* does not fit"),
        (["objective.costs=[device_memory_mib]"], ConfigurationError, "device_memory_mib"),
    ],
    ids=["folder", "fit", "memory"],
)
def test_what_cannot_work_is_refused_before_anything_is_created(tmp_path, overrides, error, said):
    with pytest.raises(error, match=said):
        planned(tmp_path / "mlruns", *overrides)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_stays_in_its_storage(tmp_path):
    plan = planned(tmp_path)
    create_folder(plan)
    with pytest.raises(ConfigurationError, match="are in storage=journal, go on"):
        planned(tmp_path, "storage=postgres")


def test_trials_without_their_folder_and_a_folder_without_its_trials_are_refused(tmp_path):
    plan = set_up(planned(tmp_path))
    assert set_up(planned(tmp_path)).exists  # nobody has trained yet
    config = plan.config
    assert SweepStudy(config, plan.space, first=plan.first).claim("w") is not None
    log = trial_log_path(config.sweep_dir, 0)
    log.parent.mkdir(exist_ok=True)
    log.touch()
    set_up(planned(tmp_path))
    elsewhere = planned(tmp_path, f"storage.path={tmp_path / 'elsewhere.journal'}")
    with pytest.raises(StorageError, match=r"has trials that storage=journal does not know of"):
        set_up(elsewhere)
    shutil.rmtree(config.sweep_dir)
    with pytest.raises(
        StorageError, match=r"already, but their folder is not .*clean remove="
    ) as error:
        set_up(planned(tmp_path))
    assert str(config.sweep_dir) in str(error.value)
    remove_sweep(config.model_copy(update={"sweep_name": None}), str(config.sweep_name))
    assert not config.sweep_dir.exists()
    assert not set_up(planned(tmp_path)).exists
    with pytest.raises(StorageError, match="there is no sweep nobody"):
        remove_sweep(config, "nobody")


def test_a_storage_that_others_may_use_is_not_cleaned_from_here(tmp_path):
    shared = f"storage.path={tmp_path / 'shared.journal'}"
    first = set_up(planned(tmp_path / "first", shared))
    assert SweepStudy(first.config, first.space, first=first.first).claim("w") is not None
    with pytest.raises(StorageError, match=r"or choose another sweep_name$"):
        set_up(planned(tmp_path / "second", shared))
    with pytest.raises(StorageError, match="there is no sweep"):
        remove_sweep(planned(tmp_path / "second", shared).config, str(first.config.sweep_name))


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        planned(file)
    with pytest.raises(StorageError, match="is a file, not a folder"):
        planned(file / "below")
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(StorageError, match="no permission"):
            planned(tmp_path / "below")


@pytest.mark.parametrize("cost", ["parameters", "macs"])
def test_a_limit_below_the_cheapest_network_of_the_space_is_refused(tmp_path, cost):
    count = {"parameters": parameters, "macs": macs}[cost]
    space = planned(tmp_path).space
    cheapest = count(space.cheapest(cost), space.image_shape, space.classes)
    assert planned(tmp_path, f"objective.limits.{cost}={cheapest}")
    with pytest.raises(ConfigurationError) as caught:
        planned(tmp_path, f"objective.limits.{cost}={cheapest - 1}")
    assert f"objective.limits.{cost}={cheapest - 1} cannot be met: the cheapest" in str(
        caught.value
    )
    assert f"has {cheapest:,} {cost};" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_below_the_architecture_given_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"this architecture, d128, has 101,770 param"):
        planned(tmp_path, "architecture=d128", "objective.limits.parameters=100000")


@pytest.mark.parametrize(("gpus", "backend"), [(0, "tensorflow"), (0, "jax"), (1, "jax")])
def test_a_limit_on_memory_that_nothing_counts_is_refused(tmp_path, monkeypatch, gpus, backend):
    gpu = Gpu(name="A GPU", uuid="GPU-1", memory_mib=8192, capability=(8, 0))
    machine = replace(this_machine(), gpus=(gpu,) * gpus)
    monkeypatch.setattr("pipeline.launching.planning.this_machine", lambda: machine)
    monkeypatch.setattr("pipeline.launching.planning.backend_name", lambda: backend)
    with pytest.raises(ConfigurationError, match=r"objective\.limits: device_memory_mib needs"):
        planned(tmp_path, "objective.limits.device_memory_mib=100")


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        ((), 1),
        (("objective=latency",), 1),
        (("objective.costs=[epoch_seconds,parameters]",), 1),
        (("objective=size",), 0),
        (("objective=time_to_accuracy",), 0),
        (("objective.costs=[train_seconds]",), 0),
        (("space.epochs.choices=[8]",), 0),
        (("architecture=d128", "search.trials=3", "search.first=[]"), 0),
    ],
)
def test_epochs_that_cost_nothing_are_remarked(tmp_path, overrides, count):
    heard: list[str] = []
    words = ("data=digits", f"mlruns={tmp_path}", "space/epochs=doubling", *overrides)
    plan_sweep(compose(CommandLine(command="sweep", overrides=words)), heard.append)
    said = [sentence for sentence in heard if "epochs" in sentence]
    assert said == count * [
        "the space varies the epochs, and longer trainings cost nothing by this objective: "
        "objective.costs=[train_seconds] counts them"
    ]


@pytest.mark.parametrize("text", ["[]", "3", '{"objective": 3}', '{"search": []}', "{"])
def test_a_damaged_identity_is_a_sentence(plan, text):
    path = plan.config.sweep_dir / "identity.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(StorageError, match=r"identity\.json cannot be read: "):
        _check_identity(plan.config, plan.identity)
