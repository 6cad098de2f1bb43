"""The page asks nobody for anything, and shows whatever comes in as text."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from pipeline.core.trial import Outcome, TrialRecord
from pipeline.reporting.page.render import render_page
from pipeline.reporting.page.sources import ReportSources

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)> &lt;b&gt; {{ 7 * 7 }}",
    "x" * 300,
    "\N{SLICE OF PIZZA} \u202eturned \x1b[31mred",
]


class Page(HTMLParser):
    """The elements of a page, the text outside scripts, and the scripts."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.strip():
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.fixture
def hostile(sources: ReportSources) -> ReportSources:
    """Return sources in which every text that users decide is hostile."""
    summary = json.loads(json.dumps(sources.summary))
    summary["sweep"] = HOSTILE[0]
    summary["data"]["name"] = HOSTILE[1]
    summary["data"]["classes"] = [*HOSTILE, *"fghij"]
    summary["sweet_spot"]["reason"] = HOSTILE[2]
    stories = [
        replace(
            story,
            record=replace(story.record, reason=HOSTILE[index % 5], outcome=Outcome.FAILED)
            if story.record.number > 4
            else story.record,
            details=f"Traceback\n{HOSTILE[index % 5]}",
            worker=HOSTILE[(index + 1) % 5],
            host=HOSTILE[(index + 2) % 5],
            device={"name": HOSTILE[(index + 3) % 5]},
        )
        for index, story in enumerate(sources.stories)
    ]
    return replace(sources, summary=summary, stories=stories, config_text="\n".join(HOSTILE[:2]))


def test_every_section_is_there_in_order(sources: ReportSources) -> None:
    content = render_page(sources).decode()
    places = [
        content.index(f'<section id="{name}"')
        for name in ("answer", "front", "networks", "mattered", "search", "curves", "provenance")
    ]
    assert places == sorted(places)
    assert "secret" not in content


def test_nothing_is_fetched(sources: ReportSources) -> None:
    page = Page(render_page(sources))
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    sources_of = [value for name, value in page.attributes if name in ("src", "href", "action")]
    assert sources_of
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in sources_of)
    style = re.search(r"<style>(.*?)</style>", render_page(sources).decode(), re.DOTALL)
    assert style is not None and "url(" not in style[1] and "@import" not in style[1]


def test_only_our_script_may_run(sources: ReportSources) -> None:
    content = render_page(sources)
    page = Page(content)
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    policy = next(value for name, value in page.attributes if "default-src" in value)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(page.scripts) == 4


def test_hostile_text_is_text(sources: ReportSources, hostile: ReportSources) -> None:
    page, harmless = Page(render_page(hostile)), Page(render_page(sources))
    assert set(page.tags) == set(harmless.tags)
    assert len(page.scripts) == len(harmless.scripts)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for text in HOSTILE[:4]:
        assert text in page.text
    assert "\N{SLICE OF PIZZA} �turned �[31mred" in page.text
    assert "\u202e" not in page.text and "\x1b" not in page.text
    details = json.loads(page.scripts[2])
    assert details["trials"]["6"]["reason"] == HOSTILE[1]
    assert json.loads(page.scripts[0])["sweep"] == HOSTILE[0]


def test_the_summary_is_in_the_page(sources: ReportSources) -> None:
    assert json.loads(Page(render_page(sources)).scripts[0]) == sources.summary


def test_a_sweep_that_has_just_begun(
    summarise: Callable[..., dict[str, Any]],
    make: Callable[..., ReportSources],
    trial: Callable[..., TrialRecord],
) -> None:
    running = [trial(0, "d128", None, None, outcome=None, reference="dnn")]
    text = Page(render_page(make(running, summarise(running)))).text
    assert "Not known yet" in text
    assert "0 trials ended, 1 trial not ended yet" in text
    empty = Page(render_page(make([], summarise([]), attempts=[], config_text=None))).text
    assert "No trial has started yet" in empty


def test_a_thousand_trials_are_all_there_and_below_6_mb(
    summarise: Callable[..., dict[str, Any]],
    make: Callable[..., ReportSources],
    trial: Callable[..., TrialRecord],
) -> None:
    stopped = {"outcome": Outcome.STOPPED, "reason": "epoch 2: ranked 7 of 8"}
    records = [
        trial(0, "d128", 0.880, 1.0, reference="dnn"),
        trial(1, "64k3-64k3-d128", 0.912, 7.6, reference="cnn"),
        *(
            trial(
                number, f"{8 + number % 97}k3-{16 + number % 89}k5sb-d{32 + number % 61}p0.25",
                0.7 + (number % 211) / 1000, 1 + (number % 379) / 20,
                **(stopped if number % 3 else {}),
            )
            for number in range(2, 1000)
        ),
    ]  # fmt: skip
    content = render_page(make(records, summarise(records)))
    assert len(content) < 6_000_000
    details = json.loads(Page(content).scripts[2])
    assert len(details["trials"]) == 1000


def test_values_that_are_no_numbers_do_no_harm(sources: ReportSources) -> None:
    story = sources.stories[2]
    odd = replace(story.record.history[0], val_loss=float("nan"), train_loss=float("inf"))
    history = (odd, *story.record.history[1:])
    stories = [*sources.stories]
    stories[2] = replace(story, record=replace(story.record, history=history))
    content = render_page(replace(sources, stories=stories)).decode()
    assert "NaN" not in Page(content.encode()).scripts[2]
    assert 'points="nan' not in content and ",nan" not in content


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (14, "No parameter differs between these trials."),
        (1, "Importance needs at least 10 complete trials besides the references; there is 1."),
    ],
)
def test_why_no_importance_is_shown(sources: ReportSources, trials: int, said: str) -> None:
    importance = {"trials": trials, "best_share": 0.5, "importance": {"val_accuracy": None}}
    text = " ".join(Page(render_page(replace(sources, importance=importance))).text.split())
    assert said in text
    assert ("Importance needs" in text) == (trials < 10)
