"""Which trained networks somebody wants to look into, and with which images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config, MapsConfig, anchored
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError, DataError, StorageError, one_of
from pipeline.core.journey import ImageShape
from pipeline.core.numbers import whole_number
from pipeline.core.places import looking_at
from pipeline.data.dataset import Split
from pipeline.data.loading import load_training, located, resolve
from pipeline.data.pictures import fitted, read_picture
from pipeline.launching.sweep_folder import load_description
from pipeline.reporting.files import read_summary
from pipeline.tracking.event_log import read, trial_log_path, trial_log_paths
from pipeline.tracking.story import TrialStory, trial_story

SWEET_SPOT = "sweet_spot"
_MODEL_SUFFIX = ".keras"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptNetwork:
    """A trained network that is on the disk.

    Parameters
    ----------
    title
        For people: ``sweet spot: trial 4, 16k5b-d64``.
    trial
        None for a file that is no sweep's.
    convolutions
        Whether it has any; a file of one's own is taken at its word.
    """

    title: str
    path: Path
    trial: int | None
    convolutions: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenImages:
    """Images to look at.

    Parameters
    ----------
    images
        uint8, shape ``(n, height, width, channels)``.
    captions
        What each one is, in words.
    classes
        The names of the classes; empty where nobody says.
    """

    images: NDArray[np.uint8]
    captions: tuple[str, ...]
    classes: tuple[str, ...]


def is_file(run: str | int | None) -> bool:
    """Whether ``maps.run`` is a model's file, and not a trial of a sweep."""
    return isinstance(run, str) and run.endswith(_MODEL_SUFFIX)


def network_in_file(run: str | int | None) -> KeptNetwork:
    """Return the network in a file that somebody names; it is read later."""
    path = anchored(Path(str(run)))
    with looking_at(path):
        is_there = path.is_file()
    if not is_there:
        raise StorageError(f"maps.run: there is no model {path}")
    return KeptNetwork(title=path.stem, path=path, trial=None)


def chosen_networks(sweep_dir: Path, run: str | int | None) -> list[KeptNetwork]:
    """Return the networks of a sweep that ``maps.run`` means.

    Without it the sweet spot and the ``cnn`` reference, as far as they are there.

    Raises
    ------
    ConfigurationError
        It means nothing.
    StorageError
        What it means has no model (only the front's and the references' are kept), or a file
        is damaged.
    """
    summary = read_summary(sweep_dir)
    known = _trials(summary)
    if run is None:
        names = [name for name in (SWEET_SPOT, "cnn") if name in known]
        numbers = list(dict.fromkeys(known[name] for name in names))
        found = [_network(sweep_dir, number, known) for number in numbers]
        if not found:
            raise StorageError(f"the sweep {sweep_dir.name} has no complete trial yet")
        return found
    number = run if isinstance(run, int) else whole_number(run)
    if number is None:
        if run not in (SWEET_SPOT, *REFERENCES):
            raise ConfigurationError(
                f"maps.run must be {one_of((SWEET_SPOT, *REFERENCES))}, a trial's number or a "
                f"{_MODEL_SUFFIX} file, not {run!r}"
            )
        if run not in known:
            raise StorageError(f"the sweep {sweep_dir.name} has no {run.replace('_', ' ')} yet")
        return [_network(sweep_dir, known[run], known)]
    return [_network(sweep_dir, number, known)]


def _trials(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of sweet spot and references, as far as they are complete."""
    found = {
        name: reference["trial"]
        for name, reference in summary["references"].items()
        if reference["val_accuracy"] is not None
    }
    spot = summary["sweet_spot"]
    return found if spot is None else {SWEET_SPOT: spot["trial"], **found}


def _network(sweep_dir: Path, number: int, known: Mapping[str, int]) -> KeptNetwork:
    story = _story(sweep_dir, number)
    if story is None or story.model is None or not (sweep_dir / story.model).is_file():
        kept = [n for n in trial_log_paths(sweep_dir) if (s := _story(sweep_dir, n)) and s.model]
        raise StorageError(
            f"trial {number} of {sweep_dir.name} has no kept model (the front's and the "
            f"references' are kept); choose {one_of(kept)}"
        )
    roles = [_role(name) for name, trial in known.items() if trial == number]
    architecture: Architecture = story.record.specification.architecture
    role = f"{' and '.join(roles)}: " if roles else ""
    return KeptNetwork(
        title=f"{role}trial {number}, {architecture}",
        path=sweep_dir / story.model,
        trial=number,
        convolutions=architecture.depth > 0,
    )


def _story(sweep_dir: Path, number: int) -> TrialStory | None:
    return trial_story(read(trial_log_path(sweep_dir, number)))


def _role(name: str) -> str:
    return "sweet spot" if name == SWEET_SPOT else f"{name} reference"


def chosen_images(config: Config, sweep: Config | None, shape: ImageShape) -> ChosenImages:
    """Return the images that ``maps.images``, or else ``maps.label`` and ``maps.count``, mean.

    Images of the data set are those of its validation split. The lesson looks at test images;
    here test is read for the accuracy of sweet spot and references and for nothing else, since
    who looks at test pictures and then changes something has used them.

    Parameters
    ----------
    sweep
        The configuration of the sweep whose data set it is; None for that of ``config``.
    shape
        What the network takes; pictures of one's own are resized to it.

    Raises
    ------
    ConfigurationError
        There is no such image or class, or the data set's images have another shape.
    DataError
        A picture or the data set cannot be read, or the data set is no longer the sweep's.
    """
    maps = config.maps
    if maps.images is not None and all(isinstance(image, str) for image in maps.images):
        classes = () if sweep is None else load_description(sweep.sweep_dir).classes
        chosen = [_own(str(image), shape) for image in maps.images]
    else:
        validation, classes = _validation(config, sweep)
        if validation.images.shape[1:] != shape:
            raise ConfigurationError(
                f"the network takes images of {_text(shape)}, but those of the data set are "
                f"{_text(validation.images.shape[1:])}; choose another one with data="
            )
        numbers = _of_one_class(validation, classes, maps) if maps.images is None else maps.images
        chosen = [
            _own(number, shape)
            if isinstance(number, str)
            else _of_validation(validation, classes, number)
            for number in numbers
        ]
    return ChosenImages(
        images=np.stack([image for image, _ in chosen]),
        captions=tuple(caption for _, caption in chosen),
        classes=classes,
    )


def _own(file: str, shape: ImageShape) -> tuple[NDArray[np.uint8], str]:
    return fitted(read_picture(file), shape), Path(file).stem


def _of_validation(
    validation: Split, classes: tuple[str, ...], number: int
) -> tuple[NDArray[np.uint8], str]:
    if not 0 <= number < len(validation):
        raise ConfigurationError(
            f"maps.images must be numbers of validation images, from 0 to {len(validation) - 1:,}, "
            f"or paths of pictures, not {number}"
        )
    return validation.images[number], f"{classes[validation.labels[number]]}, image {number}"


def _validation(config: Config, sweep: Config | None) -> tuple[Split, tuple[str, ...]]:
    if sweep is None:
        data = load_training(resolve(config.data, print))
        return data.validation, data.description.classes
    data = load_training(located(sweep.data))
    known = load_description(sweep.sweep_dir)
    if data.description.fingerprint != known.fingerprint:
        raise DataError(
            f"the images of {known.name} are no longer those that {sweep.sweep_name} was trained "
            "on: their fingerprint differs"
        )
    return data.validation, known.classes


def _of_one_class(validation: Split, classes: tuple[str, ...], maps: MapsConfig) -> list[int]:
    """Return the first so many validation images of the class that is asked for."""
    label = 0
    if maps.label is not None:
        name = str(maps.label)
        if name in classes:
            label = classes.index(name)
        elif (number := whole_number(name)) is not None and number < len(classes):
            label = number
        else:
            raise ConfigurationError(
                f"maps.label: {name!r} is not a class; choose {one_of(classes)}"
            )
    numbers: list[int] = np.flatnonzero(validation.labels == label)[: maps.count].tolist()
    return numbers


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
