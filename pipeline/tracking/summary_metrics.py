"""A sweep's ``summary.json`` as MLflow shows it: metrics, and a description in Markdown."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.core.summary import (
    censored_sentence,
    ended_trials,
    finalist_trainings,
    interval_on_test,
    why_no_sweet_spot,
)
from pipeline.core.trial import COSTS

_REFERENCES = ("dnn", "cnn")
_WHOLE_FROM = 1000  # numbers from here on are shown without decimals
_UNITS = {"epoch_seconds": "s an epoch", "latency_ms": "ms a call", "train_seconds": "s to train"}


def summary_metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a summary by tracking name; what is not known yet is left out."""
    metrics: dict[str, float | None] = {
        f"trials/{outcome}": count
        for outcome, count in summary["trials"].items()
        if outcome != "running"
    }
    metrics["front/members"] = len(summary["front"])
    metrics["front/hypervolume"] = summary["hypervolume"]["value"]
    for section, network in _networks(summary):
        for name in ("val_accuracy", "test_accuracy", *COSTS):
            metrics[f"{section}/{name}"] = network.get(name)
    spot = summary["sweet_spot"]
    for finalist in summary.get("finalists", ()):
        if spot is not None and finalist["trial"] == spot["trial"]:
            mean = finalist["val_accuracy"]
            metrics["sweet_spot/val_accuracy_mean"] = mean["mean"]
            metrics["sweet_spot/val_accuracy_standard_error"] = mean["standard_error"]
            metrics["sweet_spot/probability_on_front"] = finalist["probability_on_front"]
    return {name: float(value) for name, value in metrics.items() if value is not None}


def description(summary: Mapping[str, Any]) -> str:
    """Return a sweep's story in Markdown: the sweet spot, both references and the front."""
    data = summary["data"]
    leading = summary["costs"][0]
    lines = [
        f"**{escaped(str(summary['sweep']))}**: is there a network that is both faster and more "
        "accurate?",
        "",
        _sweet_spot_sentence(summary),
        "",
        f"Data: {escaped(str(data['name']))}, {data['train']:,} images to train, "
        f"{data['validation']:,} to validate, {data['test']:,} to test, "
        f"{len(data['classes'])} classes.",
        "",
        "| network | trial | architecture | validation | test | " + leading + " |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for section, network in _networks(summary):
        lines.append(
            _row(
                section.replace("_", " "), network["trial"], network["architecture"],
                _accuracy(network["val_accuracy"]), _on_test(summary, network["test_accuracy"]),
                _number(network.get(leading)),
            )
        )  # fmt: skip
    costs = list(summary["costs"])
    lines += [
        "",
        f"The front, {len(summary['front'])} of {ended_trials(summary)} trials that ended:",
        "",
        "| trial | architecture | validation | " + " | ".join(costs) + " |",
        "| --- | --- | --- |" + " --- |" * len(costs),
    ]
    for member in summary["front"]:
        values = [_number(member["costs"].get(name)) for name in costs]
        lines.append(
            _row(
                member["trial"], member["architecture"], _accuracy(member["val_accuracy"]), *values
            )
        )
    lines += _finalist_lines(summary)
    censored = censored_sentence(summary)
    lines += ["", censored] if censored else []
    lines += [
        "",
        "Artifacts: `report.html`, `front.csv`, `finalists.csv`, `figures/`, `summary.json` and "
        "`config.yaml`, as far as they are written.",
    ]
    return "\n".join(lines) + "\n"


def _finalist_lines(summary: Mapping[str, Any]) -> list[str]:
    finalists, costs = summary.get("finalists", ()), list(summary["costs"])
    if not finalists:
        return []
    return [
        "",
        "Finalists, trained again with further seeds; means ± standard errors:",
        "",
        "| trial | architecture | trainings | validation | " + " | ".join(costs)
        + " | probability of being on the front |",
        "| --- | --- | --- | --- |" + " --- |" * (len(costs) + 1),
        *(
            _row(
                finalist["trial"], finalist["architecture"], finalist_trainings(finalist),
                _mean(finalist["val_accuracy"], _accuracy),
                *(_mean(finalist["costs"][cost], _number) for cost in costs),
                _number(finalist["probability_on_front"]),
            )
            for finalist in finalists
        ),
    ]  # fmt: skip


def _mean(value: Mapping[str, Any], text: Callable[[float | None], str]) -> str:
    return f"{text(value['mean'])} ± {text(value['standard_error'])}"


def _networks(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = [("sweet_spot", summary["sweet_spot"])]
    found += [(f"reference_{name}", summary["references"].get(name)) for name in _REFERENCES]
    return [(name, network) for name, network in found if network is not None]


def _sweet_spot_sentence(summary: Mapping[str, Any]) -> str:
    spot = summary["sweet_spot"]
    if spot is None:
        return f"There is no sweet spot yet: {why_no_sweet_spot(summary)}."
    leading = summary["costs"][0]
    sentence = (
        f"The sweet spot is trial {spot['trial']}, `{escaped(spot['architecture'])}`, with "
        f"validation accuracy {_accuracy(spot['val_accuracy'])}"
    )
    if spot["test_accuracy"] is not None:
        sentence += f" (test {_on_test(summary, spot['test_accuracy'])})"
    if spot.get(leading) is not None:
        sentence += f" at {_number(spot[leading])} {_UNITS.get(leading, leading)}"
    return f"{sentence}. Rule `{spot['rule']}`: {escaped(str(spot['reason']))}"


def _row(*cells: object) -> str:
    shown = ("–" if cell is None else escaped(str(cell)) for cell in cells)
    return "| " + " | ".join(shown) + " |"


def _on_test(summary: Mapping[str, Any], accuracy: float | None) -> str:
    """Return a test accuracy with its 95% interval."""
    if accuracy is None:
        return _accuracy(None)
    interval = interval_on_test(summary, accuracy)
    return f"{_accuracy(accuracy)}, 95% interval {interval.low:.4f} to {interval.high:.4f}"


def _accuracy(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.4g}"


def escaped(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]#!|~])", r"\\\1", html.escape(" ".join(text.split())))
