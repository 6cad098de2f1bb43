"""Several sweeps side by side: what their files say, and whether they can be compared."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.front import hypervolume
from pipeline.core.pace import measured_pace
from pipeline.core.statistics import Interval, PairedTest, holm, mcnemar, wilson_interval
from pipeline.core.trial import Outcome
from pipeline.reporting.archives import reading
from pipeline.reporting.files import read_summary
from pipeline.reporting.progress import ProgressReader
from pipeline.tracking.event_log import read, sweep_log_path
from pipeline.tracking.events import TestRead, content_of
from pipeline.tracking.story import TrialStory

LABELS_NAME = "test_labels.npy"
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a network said of the test images; both of shape ``(images,)``, in one order."""

    predicted: Labels
    labels: Labels

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image was classified rightly."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right


@dataclass(frozen=True, kw_only=True)
class ComparedSweep:
    """A sweep as it goes into a comparison.

    Parameters
    ----------
    name
        Of its folder.
    summary
        The content of ``summary.json``.
    devices
        For people: in whose seconds it is told, or what its complete trials ran on.
    reading
        The first reading of the test images for the sweet spot; None before it.
    answers
        The sweet spot's; None where they were not kept.
    missing
        The files that are missing for ``answers``, relative to the sweep's folder.
    """

    name: str
    summary: Mapping[str, Any]
    devices: frozenset[str]
    reading: TestRead | None = None
    answers: Answers | None = None
    missing: tuple[str, ...] = ()

    @property
    def test_interval(self) -> Interval | None:
        """The 95% Wilson interval of the sweet spot's test accuracy; None before it is read."""
        if self.reading is None:
            return None
        return wilson_interval(self.reading.correct, self.reading.images)

    @classmethod
    def read(cls, sweep_dir: Path) -> "ComparedSweep":
        """Read a sweep's folder.

        Raises
        ------
        StorageError
            There is no such sweep, it has no summary yet, or a file is damaged.
        """
        summary = read_summary(sweep_dir)
        spot = summary["sweet_spot"]
        devices = _devices(sweep_dir)
        if spot is None:
            return cls(name=sweep_dir.name, summary=summary, devices=devices)
        reading = _reading(sweep_dir, spot["trial"])
        needed = (LABELS_NAME, answers_name(spot["trial"]))
        missing = tuple(name for name in needed if not (sweep_dir / name).is_file())
        return cls(
            name=sweep_dir.name,
            summary=summary,
            devices=devices,
            reading=reading,
            answers=None if missing else _answers(sweep_dir, spot["trial"], reading),
            missing=missing,
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The sweet spots of two sweeps on the same test images.

    Parameters
    ----------
    first, second
        Indices of the sweeps.
    test
        ``difference`` is the second's accuracy minus the first's; None where it is not possible.
    p_value
        Adjusted for the number of pairs, by Holm's method.
    obstacle
        Why it is not possible, in words.
    """

    first: int
    second: int
    test: PairedTest | None = None
    p_value: float | None = None
    obstacle: str | None = None


@dataclass(frozen=True, kw_only=True)
class SweepComparison:
    """What there is to say of several sweeps.

    Parameters
    ----------
    reference_point
        Chance accuracy and ten times the dearest cnn's costs; None where no sweep has a cnn
        with every cost.
    hypervolumes
        Of each sweep's front up to that point, over accuracy and log10 of each cost.
    pairs
        The first sweep with each other one.
    """

    sweeps: tuple[ComparedSweep, ...]
    costs: tuple[str, ...]
    reference_point: tuple[float, ...] | None
    hypervolumes: tuple[float | None, ...]
    pairs: tuple[Pair, ...]


def answers_name(trial: int) -> str:
    """Return where a trial's answers to the test images are, relative to the sweep's folder."""
    return f"models/{trial:04d}.test.npy"


def compare(sweeps: Sequence[ComparedSweep], *, any_device: bool = False) -> SweepComparison:
    """Compare sweeps of the same data and costs.

    Parameters
    ----------
    sweeps
        At least two, each once.
    any_device
        Compare sweeps that ran on different devices, too.

    Raises
    ------
    ConfigurationError
        They cannot be compared.
    """
    _check(sweeps, any_device=any_device)
    point = _reference_point(sweeps)
    return SweepComparison(
        sweeps=tuple(sweeps),
        costs=tuple(sweeps[0].summary["costs"]),
        reference_point=point,
        hypervolumes=tuple(None if point is None else _volume(s.summary, point) for s in sweeps),
        pairs=_pairs(sweeps),
    )


def _check(sweeps: Sequence[ComparedSweep], *, any_device: bool) -> None:
    first, *others = sweeps
    for other in others:
        pair = f"{first.name} and {other.name} cannot be compared"
        ours, theirs = first.summary, other.summary
        if ours["data"]["fingerprint"] != theirs["data"]["fingerprint"]:
            raise ConfigurationError(
                f"{pair}: their images or splits differ ({_data(ours)} against {_data(theirs)})"
            )
        if ours["costs"] != theirs["costs"]:
            raise ConfigurationError(
                f"{pair}: their costs differ ({', '.join(ours['costs'])} against "
                f"{', '.join(theirs['costs'])})"
            )
        # A sweep without a complete trial has no device, and no time either.
        if not any_device and first.devices and other.devices and first.devices != other.devices:
            raise ConfigurationError(
                f"{pair}: they ran on different devices ({device_text(first)} against "
                f"{device_text(other)}); --force compares them nevertheless"
            )


def device_text(sweep: ComparedSweep) -> str:
    """Return what a sweep ran on, in words."""
    return " and ".join(sorted(sweep.devices)) or "nothing yet"


def _data(summary: Mapping[str, Any]) -> str:
    data = summary["data"]
    return f"{data['name']} {data['fingerprint'][:8]}"


def _reference_point(sweeps: Sequence[ComparedSweep]) -> tuple[float, ...] | None:
    """Return the worst of the sweeps' own reference points."""
    known = [s.summary["hypervolume"]["reference_point"] for s in sweeps]
    points = [point for point in known if point is not None]
    if not points:
        return None
    accuracies, *costs = zip(*points, strict=True)
    return (min(accuracies), *map(max, costs))


def _volume(summary: Mapping[str, Any], point: Sequence[float]) -> float:
    members = [
        (member["val_accuracy"], *(math.log10(member["costs"][c]) for c in summary["costs"]))
        for member in summary["front"]
    ]
    return hypervolume(members, (point[0], *map(math.log10, point[1:])))


def _pairs(sweeps: Sequence[ComparedSweep]) -> tuple[Pair, ...]:
    first = sweeps[0]
    tests: dict[int, PairedTest] = {}
    obstacles: dict[int, str] = {}
    for index, other in enumerate(sweeps[1:], start=1):
        obstacle = _obstacle(first) or _obstacle(other)
        if obstacle is None and first.answers is not None and other.answers is not None:
            if np.array_equal(first.answers.labels, other.answers.labels):
                tests[index] = mcnemar(other.answers.right, first.answers.right)
            else:
                obstacle = f"the labels in {LABELS_NAME} differ"
        if obstacle is not None:
            obstacles[index] = obstacle
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    return tuple(
        Pair(
            first=0,
            second=index,
            test=tests.get(index),
            p_value=adjusted.get(index),
            obstacle=obstacles.get(index),
        )
        for index in range(1, len(sweeps))
    )


def _obstacle(sweep: ComparedSweep) -> str | None:
    """Return why a sweep's sweet spot cannot be tested beside another."""
    if sweep.summary["sweet_spot"] is None:
        return f"{sweep.name} has no sweet spot yet"
    if sweep.missing:
        return f"{sweep.name} has no {' and no '.join(sweep.missing)}"
    return None


def _devices(sweep_dir: Path) -> frozenset[str]:
    reader = ProgressReader(sweep_dir)
    reader.read()
    paced = pace_device(reader.stories)
    if paced is not None:
        return frozenset((paced,))
    complete = (s for s in reader.stories if s.record.outcome is Outcome.COMPLETE)
    return frozenset(device_name(story.device) for story in complete)


def pace_device(stories: Iterable[TrialStory]) -> str | None:
    """Return the device in whose seconds a sweep is told: the one that measured first.

    None where nothing was measured beside a reference.
    """
    measured = (story for story in stories if measured_pace(story.record.measurements))
    first = min(measured, key=lambda story: story.record.started or math.inf, default=None)
    return None if first is None else device_name(first.measured_on or first.device)


def device_name(device: Mapping[str, Any]) -> str:
    """Return what decides how fast a device is; free memory, say, changes by the hour."""
    name = str(device.get("name", "an unknown device"))
    if device.get("device") == "cpu" and "cores" in device:
        return f"{name} with {device['cores']} cores"
    return name


def _reading(sweep_dir: Path, trial: int) -> TestRead | None:
    for event in read(sweep_log_path(sweep_dir)):
        content = content_of(event)
        if isinstance(content, TestRead) and content.trial == trial:
            return content
    return None


def read_answers(sweep_dir: Path, trial: int) -> Answers | None:
    """Return what a trial's network said of the test images; None where that was not kept.

    Raises
    ------
    StorageError
        A file is damaged.
    """
    if not all((sweep_dir / name).is_file() for name in (LABELS_NAME, answers_name(trial))):
        return None
    return _answers(sweep_dir, trial, _reading(sweep_dir, trial))


def _answers(sweep_dir: Path, trial: int, reading: TestRead | None) -> Answers:
    path = sweep_dir / answers_name(trial)
    labels, predicted = _labels(sweep_dir / LABELS_NAME), _labels(path)
    if len(labels) != len(predicted):
        raise StorageError(
            f"{path} is damaged: it holds {len(predicted)} labels, but {LABELS_NAME} {len(labels)}"
        )
    answers = Answers(predicted=predicted, labels=labels)
    right = int(answers.right.sum())
    if reading is not None and (reading.correct, reading.images) != (right, len(labels)):
        raise StorageError(
            f"{path} is damaged: {right} of {len(labels)} are right, but {reading.correct} of "
            f"{reading.images} were when test was read"
        )
    return answers


def _labels(path: Path) -> Labels:
    with reading(path):
        values = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iu":
        raise StorageError(f"{path} is damaged: it holds no row of labels")
    if not len(values):
        raise StorageError(f"{path} is damaged: it holds no labels")
    return values.astype(np.int64)
