"""Hypervolumes over time of searches that ran side by side, and who was there first.

What ``front_time`` has measured is read and drawn here; nothing is run.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.front import hypervolume
from pipeline.core.journey import ImageShape, macs
from pipeline.core.summary import HYPERVOLUME_COST_FACTOR

OURS, PLAIN = "sweetspot", "plain TPE"
SEARCHES = (OURS, PLAIN, "plain NSGA-II", "KerasTuner Hyperband", "Syne Tune MO-ASHA")
#: What a run's networks are counted after; of a run that does not say so it is their training.
EPOCHS = "epochs"


def course(
    found: Sequence[Sequence[Any]], shape: ImageShape, classes: int, most: float
) -> list[tuple[float, float]]:
    """Return the hypervolume after each network that was found within ``most`` seconds."""
    worst = HYPERVOLUME_COST_FACTOR * macs(REFERENCES["cnn"], shape, classes)
    reference = (1.0 / classes, math.log10(worst))
    points: list[tuple[float, float]] = []
    volumes = []
    for seconds, point in _points(found, shape, classes, most):
        points.append(point)
        volumes.append((seconds, hypervolume(points, reference)))
    return volumes


def _points(
    found: Sequence[Sequence[Any]], shape: ImageShape, classes: int, most: float
) -> list[tuple[float, tuple[float, float]]]:
    """Return when each network was found, its accuracy and log10 of its work, in that order."""
    return [
        (
            float(seconds),
            (accuracy, math.log10(macs(Architecture.parse(architecture), shape, classes))),
        )
        for seconds, architecture, accuracy in sorted(map(tuple, found))
        if seconds <= most
    ]


def time_to_beat(
    goal: Sequence[Sequence[Any]],
    found: Sequence[Sequence[Any]],
    shape: ImageShape,
    classes: int,
    most: float,
) -> float | None:
    """Return the seconds until all that another search found is beaten; None where it is not.

    A network is beaten by one that is at least as accurate and costs no more.
    """
    left = [point for _, point in _points(goal, shape, classes, most)]
    for seconds, (accuracy, work) in _points(found, shape, classes, most):
        left = [theirs for theirs in left if theirs[0] > accuracy or theirs[1] < work]
        if not left:
            return seconds
    return None


def time_to(volumes: Sequence[tuple[float, float]], goal: float) -> float | None:
    """Return the seconds until a hypervolume is reached; None where it is not."""
    return next((seconds for seconds, volume in volumes if volume >= goal), None)


def compare(
    runs: Sequence[dict[str, Any]], shape: ImageShape, classes: int, seconds: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return, a row a competitor, its seconds to the plain script's hypervolume, seed by seed."""
    courses = {(r["name"], r["seed"]): course(r["found"], shape, classes, seconds) for r in runs}
    goals = {
        seed: volumes[-1][1]
        for (name, seed), volumes in courses.items()
        if name == PLAIN and volumes
    }
    found = {(r["name"], r["seed"]): r["found"] for r in runs}
    rows: list[dict[str, Any]] = []
    for name in SEARCHES:
        own = {s: c for (n, s), c in sorted(courses.items()) if n == name and s in goals and c}
        # Compared with ours seed by seed, where that has run.
        both = [seed for seed in own if courses.get((OURS, seed))]
        ours = {seed: courses[OURS, seed] for seed in both}
        beaten = {
            seed: time_to_beat(found[PLAIN, seed], found[name, seed], shape, classes, seconds)
            for seed in own
        }
        times = {seed: time_to(own[seed], goals[seed]) for seed in own}
        ends = {seed: time_to(own[seed], own[seed][-1][1]) for seed in own}
        ours_there = {seed: time_to(ours[seed], own[seed][-1][1]) for seed in both}
        rows.append(
            {
                "name": name,
                "seeds": list(own),
                "seconds": list(times.values()),
                "ratio": _median(_ratio(times[s], time_to(ours[s], goals[s])) for s in both),
                "seconds_to_its_end": list(ends.values()),
                "ours_to_its_end": list(ours_there.values()),
                "ratio_to_its_end": _median(_ratio(ends[s], ours_there[s]) for s in both),
                "seconds_to_beat_all": list(beaten.values()),
                "hypervolume": [volumes[-1][1] for volumes in own.values()],
                "networks": [networks_of(found[name, seed], seconds) for seed in own],
            }
        )
    lines = [
        f"Seconds to the hypervolume that the plain script with TPE reaches in {seconds / 60:.0f} "
        "minutes, seed by seed. The ratios to ours are medians over the seeds that both have run.",
        "",
        "| search | networks | hypervolume at the end | seconds to the plain script's | against "
        "ours | seconds to its own | ours to that | ratio | seconds to beat all of the plain "
        "script's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
    ]
    commits: dict[str, list[str]] = {}
    for run in runs:
        commits.setdefault(run.get("commit", ""), []).append(f"{run['name']} {run['seed']}")
    if any(commits):
        lines += ["", "Each search and seed ran by itself, with the code of: " + "; ".join(
            f"{commit[:7] or 'no commit noted'} ({', '.join(own)})"
            for commit, own in commits.items()
        ) + "."]  # fmt: skip
    rougher = [f"{r['name']}, seed {r['seed']}" for r in runs if r.get("counts") != EPOCHS]
    if rougher:
        lines += [
            "",
            f"Counted when a training had ended, not after each epoch: {'; '.join(rougher)}.",
        ]
    return rows, lines


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of values that are all known; None where one is not, or there are none."""
    known = list(values)
    if not known or None in known:
        return None
    return statistics.median(value for value in known if value is not None)


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return None if theirs is None or ours is None else theirs / ours


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["name"],
        ", ".join(map(str, row["networks"])) or "not run",
        ", ".join(f"{volume:.4f}" for volume in row["hypervolume"]) or "–",
        _seconds(row["seconds"]),
        _times(row["ratio"]),
        _seconds(row["seconds_to_its_end"]),
        _seconds(row["ours_to_its_end"]),
        _times(row["ratio_to_its_end"]),
        _seconds(row["seconds_to_beat_all"]),
    )
    return f"| {' | '.join(cells)} |"


def _seconds(values: Sequence[float | None]) -> str:
    return ", ".join("never" if v is None else f"{v:.0f}" for v in values) or "–"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1f}×"


def networks_of(found: Sequence[Sequence[Any]], most: float) -> int:
    """Return how many networks were trained for an epoch or more within ``most`` seconds."""
    return len({architecture for seconds, architecture, _ in found if seconds <= most})


def draw(
    runs: Sequence[dict[str, Any]], shape: ImageShape, classes: int, seconds: float, path: Path
) -> None:
    """Draw the hypervolume over time, a line a run; dashed is where the plain script ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(SEARCHES):
        own = [run["found"] for run in runs if run["name"] == name]
        for which, found in enumerate(own):
            volumes = course(found, shape, classes, seconds)
            if not volumes:
                continue
            times, heights = zip(*volumes, (seconds, volumes[-1][1]), strict=True)
            label = name if which == 0 else None
            axes.step(times, heights, where="post", color=f"C{number}", label=label)
            if name == PLAIN:
                axes.axhline(heights[-1], color=f"C{number}", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("hypervolume (accuracy, log10 MACs)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
