"""The documentation as a browser gets it: built strictly, nothing loaded from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from pipeline.commands.cli import COMMANDS

#: Elements and the attribute by which a browser loads something for them.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory, project_root):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=project_root, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


class Loads(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "link" and values.get("rel") in ("prev", "next", "canonical"):
            return
        if LOADED.get(tag) in values:
            self.addresses.append(values[LOADED[tag]])


def test_a_page_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.addresses, page
        outside = [found for found in loads.addresses if re.match(r"(\w+:)?//", found)]
        assert not outside, f"{page}: {outside}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(\w+:)?//", sheet.read_text()), sheet


def test_settings_are_rows_of_tables(site):
    text = (site / "reference" / "configuration.html").read_text(encoding="utf-8")
    assert "<td><code>search.rungs.risk</code></td>" in text


def test_every_command_is_in_the_reference(site):
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"sweetspot {command}" in text
