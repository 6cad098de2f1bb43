"""What a sweep's folder says of it: configuration, backend, data; and the same data again."""

import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import Config, identity_parts
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError, DataError, StorageError
from pipeline.core.pace import HOW_TOLD
from pipeline.data.dataset import Split, TrainingData
from pipeline.data.loading import load_all, located
from pipeline.measuring.backends import VARIABLE, backend_name
from pipeline.reporting.files import CONFIG_NAME, write_atomically


def create_config(config: Config) -> None:
    """Write a sweep's configuration into its folder."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    write_atomically(config.sweep_dir / CONFIG_NAME, text)


def backend_of(sweep_dir: Path) -> str:
    """Return the backend that a sweep was begun with; raises as ``how_told`` does."""
    return str(_identity_of(sweep_dir).get(VARIABLE, "tensorflow"))


def how_told(sweep_dir: Path) -> dict[str, str]:
    """Return how the times among a sweep's costs are told, as far as its beginner knew of a way.

    Raises
    ------
    StorageError
        The sweep's file is damaged.
    """
    identity = _identity_of(sweep_dir)
    return {part: str(identity[part]) for part in HOW_TOLD if part in identity}


def _identity_of(sweep_dir: Path) -> dict[str, Any]:
    path = sweep_dir / "identity.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error


def check_backend(sweep_dir: Path) -> None:
    """Refuse to train for a sweep with another backend than its own.

    Raises
    ------
    ConfigurationError
        The environment names another one.
    StorageError
        The sweep's file is damaged.
    """
    begun, here = backend_of(sweep_dir), backend_name()
    if begun != here:
        raise ConfigurationError(
            f"{sweep_dir.name} was begun with {begun} and would go on with {here}; one backend's "
            f"times say nothing of another's, so set {VARIABLE}={begun}"
        )


def check_times(config: Config) -> None:
    """Refuse to train for a sweep whose times an earlier version told in another way.

    Raises
    ------
    ConfigurationError
        It is such a sweep.
    StorageError
        The sweep's file is damaged.
    """
    if how_told(config.sweep_dir).keys() != {*HOW_TOLD} & identity_parts(config, "").keys():
        raise ConfigurationError(told_otherwise(config.sweep_dir.name))


def told_otherwise(sweep: str) -> str:
    """Return what is said of such a sweep."""
    return (
        f"sweep_name={sweep}: this sweep was begun by another version, whose times do not compare "
        "with those of this one; choose another name"
    )


def load_config(mlruns: Path, sweep: str) -> Config:
    """Return the configuration that a sweep was last started with.

    Raises
    ------
    StorageError
        There is no such sweep, or its files are damaged.
    """
    path = mlruns / "sweeps" / sweep / CONFIG_NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = Config.model_validate(values)
    except FileNotFoundError:
        raise StorageError(f"there is no sweep {sweep} under {mlruns / 'sweeps'}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StorageError(f"{path} cannot be read: {reason}") from error
    return config.model_copy(update={"mlruns": mlruns, "sweep_name": sweep})


def load_description(sweep_dir: Path) -> DataDescription:
    """Return what a sweep's data are.

    Raises
    ------
    StorageError
        The file is missing or damaged.
    """
    path = sweep_dir / "description.json"
    try:
        return DataDescription.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error


def unchanged_data(config: Config, description: DataDescription) -> TrainingData:
    """Return the images of a sweep, and make sure that they are the same as then.

    Published sets may have moved, as a sweep from another machine finds them.

    Raises
    ------
    DataError
        They are gone, or others.
    """
    return _unchanged(config, description)[0]


def unchanged_test(config: Config, description: DataDescription) -> Split:
    """Return a sweep's test images; raises as ``unchanged_data``."""
    return _unchanged(config, description)[1]


def _unchanged(config: Config, description: DataDescription) -> tuple[TrainingData, Split]:
    data, test = load_all(located(config.data))
    if data.description.fingerprint != description.fingerprint:
        raise DataError(
            f"the images of data={config.data.name} are no longer those that {config.sweep_name} "
            f"was trained with (fingerprint {data.description.fingerprint[:12]}, then "
            f"{description.fingerprint[:12]})"
        )
    return data, test
