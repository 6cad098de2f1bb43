from inspect import isclass
from typing import get_args

import pytest
from mkdocs.exceptions import PluginError
from pydantic import BaseModel

from docs.hooks import configuration_page
from pipeline.config import Config, LocalLaunch


@pytest.fixture(scope="module")
def page():
    return configuration_page.page()


def sections(annotation):
    """Return what a field holds that has settings of its own; of a union, each."""
    if isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections(part)]


def settings(section, prefix=""):
    """Yield the dotted name of every setting; a dimension, whose keys all share, is one."""
    for name, field in section.model_fields.items():
        nested = sections(field.annotation)
        if not nested or "choices" in nested[0].model_fields:
            yield f"{prefix}{name}"
        else:
            for each in nested:
                yield from settings(each, f"{prefix}{name}.")


def test_every_setting_is_in_the_reference(page):
    every = set(settings(Config)) - {"references"}  # not for users: `train` alone goes without
    assert {"launch.gpus", "search.rungs.risk", "objective.limits.macs", "space.depth"} <= every
    lacking = {
        setting
        for setting in every
        if f"\n| `{setting}` |" not in page and f"\n### `{setting.replace('.', '/')}`" not in page
    }
    assert lacking == set()


def test_comments_are_found_by_key(tmp_path):
    file = tmp_path / "option.yaml"
    file.write_text("# What it is.\na: 1 # one\nb: # two\n  c: x # three\n# and more\nd: null\n")
    assert configuration_page._comments(file) == {"a": "one", "b": "two", "b.c": "three and more"}


def test_a_setting_that_nothing_explains_stops_the_build(monkeypatch):
    monkeypatch.setattr(configuration_page, "_remarks", lambda model: {})
    with pytest.raises(PluginError, match=r"the setting launch\.kind has no comment"):
        list(configuration_page._settings_table(LocalLaunch, {"kind": "local"}, {}, "launch."))


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("data.image_size", "whole number from 8 to 512 or null"),
        ("data.validation", "number above 0 below 1"),
        ("data.classes", "list of text, or null"),
        ("launch.workers", "`auto` or whole number"),
        ("training.optimizer", "`adam`, `sgd`, `rmsprop`"),
        ("search.rungs.peers", "whole number from 2"),
        ("storage.path", "path or null"),
    ],
)
def test_what_a_setting_may_be_is_in_words(page, setting, rule):
    row, *_ = [row for row in page.splitlines() if row.startswith(f"| `{setting}` ")]
    assert row.split(" | ")[2] == rule
