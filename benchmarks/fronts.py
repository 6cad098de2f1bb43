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
#: Instead of a ratio of times, where one of the two has none.
THEY_NEVER, OURS_NEVER, NEITHER = "they never", "ours never", "neither"


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
    runs: Sequence[dict[str, Any]],
    shape: ImageShape,
    classes: int,
    seconds: float,
    calibration: float | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return, a row a competitor, its seconds to the plain script's hypervolume, seed by seed.

    Parameters
    ----------
    calibration
        Seconds of the calibration that a sweep begins with once a machine, and that no run has;
        None where they are not known.
    """
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
                "ratio": ratio_of((times[s], time_to(ours[s], goals[s])) for s in both),
                "ratio_on_a_new_machine": None if calibration is None else ratio_of(
                    (times[s], _later(time_to(ours[s], goals[s]), calibration)) for s in both
                ),
                "seconds_to_its_end": list(ends.values()),
                "ours_to_its_end": list(ours_there.values()),
                "ratio_to_its_end": ratio_of((ends[s], ours_there[s]) for s in both),
                "seconds_to_beat_all": list(beaten.values()),
                "hypervolume": [volumes[-1][1] for volumes in own.values()],
                "architectures": [architectures_of(found[name, seed], seconds) for seed in own],
                "counted_by_training": [
                    r["seed"] for r in runs if r["name"] == name and r.get("counts") != EPOCHS
                ],
            }
        )  # fmt: skip
    lines = [
        f"Seconds to the hypervolume that the plain script with TPE reaches in {seconds / 60:.0f} "
        "minutes, seed by seed. The ratios to ours are medians over the seeds that both have run."
        " Ours takes what is usually best on such a machine (calibrate=false)"
        + (
            f"; calibrating first would add {calibration:.0f} s, once."
            if calibration is not None else "."
        ),
        "",
        "| search | architectures | hypervolume at the end | seconds to the plain script's | "
        "against ours | with a calibration first | seconds to its own | ours to that | ratio | "
        "seconds to beat all of the plain script's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
    ]  # fmt: skip
    commits: dict[str, list[str]] = {}
    for run in runs:
        commits.setdefault(run.get("commit", ""), []).append(f"{run['name']} {run['seed']}")
    if any(commits):
        lines += ["", "Each search and seed ran by itself, with the code of: " + "; ".join(
            f"{_commit(commit)} ({', '.join(own)})"
            for commit, own in commits.items()
        ) + "."]  # fmt: skip
    rougher = [f"{r['name']}, seed {r['seed']}" for r in runs if r.get("counts") != EPOCHS]
    if rougher:
        lines += [
            "",
            f"Counted when a training had ended, not after each epoch: {'; '.join(rougher)}.",
        ]
    return rows, lines


def ratio_of(times: Iterable[tuple[float | None, float | None]]) -> float | str | None:
    """Return the median of their seconds against ours; who never gets there takes for ever.

    Returns
    -------
    float or str or None
        Words where there is no such number: ``THEY_NEVER`` got there in most pairs, or
        ``OURS_NEVER`` in half of them, or ``NEITHER`` of the two in one of them. None where there
        are no pairs.
    """
    pairs = [
        tuple(math.inf if one is None else one for one in (theirs, ours)) for theirs, ours in times
    ]
    if not pairs:
        return None
    ratios = [math.nan if ours == theirs == math.inf else theirs / ours for theirs, ours in pairs]
    if any(map(math.isnan, ratios)):
        return NEITHER
    # Between two in the middle there is no mean where one of them is no number.
    finite = all(0.0 < ratio < math.inf for ratio in ratios)
    median = statistics.median(ratios) if finite else statistics.median_low(ratios)
    return {math.inf: THEY_NEVER, 0.0: OURS_NEVER}.get(median, median)


def _later(seconds: float | None, by: float) -> float | None:
    return None if seconds is None else seconds + by


def _commit(commit: str) -> str:
    """Return a commit in short; one with changes that are not committed stays ``-dirty``."""
    name, dash, state = commit.partition("-")
    return f"{name[:7]}{dash}{state}" if name else "no commit noted"


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["name"],
        ", ".join(map(str, row["architectures"])) or "not run",
        ", ".join(f"{volume:.4f}" for volume in row["hypervolume"]) or "–",
        _seconds(row["seconds"]),
        _times(row["ratio"]),
        _times(row["ratio_on_a_new_machine"]),
        _seconds(row["seconds_to_its_end"]),
        _seconds(row["ours_to_its_end"]),
        _times(row["ratio_to_its_end"]),
        _seconds(row["seconds_to_beat_all"]),
    )
    return f"| {' | '.join(cells)} |"


def _seconds(values: Sequence[float | None]) -> str:
    return ", ".join("never" if v is None else f"{v:.0f}" for v in values) or "–"


def _times(ratio: float | str | None) -> str:
    if isinstance(ratio, str):
        return ratio
    return "–" if ratio is None else f"{ratio:.1f}×"


def architectures_of(found: Sequence[Sequence[Any]], most: float) -> int:
    """Return how many architectures were trained for an epoch or more within ``most`` seconds.

    One that was trained more than once, with another learning rate say, counts once.
    """
    return len({architecture for seconds, architecture, _ in found if seconds <= most})


def draw(
    runs: Sequence[dict[str, Any]],
    shape: ImageShape,
    classes: int,
    seconds: float,
    path: Path,
    *,
    where: str,
) -> None:
    """Draw the hypervolume over time, a line a run; dashed is where the plain script ends.

    Parameters
    ----------
    where
        The data and the machine, for the title.
    """
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
    axes.set_title(
        f"{where}\na line a seed; dashed: what {PLAIN} ends with", fontsize="medium", loc="left"
    )
    figure.savefig(path, dpi=150)
