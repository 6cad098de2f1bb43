"""From configuration to images: settle the source, read it, check it, split it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.config import DataConfig, anchored
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError, DataError
from pipeline.core.places import looking_at
from pipeline.data.checking import Source, check_test_set, class_names
from pipeline.data.dataset import Split, TrainingData, fingerprint
from pipeline.data.digits import DigitsSource
from pipeline.data.download import ADDRESS, ANSWER_SECONDS, download, why_unreachable
from pipeline.data.folder import FolderSource
from pipeline.data.idx import IdxSource
from pipeline.data.npz import NpzSource
from pipeline.data.published import FASHION_MNIST, MNIST, PublishedSet, keras_datasets
from pipeline.data.splitting import split

DATA_DIR_VARIABLE = "SWEETSPOT_DATA_DIR"
PUBLISHED = {"auto": FASHION_MNIST, "fashion_mnist": FASHION_MNIST, "mnist": MNIST}


def resolve(config: DataConfig, say: Callable[[str], None]) -> DataConfig:
    """Settle where the data come from: a concrete name, absolute paths, files that are there.

    Fashion-MNIST and MNIST are looked for in ``data.dir`` (or else the folder that the
    environment variable ``SWEETSPOT_DATA_DIR`` names), then in Keras' cache, then
    downloaded; ``auto`` ends with the embedded digits. Resolving again changes nothing.

    Parameters
    ----------
    say
        Called with one line for a download, and one where ``auto`` falls back.

    Raises
    ------
    DataError
        What is asked for is not there, nor can it be had.
    ConfigurationError
        A setting does not apply to this source.
    """
    check_settings(config)
    if config.name == "digits":
        return config
    if config.name in PUBLISHED:
        return _resolve_published(config, say)
    folder = None if config.dir is None else anchored(config.dir)
    file = None if config.file is None else anchored(config.file)
    if config.name in ("idx", "folder") and folder is not None:
        _check_is_folder(folder, "data.dir")
    if config.name == "idx" and folder is not None:
        IdxSource(folder=folder).check_complete()
    if config.name == "npz" and file is not None:
        with looking_at(file, DataError):
            is_there = file.is_file()
        if not is_there:
            raise DataError(f"data.file must name an archive (.npz), but {file} is not a file")
    return config.model_copy(update={"dir": folder, "file": file})


def located(config: DataConfig) -> DataConfig:
    """Return a resolved configuration with a published set's folder on this machine.

    A sweep that comes from another one names a folder there. What is nowhere stays as it is.
    """
    if config.name in PUBLISHED:
        for where in (config, config.model_copy(update={"dir": None})):
            with suppress(DataError):
                return resolve(where.model_copy(update={"download": False}), lambda _: None)
    return config


def check_settings(config: DataConfig) -> None:
    """Raise ConfigurationError where a setting of the source is missing, or of another source."""
    name = config.name
    if name in ("idx", "folder") and config.dir is None:
        raise ConfigurationError(f"data={name} needs data.dir, the folder to read")
    if name == "npz" and config.file is None:
        raise ConfigurationError("data=npz needs data.file, the archive to read")
    if name in ("digits", "npz") and config.dir is not None:
        raise ConfigurationError(
            f"data.dir does not apply to data={name}; pictures in sub-folders are data=folder"
        )
    if name != "npz" and config.file is not None:
        raise ConfigurationError(f"data.file applies to data=npz, not to data={name}")
    if name != "folder" and config.image_size is not None:
        raise ConfigurationError(
            f"data.image_size applies to data=folder, whose pictures it resizes, not to data={name}"
        )
    if name == "folder" and config.classes is not None:
        raise ConfigurationError(
            "data.classes does not apply to data=folder, whose sub-folders' names are the class "
            "names"
        )


def load_training(config: DataConfig) -> TrainingData:
    """Return the training and validation splits of a resolved configuration.

    The test images are read to be counted and fingerprinted, and not kept.

    Raises
    ------
    DataError
        Something that comes in is missing, damaged, or does not fit together.
    ConfigurationError
        ``data.limit`` is too small for the number of classes.
    """
    return load_all(config)[0]


def load_all(config: DataConfig) -> tuple[TrainingData, Split]:
    """Return what ``load_training`` does, and the test split; raises as it does."""
    source = _source(config)
    learning = source.learning()
    origin = "data.classes" if config.classes is not None else f"data={config.name}"
    classes = class_names(learning.labels, config.classes or source.classes, origin=origin)
    test = source.test()
    parts = split(
        learning.labels,
        classes=classes,
        validation=config.validation,
        test=config.test if test is None else None,
        limit=config.limit,
        seed=config.seed,
    )
    if test is not None:
        check_test_set(test, learning, classes)
    else:
        assert parts.test is not None  # drawn, as a share was given
        test = learning.at(parts.test)
    train, validation = learning.at(parts.train), learning.at(parts.validation)
    height, width, channels = train.images.shape[1:]
    description = DataDescription(
        name=config.name,
        fingerprint=fingerprint((train, validation, test), classes),
        train=len(train),
        validation=len(validation),
        test=len(test),
        image_shape=(height, width, channels),
        classes=classes,
    )
    return TrainingData(description=description, train=train, validation=validation), test


def _source(config: DataConfig) -> Source:
    if config.name == "digits":
        return DigitsSource()
    if config.name == "npz" and config.file is not None:
        return NpzSource(file=config.file)
    if config.dir is not None:
        if config.name == "idx":
            return IdxSource(folder=config.dir)
        if config.name == "folder":
            return FolderSource(folder=config.dir, image_size=config.image_size)
        if config.name in ("fashion_mnist", "mnist"):
            published = PUBLISHED[config.name]
            if source := published.find(config.dir):
                return source
            raise DataError(f"{published.title} is no longer in {config.dir}")
    raise ValueError(f"resolve the data configuration before loading: {config}")


def _resolve_published(config: DataConfig, say: Callable[[str], None]) -> DataConfig:
    published = PUBLISHED[config.name]
    root, failures = _find_published(published, config, say)
    if root is not None:
        if config.dir is not None and failures:
            say(
                f"{published.title} is {failures[0]}: using {root}; for your own images data=folder"
            )
        return config.model_copy(update={"name": published.name, "dir": root})
    where = f"{published.title} is {', '.join(failures)}"
    if config.name != "auto":
        raise DataError(
            f"{where}; put its four IDX files into a folder {published.name}/ and name the folder "
            f"above it with data.dir or {DATA_DIR_VARIABLE}, or use data=digits"
        )
    say(f"{where}: using digits, scikit-learn's handwritten digits enlarged to 28×28")
    return config.model_copy(update={"name": "digits", "dir": None})


def _find_published(
    published: PublishedSet, config: DataConfig, say: Callable[[str], None]
) -> tuple[Path | None, list[str]]:
    """Return the folder that has the set, None if there is none, and where it was not found."""
    failures = []
    named = os.environ.get(DATA_DIR_VARIABLE)
    if config.dir is not None or named:
        folder = anchored(config.dir or Path(named or ""))
        _check_is_folder(folder, "data.dir" if config.dir is not None else DATA_DIR_VARIABLE)
        source = published.find(folder)
        if source is not None:
            if isinstance(source, IdxSource):
                source.check_complete()
            return folder, []
        failures.append(f"not in {folder} (no folder {published.name})")
    cache = keras_datasets()
    try:
        if published.find(cache) is not None:
            return cache, failures
        failures.append(f"not in Keras' cache {cache}")
    except DataError as error:
        failures.append(f"not in Keras' cache ({error})")
    if not config.download:
        return None, [*failures, "not downloaded because of data.download=false"]
    reason = why_unreachable(ADDRESS, ANSWER_SECONDS)
    if reason is None:
        say(f"Downloading {published.title} ({published.megabytes} MB) into {cache}")
        try:
            download(published, cache)
        except DataError as error:
            reason = str(error)
        else:
            return cache, failures
    return None, [*failures, f"and cannot be downloaded ({reason})"]


def _check_is_folder(folder: Path, setting: str) -> None:
    with looking_at(folder, DataError):
        is_folder = folder.is_dir()
    if not is_folder:
        raise DataError(f"{setting} must name a folder, but {folder} is not one")
