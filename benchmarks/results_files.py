"""Where results are kept: ``results/DATE-NAME.json`` and the same as Markdown."""

import datetime
import json
from pathlib import Path
from typing import Any

from pipeline.launching.provenance import git_commit, versions
from pipeline.measuring.machine import describe_device

RESULTS = Path(__file__).parent / "results"


def today() -> str:
    """Return the date under which results are kept now, in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def keep(name: str, result: dict[str, Any], lines: list[str]) -> Path:
    """Write a result with the machine, the commit and the versions it was measured with.

    Parameters
    ----------
    name
        The benchmark's.
    result
        Plain values.
    lines
        The same for people, as Markdown.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today()}-{name}.json"
    origin = {"commit": git_commit(), "device": describe_device(), "versions": versions()}
    path.write_text(json.dumps({"benchmark": name, "date": today(), **origin, **result}, indent=1))
    device = ", ".join(f"{key} {value}" for key, value in describe_device().items())
    text = [f"# {name}, {today()}", "", *lines, "", f"Measured on {device}.", ""]
    path.with_suffix(".md").write_text("\n".join(text))
    return path
