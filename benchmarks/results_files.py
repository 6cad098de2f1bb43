"""Where results are kept: ``results/DATE-NAME.json`` and the same as Markdown."""

import datetime
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.launching.provenance import git_commit, versions
from pipeline.measuring.machine import describe_device

RESULTS = Path(__file__).parent / "results"
#: Where the short mode leaves what it measured: no result that anybody should quote.
SHORT_RESULTS = Path(__file__).parent.parent / "build" / "benchmarks"

_DAY = "[0-9]" * 4 + "-" + "[0-9]" * 2 + "-" + "[0-9]" * 2

#: The data that are measured with where no others are asked for.
AUTO = "auto"


class NotHereError(Exception):
    """A benchmark that cannot run here, and why; nothing is wrong."""


def keep(
    name: str, result: dict[str, Any], lines: list[str], *, short: bool = False, data: str = AUTO
) -> Path:
    """Write a result with the machine, the commit and the versions it was measured with.

    One of the same day from another machine stays, with that machine's word behind its name.

    Parameters
    ----------
    name
        The benchmark's.
    result
        Plain values.
    lines
        The same for people, as Markdown.
    short
        Whether this is the short mode's, which overwrites no dated result.
    data
        What was trained with, where that was asked for: its result is kept beside the usual one.
    """
    name = name if data == AUTO else f"{name}-{data}"
    day, folder = today(), SHORT_RESULTS if short else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{day}-{name}.json"
    _make_room(path)
    origin = {"commit": git_commit(), "device": describe_device(), "versions": versions()}
    path.write_text(json.dumps({"benchmark": name, "date": day, **origin, **result}, indent=1))
    device = ", ".join(f"{key} {value}" for key, value in describe_device().items())
    text = [f"# {name}, {day}", "", *lines, "", f"Measured on {device}.", ""]
    path.with_suffix(".md").write_text("\n".join(text))
    return path


def _make_room(path: Path) -> None:
    """Move what another machine has left here out of the way."""
    if not path.exists():
        return
    theirs = json.loads(path.read_text())["device"]["name"]
    if theirs != describe_device()["name"]:
        for own in path.parent.glob(f"{path.stem}.*"):
            own.rename(own.with_stem(f"{own.stem}-{_word(theirs)}"))


def combine(names: Sequence[str], *, short: bool = False) -> Path | None:
    """Write today's results of this machine together, as ``DATE-MACHINE.{json,md,png}``.

    The picture is that of the hypervolume over time, where that is one of them.

    Returns
    -------
    pathlib.Path
        The JSON file; None where none of them has a result of today.
    """
    day, folder = today(), SHORT_RESULTS if short else RESULTS
    found = {
        path.stem.removeprefix(f"{day}-"): path
        for name in names
        for path in sorted(
            [*folder.glob(f"{day}-{name}.json"), *folder.glob(f"{day}-{name}-*.json")]
        )
    }
    results = {name: json.loads(own.read_text()) for name, own in found.items()}
    here = describe_device()["name"]
    results = {name: own for name, own in results.items() if own["device"]["name"] == here}
    if not results:
        return None
    path = folder / f"{day}-{machine_word()}.json"
    picture = found["front_time"].with_suffix(".png") if "front_time" in results else None
    if picture is not None and picture.exists():
        shutil.copy(picture, path.with_suffix(".png"))
    path.write_text(json.dumps({"date": day, "results": results}, indent=1))
    texts = [found[name].with_suffix(".md").read_text() for name in results]
    path.with_suffix(".md").write_text("\n".join(texts))
    return path


def machine_word() -> str:
    """Return this machine's processor or GPU as a word for file names."""
    return _word(describe_device()["name"])


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def today() -> str:
    """Return the day, ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def newest(benchmark: str, results: Path = RESULTS) -> dict[str, Any] | None:
    """Return the newest dated result of a benchmark, or None."""
    found = sorted(results.glob(f"{_DAY}-{benchmark}.json"))
    if not found:
        return None
    result: dict[str, Any] = json.loads(found[-1].read_text())
    return result


def newest_of_each(benchmark: str, results: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the newest dated result of every machine, the newest first."""
    # What a newer machine of the same day has displaced has its machine behind its name.
    paths = [p for end in ("", "-*") for p in results.glob(f"{_DAY}-{benchmark}{end}.json")]
    found = [json.loads(path.read_text()) for path in sorted(paths)]
    known = {r["device"]["name"]: r for r in found if r.get("benchmark", benchmark) == benchmark}
    return sorted(known.values(), key=lambda result: str(result["date"]), reverse=True)
