"""The report in a browser: it shows what the summary says, to everybody."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pipeline.core.trial import Outcome
from pipeline.reporting.wording import accuracy_text, cost_text

pytestmark = pytest.mark.services

SIZES = {"wide": (1280, 900, "light"), "narrow": (390, 844, "light"), "dark": (1280, 900, "dark")}


@pytest.fixture(autouse=True)
def report(page: Page, sweep_dir: Path) -> Page:
    """Open the report."""
    page.goto((sweep_dir / "report.html").as_uri())
    return page


def test_it_shows_what_the_summary_says(report: Page, summary: dict[str, Any]) -> None:
    spot = summary["sweet_spot"]
    expect(report.locator("#answer .sentence")).to_contain_text(
        f"The sweet spot is trial {spot['trial']}, {spot['architecture']}"
    )
    rows = report.locator("#front-table tbody tr").all()
    members = [row for row in rows if "behind" not in (row.get_attribute("class") or "")]
    shown = [[cell.strip() for cell in row.locator("td, th").all_inner_texts()] for row in members]
    assert [(cells[0], cells[1], cells[2], *cells[4:6]) for cells in shown] == [
        (
            str(member["trial"]), member["architecture"], accuracy_text(member["val_accuracy"]),
            *(cost_text(cost, member["costs"][cost]) for cost in summary["costs"]),
        )
        for member in summary["front"]
    ]  # fmt: skip
    every = report.locator("#every-network tbody tr")
    assert every.count() == summary["trials"]["complete"]
    expect(every.first).to_be_hidden()  # only a comparison of all networks opens with it
    report.get_by_text("Every network that was trained to its end").click()
    expect(every.first).to_be_visible()
    for row in report.locator("#outcomes tbody tr").all():
        outcome = row.locator("th").inner_text().splitlines()[0].replace(" ", "_")
        assert row.locator("td").first.inner_text() == str(summary["trials"][outcome])
    numbers = report.locator("#numbers tbody tr").first.locator("td").all_inner_texts()
    networks = (spot, summary["references"]["cnn"], summary["references"]["dnn"])
    assert [text.splitlines()[0] for text in numbers] == [
        accuracy_text(network["test_accuracy"]) for network in networks
    ]


def test_marks_are_where_their_numbers_are(report: Page, summary: dict[str, Any]) -> None:
    report.get_by_label("everything").check()
    # Whoever was above a limit on what is counted was not measured.
    report.locator("#front-cost").select_option("macs")
    ended = sum(summary["trials"][o] for o in (Outcome.COMPLETE, Outcome.STOPPED, "infeasible"))
    assert report.locator("#front-chart .mark").count() >= ended
    for cost in (*summary["costs"], "macs"):
        report.locator("#front-cost").select_option(cost)
        for scale in ("linear", "log"):
            report.get_by_label(scale, exact=True).check()
            places = []
            for member in summary["front"]:
                mark = report.locator(f'#front-chart .mark[data-trial="{member["trial"]}"]')
                found = re.findall(r"[-\d.]+", mark.get_attribute("transform") or "")
                places.append((member, [float(number) for number in found]))
            by_height = sorted(places, key=lambda place: -place[1][1])
            accuracies = [member["val_accuracy"] for member, _ in by_height]
            assert accuracies == sorted(accuracies)
            if cost in summary["costs"]:
                across = sorted(places, key=lambda place: place[1][0])
                costs = [member["costs"][cost] for member, _ in across]
                assert costs == sorted(costs)


def test_a_mark_tells_its_trial_and_opens_it(report: Page, summary: dict[str, Any]) -> None:
    spot = summary["sweet_spot"]
    mark = report.locator("#front-chart .mark.spot")
    mark.hover()
    expect(report.locator("#tip")).to_contain_text(f"trial {spot['trial']}, ")
    mark.click()
    dialog = report.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Trial {spot['trial']}: {spot['architecture']}")
    expect(dialog).to_contain_text(accuracy_text(spot["val_accuracy"]))
    assert report.url.endswith(f"#trial-{spot['trial']}")
    report.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    report.reload()
    report.goto(f"{report.url.partition('#')[0]}#trial-1")
    report.reload()
    expect(report.get_by_role("dialog")).to_contain_text("Trial 1: 64k3-64k3-d128")


def test_the_keyboard_is_enough(report: Page) -> None:
    report.locator("#front-controls input[name=view]:checked").focus()
    report.keyboard.press("Tab")
    first = report.evaluate("document.activeElement.dataset.trial")
    assert first is not None
    report.keyboard.press("ArrowRight")
    second = report.evaluate("document.activeElement.dataset.trial")
    assert second is not None and second != first
    expect(report.locator("#tip")).to_contain_text(f"trial {second},")
    report.keyboard.press("Enter")
    expect(report.get_by_role("dialog")).to_contain_text(f"Trial {second}: ")
    report.keyboard.press("Escape")
    assert report.evaluate("document.activeElement.dataset.trial") == second
    report.keyboard.press("Home")
    report.keyboard.press("Tab")
    assert report.evaluate("document.activeElement.closest('#front-chart')") is None


def test_hostile_names_are_text(report: Page, summary: dict[str, Any]) -> None:
    for number in (5, 9):
        report.locator(f'#outcomes button[data-trial="{number}"]').first.click()
        expect(report.get_by_role("dialog")).to_contain_text("<script>document.title")
        report.keyboard.press("Escape")
    names = report.locator("#classes tbody th").all_inner_texts()
    assert names[:3] == summary["data"]["classes"][:3]
    assert "\N{SLICE OF PIZZA} �'quoted' & more" in names[3]
    assert report.title() != "broken in"
    assert report.locator("img[onerror]").count() == 0


def test_feature_maps_of_the_sweet_spot_and_the_cnn(report: Page, summary: dict[str, Any]) -> None:
    maps = report.locator("#maps")
    spot = summary["sweet_spot"]["architecture"]
    expect(maps.locator("h3").first).to_have_text(f"sweet spot: {spot}")
    cnn = maps.get_by_role("region", name="Feature maps of the cnn reference")
    heads = cnn.locator("thead th").all_inner_texts()
    assert [" ".join(head.split()[:3]) for head in heads[1:]] == [
        "convolution 1 26×26×64", "pooling 1 13×13×64", "convolution 2 11×11×64",
        "pooling 2 5×5×64",
    ]  # fmt: skip
    assert cnn.locator("tbody tr").count() == 3
    assert cnn.locator("svg.tile circle").count() == 12
    first = cnn.locator("svg.tile image").first
    assert first.evaluate("(image) => image.getBBox().width") == 26
    layer = maps.locator("details", has_text="cnn reference, convolution 2")
    layer.locator("summary").click()
    expect(layer.get_by_text("Strongest activation")).to_be_visible()
    assert layer.locator("tbody tr").first.locator(".weights").count() == 8


@pytest.mark.parametrize("size", SIZES)
def test_everybody_can_read_it(report: Page, artifacts: Path, size: str) -> None:
    width, height, scheme = SIZES[size]
    report.set_viewport_size({"width": width, "height": height})
    report.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    report.reload()
    report.screenshot(path=artifacts / f"report-{size}.png", full_page=True)
    assert report.evaluate("document.documentElement.scrollWidth") <= width
    faults = Axe().run(report).response["violations"]
    serious = [f for f in faults if f["impact"] in ("serious", "critical")]
    assert serious == [], [(f["id"], [n["html"][:200] for n in f["nodes"]][:3]) for f in serious]
    report.locator("#front-chart .mark.spot").click()
    report.screenshot(path=artifacts / f"report-{size}-trial.png")
    faults = Axe().run(report).response["violations"]
    assert [f["id"] for f in faults if f["impact"] in ("serious", "critical")] == []


def test_it_prints_on_white_with_everything_unfolded(report: Page, artifacts: Path) -> None:
    report.emulate_media(media="print", color_scheme="dark")
    back = report.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(255, 255, 255)"
    expect(report.locator(".top")).to_be_hidden()
    report.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    report.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert report.locator("details:not([open])").count() == 0
    assert report.evaluate("document.documentElement.scrollWidth") <= 718
    report.evaluate("dispatchEvent(new Event('afterprint'))")
    printed = report.pdf(path=artifacts / "report.pdf")
    assert printed.startswith(b"%PDF")


def test_without_script_the_front_is_still_there(chromium: Any, sweep_dir: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(120_000)
    plain = context.new_page()
    plain.goto((sweep_dir / "report.html").as_uri())
    expect(plain.locator("#front-chart")).to_contain_text("needs JavaScript")
    assert plain.locator("#front-table tbody tr").count() >= 3
    context.close()
