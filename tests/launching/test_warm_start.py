"""What a sweep begins with, its training simulated."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.launching.planning import load_plan, plan_sweep
from pipeline.launching.warm_start import FIRST_NAME, _front
from pipeline.reporting.progress import read_records


def planned(mlruns, *overrides, say=print):
    words = ("data=digits", "search=random", f"mlruns={mlruns}", *overrides)
    return plan_sweep(compose(CommandLine(command="sweep", overrides=words)), say)


def networks(mlruns, name):
    return [
        record.specification.architecture.notation
        for record in read_records(mlruns / "sweeps" / name)
    ]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, simulate_sweep):
    """Return a folder with a sweep ``earlier`` whose front has several networks."""
    mlruns = tmp_path_factory.mktemp("earlier")
    simulate_sweep(mlruns, "earlier", "search.trials=12", "search.rungs.enabled=false")
    return mlruns


def test_named_networks_come_first_with_the_default_recipe(tmp_path, simulate_sweep):
    settings = ("search.first=[16k3-d32,7k9-d5]", "search.trials=5")  # the second is in no space
    simulate_sweep(tmp_path, "named", *settings)
    records = read_records(tmp_path / "sweeps" / "named")
    assert networks(tmp_path, "named")[2:4] == ["16k3-d32", "7k9-d5"]
    recipe = planned(tmp_path).config.training.recipe
    assert all(record.specification.recipe == recipe for record in records[:4])
    assert len(records) == 5


def test_a_sweep_begins_with_an_earlier_ones_front(earlier, simulate_sweep):
    summary = json.loads((earlier / "sweeps" / "earlier" / "summary.json").read_text())
    before = {
        record.number: record.specification
        for record in read_records(earlier / "sweeps" / "earlier")
    }
    front = [before[member["trial"]] for member in summary["front"]]
    expected = [(s.architecture, s.recipe) for s in front if s.reference is None]
    assert len(expected) > 1
    simulate_sweep(earlier, "later", "warm_start=earlier", "data.seed=1", "search.trials=14")
    after = [record.specification for record in read_records(earlier / "sweeps" / "later")]
    begun = after[2 : 2 + len(expected)]
    assert [(s.architecture, s.recipe) for s in begun] == expected
    assert len(after) == 14


def test_what_it_began_with_stays_when_the_earlier_sweep_is_gone(earlier, simulate_sweep, tmp_path):
    plan = planned(earlier, "warm_start=earlier", "sweep_name=kept")
    simulate_sweep(earlier, "kept", "warm_start=earlier", "search.trials=16")
    summary = earlier / "sweeps" / "earlier" / "summary.json"
    hidden = summary.rename(tmp_path / "summary.json")
    try:
        again = planned(
            earlier, "warm_start=earlier", "sweep_name=kept", "tracking=off", "search.trials=20"
        )
        assert again.exists
        assert again.first == plan.first == load_plan(earlier, "kept").first
    finally:
        hidden.rename(summary)


def test_another_beginning_is_another_question(earlier):
    names = {
        planned(earlier, *words).config.sweep_name
        for words in ((), ("search.first=[8k3-d16]",), ("warm_start=earlier",))
    }
    assert len(names) == 3


def test_networks_that_do_not_fit_the_images_are_left_out_and_said(tmp_path, simulate_sweep):
    simulate_sweep(
        tmp_path, "deep", "search.first=[4k7-4k7-d8]", "search.trials=3", "objective=macs"
    )
    said: list[str] = []
    with pytest.raises(ConfigurationError, match=r"search\.first: 4k7-4k7-d8: block 2"):
        planned(tmp_path, "search.first=[4k7-4k7-d8]", "data.image_size=12", *small(tmp_path))
    front = json.loads((tmp_path / "sweeps" / "deep" / "summary.json").read_text())["front"]
    assert "4k7-4k7-d8" in [member["architecture"] for member in front]
    plan = planned(tmp_path, "warm_start=deep", *small(tmp_path), say=said.append)
    assert plan.first == ()
    assert any("1 of 1 networks do not fit these images" in text for text in said)


def small(tmp_path):
    """Return the settings for 12×12 pictures of two classes."""
    from PIL import Image

    folder = tmp_path / "pictures"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(20):
            path = folder / name / f"{index}.png"
            Image.new("L", (12, 12), 12 * index + (name == "b")).save(path)
    return ("data=folder", f"data.dir={folder}", "data.image_size=12")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["search.first=[64k3]"], "must end with dUNITS"),
        (["search.first=[d8,d8]"], "a network is named twice"),
        (["search.first=[d8]", "search.trials=2"], r"search\.trials must be at least 3"),
        (["warm_start=../../etc"], "a name consists of letters"),
        (["warm_start=never"], "there is no sweep with results of this name"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(tmp_path, overrides, said):
    with pytest.raises(ConfigurationError, match=said):
        planned(tmp_path, *overrides)


def test_a_damaged_file_is_named(earlier, simulate_sweep):
    simulate_sweep(earlier, "damaged", "search.first=[d8]")
    path = earlier / "sweeps" / "damaged" / FIRST_NAME
    path.write_text('[{"architecture": "64k3"}]')
    with pytest.raises(StorageError, match=FIRST_NAME):
        load_plan(earlier, "damaged")


def test_an_earlier_sweep_that_nobody_can_look_at_is_a_sentence():
    config: Any = SimpleNamespace(mlruns=Path("/tmp") / ("n" * 300))
    with pytest.raises(StorageError, match=r"summary\.json cannot be read: File name too long$"):
        _front(config, "earlier", [])
