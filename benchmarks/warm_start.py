"""How much sooner a sweep is there that begins with another data set's front.

    make bench ARGS=warm_start

Fashion-MNIST is searched first, for accuracy against multiply-accumulates. Then MNIST, for as long
and with the same settings and seed: once from nothing, once with ``warm_start`` naming the sweep of
Fashion-MNIST. Needs both complete data sets; the short mode gives each sweep a minute.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from benchmarks.front_time import Found, sweep_for
from benchmarks.fronts import architectures_of, course, time_to, time_to_beat
from benchmarks.measured import load, settings
from benchmarks.results_files import keep

MINUTES = 7.0
SOURCE, DATA = "fashion_mnist", "mnist"
COLD, WARM = "from nothing", f"with the front of {SOURCE}"


def main(short: bool) -> None:
    """Run the three sweeps and compare the two of MNIST."""
    seconds = 60.0 if short else 60 * MINUTES
    description = load(settings(f"data={DATA}")).description
    shape, classes = description.image_shape, len(description.classes)
    with tempfile.TemporaryDirectory() as folder:
        mlruns = Path(folder)
        source = sweep_for(seconds, mlruns, "source", f"data={SOURCE}", "search.seed=0")
        # Another seed than the source's: both would draw the same random networks.
        cold = sweep_for(seconds, mlruns, "cold", f"data={DATA}", "search.seed=1")
        warm = sweep_for(
            seconds, mlruns, "warm", f"data={DATA}", "search.seed=1", "warm_start=source"
        )
    runs = {name: _plain(found) for name, found in ((SOURCE, source), (COLD, cold), (WARM, warm))}
    if not all(any(when <= seconds for when, _, _ in runs[name]) for name in (COLD, WARM)):
        raise RuntimeError("no network was trained in time; the machine is too slow")
    courses = {name: course(runs[name], shape, classes, seconds) for name in (COLD, WARM)}
    rows = [
        {
            "name": name,
            "architectures": architectures_of(runs[name], seconds),
            "accuracy": max(accuracy for when, _, accuracy in runs[name] if when <= seconds),
            "hypervolume": courses[name][-1][1],
            "seconds_to_cold": time_to(courses[name], courses[COLD][-1][1]),
            "seconds_to_beat_cold": time_to_beat(runs[COLD], runs[name], shape, classes, seconds),
        }
        for name in (COLD, WARM)
    ]
    lines = [
        f"MNIST searched for {seconds / 60:.0f} minutes, accuracy against multiply-accumulates, "
        "after as long a search of Fashion-MNIST "
        f"({architectures_of(runs[SOURCE], seconds)} architectures). Seconds, start-up included, "
        "until a sweep has the hypervolume with which the one from nothing ends, and until for "
        "each network of that one's front it has one that is at least as accurate and costs no "
        "more.",
        "",
        "| sweep of MNIST | architectures | most accurate | hypervolume at the end | seconds to "
        "the hypervolume | seconds to beat the whole front |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
    ]
    print("\n".join(lines))
    print(keep("warm_start", {"rows": rows, "runs": runs}, lines, short=short))


def _plain(found: Sequence[Found]) -> list[list[Any]]:
    return [list(astuple(network)) for network in found]


def _line(row: dict[str, Any]) -> str:
    return (
        f"| {row['name']} | {row['networks']} | {row['accuracy']:.2%} | {row['hypervolume']:.4f} "
        f"| {_seconds(row['seconds_to_cold'])} | {_seconds(row['seconds_to_beat_cold'])} |"
    )


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.0f}"
