"""Pictures in, probabilities out: with the champion, or with any network of a sweep."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.config import Config
from pipeline.core.errors import ConfigurationError, StorageError, one_of
from pipeline.core.journey import ImageShape
from pipeline.core.numbers import whole_number
from pipeline.core.places import temporary_folder
from pipeline.data.inputs import NamedImages, read_inputs
from pipeline.launching.devices import shared_device
from pipeline.launching.networks import kept_network, set_up_backend
from pipeline.launching.sweep_folder import load_description
from pipeline.reporting.files import sweeps
from pipeline.reporting.predictions import Predictions
from pipeline.tracking.registry import (
    CHAMPION,
    PREVIOUS,
    Registry,
    RegistryError,
    download_run_model,
    the_champions_data,
)

_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class UsableNetwork:
    """A saved network with all that is needed to use it.

    Parameters
    ----------
    title
        What it is called in a sentence.
    classes
        Names in the order of the outputs.
    image_shape
        ``(height, width, channels)``.
    """

    title: str
    keras_file: Path
    classes: tuple[str, ...]
    image_shape: ImageShape


def predict(
    config: Config, model: str, words: Sequence[str], *, invert: bool, stdin: BinaryIO
) -> Predictions:
    """Classify pictures.

    Parameters
    ----------
    model
        ``champion`` or ``previous`` (of ``data=``, where several data sets have one), a sweep's
        name for its sweet spot, ``SWEEP/TRIAL``, or the ID of an MLflow run.
    words, invert, stdin
        As in ``pipeline.data.inputs.read_inputs``.

    Raises
    ------
    SweetspotError
        There is no such network, or what is to be classified is no picture.
    """
    with temporary_folder() as temporary:
        network = _network(config, model, temporary)
        # Read before Keras is loaded: who mistypes a name is told at once.
        pictures = read_inputs(words, network.image_shape, invert=invert, stdin=stdin)
        return _classified(network, pictures)


def _classified(network: UsableNetwork, pictures: NamedImages) -> Predictions:
    with shared_device():
        set_up_backend()
        from pipeline.training.saving import predicted_probabilities

        probabilities = predicted_probabilities(network.keras_file, pictures.images)
    return Predictions(
        model=network.title,
        names=pictures.names,
        classes=network.classes,
        probabilities=probabilities,
    )


def _network(config: Config, model: str, folder: Path) -> UsableNetwork:
    if model in (CHAMPION, PREVIOUS):
        registry = Registry(config=config, data=the_champions_data(config))
        version = registry.version(model)
        if version is None:
            raise RegistryError(f"{registry.name} has no {model} version")
        downloaded = registry.download(version, folder)
        return _in_folder(downloaded, f"the {model} of {registry.data}, {version.title}")
    sweep, slash, trial = model.partition("/")
    known = [name for name, _ in sweeps(config.mlruns)]
    if sweep in known:
        number = whole_number(trial)
        if slash and number is None:
            raise ConfigurationError(f"model={model}: {trial!r} is not the number of a trial")
        return _in_sweep(config.mlruns / "sweeps" / sweep, number)
    if _RUN_ID.fullmatch(model):
        return _in_folder(download_run_model(config, model, folder), f"the MLflow run {model}")
    raise StorageError(
        f"model={model} is no network here; choose "
        f"{one_of([CHAMPION, PREVIOUS, *known[:8], 'SWEEP/TRIAL', 'an MLflow run ID'])}"
    )


def _in_folder(folder: Path, title: str) -> UsableNetwork:
    from pipeline.tracking.keras_model import read_model_folder

    found = read_model_folder(folder)
    return UsableNetwork(
        title=title,
        keras_file=found.keras_file,
        classes=found.classes,
        image_shape=found.image_shape,
    )


def _in_sweep(sweep_dir: Path, trial: int | None) -> UsableNetwork:
    network = kept_network(sweep_dir, trial)
    description = load_description(sweep_dir)
    return UsableNetwork(
        title=network.title,
        keras_file=network.path,
        classes=description.classes,
        image_shape=description.image_shape,
    )
