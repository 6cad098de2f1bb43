import pytest
from mkdocs.exceptions import PluginError

from docs.hooks import configuration_page
from pipeline.config import LocalLaunch


@pytest.fixture(scope="module")
def page():
    return configuration_page.page()


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
