from collections.abc import Callable
from typing import Any

import pytest
from markdown_it import MarkdownIt

from pipeline.core.summary import ended_trials
from pipeline.tracking.summary_metrics import description, summary_metrics

Sweep = Any


@pytest.fixture
def sweep(fake_sweep: Callable[..., Sweep]) -> Sweep:
    return fake_sweep()


def test_a_sweep_that_has_only_begun(sweep: Sweep) -> None:
    summary = sweep.summarise()
    metrics = summary_metrics(summary)
    assert metrics["trials/complete"] == 0
    assert metrics["reference_cnn/parameters"] == 243_786
    assert "front/hypervolume" not in metrics and "trials/running" not in metrics
    assert ended_trials(summary) == 0
    assert "no sweet spot" in description(summary)


def test_the_sweet_spot_and_the_front_are_told(sweep: Sweep) -> None:
    sweep.references()
    spec = sweep.specification(2, "32k3-d64")
    sweep.start(spec)
    sweep.finish(spec)
    sweep.readings[2] = 0.9125
    summary = sweep.summarise()
    metrics = summary_metrics(summary)
    spot = summary["sweet_spot"]
    assert metrics["sweet_spot/val_accuracy"] == spot["val_accuracy"]
    assert metrics["front/members"] == len(summary["front"]) == 3
    assert metrics["front/hypervolume"] > 0
    assert ended_trials(summary) == 3
    text = description(summary)
    assert f"trial {spot['trial']}, `{spot['architecture']}`" in text
    for member in summary["front"]:
        assert f"| {member['trial']} | {member['architecture']} |" in text


def test_names_that_users_choose_show_as_text(sweep: Sweep) -> None:
    hostile = "<script>alert(1)</script> | `x` **b** [l](javascript:y) <!-- \n# h"
    summary = sweep.summarise()
    summary["sweep"] = summary["data"]["name"] = hostile
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(description(summary))
    for forbidden in ("<script", "<a ", "<strong>b", "<code>x", "<h1", "<!--"):
        assert forbidden not in html
    assert "alert(1)" in html


def test_finalists_are_told_with_means_and_errors(sweep: Sweep) -> None:
    sweep.references()
    summary = sweep.summarise()
    mean = {"mean": 0.9, "standard_error": 0.002, "n": 3}
    spot = summary["sweet_spot"]["trial"]
    summary["finalists"] = [
        {
            "trial": spot,
            "architecture": "32k3-d64",
            "val_accuracy": mean,
            "costs": {"epoch_seconds": {"mean": 2.5, "standard_error": None, "n": 3}},
            "probability_on_front": 0.875,
        }
    ]
    summary["trials"]["censored"] = 2
    metrics = summary_metrics(summary)
    assert metrics["sweet_spot/val_accuracy_mean"] == 0.9
    assert metrics["sweet_spot/val_accuracy_standard_error"] == 0.002
    assert metrics["sweet_spot/probability_on_front"] == 0.875
    text = description(summary)
    assert f"| {spot} | 32k3-d64 | 3 | 0.9000 ± 0.0020 | 2.5 ± – | 0.875 |" in text
    assert "2 trials were censored" in text


def test_test_accuracies_have_their_intervals(sweep: Sweep) -> None:
    sweep.references()
    sweep.readings[0] = 0.9
    assert "0.9000, 95% interval 0.8584 to 0.9304" in description(sweep.summarise())
