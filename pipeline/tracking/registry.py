"""The champions of a data set in MLflow's model registry; importing this module is cheap.

A data set has one registered model, ``sweetspot-DATA``. Its versions are the networks that were
promoted; the alias ``champion`` is on the one that is in use and ``previous`` on the one that a
rollback brings back. All that is known of a version is in its tags, so that the registry alone
tells the history.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config, command
from pipeline.core.errors import SweetspotError, one_of
from pipeline.core.places import looking_at, temporary_folder
from pipeline.tracking.champions import (
    LONGEST_DESCRIPTION,
    Version,
    begun_before,
    brought_back,
    history,
)
from pipeline.tracking.failure import failure_cause, is_foreign
from pipeline.tracking.mirror import EXPERIMENT_PREFIX, experiment_name
from pipeline.tracking.paging import every
from pipeline.tracking.registry_lock import registry_held
from pipeline.tracking.run_state import content_digest
from pipeline.tracking.store import is_missing, open_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

CHAMPION = "champion"
PREVIOUS = "previous"


class RegistryError(SweetspotError):
    """The model registry does not hold what is asked for, or does not answer."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A network on its way into the registry.

    Parameters
    ----------
    keras_file
        The saved network, as the sweep keeps it.
    classes
        Names of its classes.
    example
        Images to show what it takes, uint8 ``(n, height, width, channels)``.
    tags
        What is known of it; see ``champions.Version``.
    card
        The model card, in Markdown.
    """

    sweep: str
    trial: int
    keras_file: Path
    classes: Sequence[str]
    example: NDArray[np.uint8]
    tags: Mapping[str, str]
    card: str


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The registered model of one data set.

    Parameters
    ----------
    config
        Says where MLflow is.
    data
        Name of the data set: ``fashion_mnist``, ``folder``, …
    """

    config: Config
    data: str

    @property
    def name(self) -> str:
        """What the registered model is called: the same as the data set's experiment."""
        return experiment_name(self.data)

    def version(self, alias: str) -> Version | None:
        """Return the version that has an alias; None where there is none."""
        with _answering(self.config) as client:
            return self._versions(client)[1].get(alias)

    def rolled_back(self, model_digest: str) -> Version | None:
        """Return a version with this model that was taken back; None where there is none."""
        with _answering(self.config) as client:
            return next(
                (
                    version
                    for version in self._versions(client)[0]
                    if version.tags.get("model_digest") == model_digest
                    and "rolled_back" in version.tags
                ),
                None,
            )

    def register(
        self,
        registration: Registration,
        *,
        instead_of: Version | None,
        refused: str | None = None,
    ) -> Version | None:
        """Make a network the champion, and the champion the previous one.

        The sweep has been brought to MLflow before: its run and its model are there.

        Parameters
        ----------
        instead_of
            The champion that it was judged against.
        refused
            Why the sweep's runs in MLflow lack files, where they do.

        Returns
        -------
        Version
            The champion; None where it is another one by now that it should replace.

        Raises
        ------
        SweetspotError
            MLflow fails, or does not hold the network's run; the network was removed meanwhile.
        """
        with _answering(self.config) as client, registry_held(self.config.mlruns):
            try:
                model_id, run_id = self._complete_model(client, registration, refused)
            except FileNotFoundError as error:
                raise RegistryError(
                    f"the model of trial {registration.trial} of {registration.sweep} has been "
                    f"removed meanwhile: {error}"
                ) from error
            known = [model.name for model in _registered_models(client)]
            if self.name not in known:
                client.create_registered_model(self.name)
            versions, aliases = self._versions(client)
            before = aliases.get(CHAMPION)
            if _number(before) != _number(instead_of):
                return None
            tags = {**registration.tags, "promoted": _now()}
            if before is not None:
                tags["replaced"] = before.number
            card = registration.card[:LONGEST_DESCRIPTION]
            new = begun_before(versions, before, tags)
            if new is None or client.get_model_version(self.name, new.number).run_id != run_id:
                new = _version(
                    client.create_model_version(
                        self.name, f"models:/{model_id}", run_id=run_id, tags=tags,
                        description=card, model_id=model_id,
                    )
                )  # fmt: skip
            else:
                self._renew(client, new, tags, card)
                new = replace(new, tags=tags)
            versions = [*(v for v in versions if v.number != new.number), new]
            # The champion last: whoever begins again after any step comes to the same end.
            if before is not None:
                client.set_registered_model_alias(self.name, PREVIOUS, before.number)
                aliases[PREVIOUS] = before
            self._describe(client, versions, aliases | {CHAMPION: new})
            client.set_registered_model_alias(self.name, CHAMPION, new.number)
            return new

    def _renew(
        self, client: "MlflowClient", made: Version, tags: Mapping[str, str], card: str
    ) -> None:
        """Make a version that nobody has used what it would be if it were made now."""
        for name in made.tags.keys() - tags.keys():
            client.delete_model_version_tag(self.name, made.number, name)
        for name, text in tags.items():
            client.set_model_version_tag(self.name, made.number, name, text)
        client.update_model_version(self.name, made.number, card)

    def roll_back(self) -> tuple[Version, Version]:
        """Make the previous version the champion again.

        ``previous`` goes to the version that this one had replaced, so that one can go back
        further.

        Returns
        -------
        tuple
            The version that is the champion now, and the one that no longer is.

        Raises
        ------
        SweetspotError
            MLflow fails, or there is nothing to go back to.
        """
        with _answering(self.config) as client, registry_held(self.config.mlruns):
            versions, aliases = self._versions(client)
            champion = aliases.get(CHAMPION)
            if champion is None:
                raise RegistryError(
                    f"{self.name} has no champion: {command(self.config, 'promote')} makes one"
                )
            said = aliases.pop(PREVIOUS, None)
            previous = brought_back(versions, champion, said)
            if previous is None:
                raise RegistryError(
                    f"there is nothing to roll back to: version {champion.number} is the only "
                    f"champion that {self.name} has had, or the first one"
                )
            # The champion last: whoever begins again after any step comes to the same end.
            now = _now()
            client.set_model_version_tag(self.name, champion.number, "rolled_back", now)
            taken_back = replace(champion, tags={**champion.tags, "rolled_back": now})
            versions = [taken_back if v.number == champion.number else v for v in versions]
            by_number = {version.number: version for version in versions}
            earlier = by_number.get(previous.tags.get("replaced", ""))
            if earlier is not None:
                client.set_registered_model_alias(self.name, PREVIOUS, earlier.number)
                aliases[PREVIOUS] = earlier
            elif said is not None:
                client.delete_registered_model_alias(self.name, PREVIOUS)
            self._describe(client, versions, aliases | {CHAMPION: previous})
            client.set_registered_model_alias(self.name, CHAMPION, previous.number)
            return previous, champion

    def download(self, version: Version, folder: Path) -> Path:
        """Return the folder of a version's MLflow model, copied below ``folder``."""
        with _answering(self.config):
            from mlflow.artifacts import download_artifacts

            uri = f"models:/{self.name}/{version.number}"
            return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))

    def _versions(self, client: "MlflowClient") -> tuple[list[Version], dict[str, Version]]:
        """Return all versions, the oldest first, and those that have an alias by it."""
        found = every(client.search_model_versions, filter_string=f"name = '{self.name}'")
        versions = sorted((_version(item) for item in found), key=lambda item: int(item.number))
        by_number = {version.number: version for version in versions}
        aliases: Mapping[str, str] = next(
            (m.aliases for m in _registered_models(client) if m.name == self.name), {}
        )
        return versions, {
            alias: by_number[str(number)]
            for alias, number in aliases.items()
            if str(number) in by_number
        }

    def _describe(
        self, client: "MlflowClient", versions: Sequence[Version], aliases: Mapping[str, Version]
    ) -> None:
        """Write the history into the registered model's description."""
        named = {alias: version.number for alias, version in aliases.items()}
        client.update_registered_model(self.name, history(self.data, versions, named))

    def _complete_model(
        self, client: "MlflowClient", registration: Registration, refused: str | None
    ) -> tuple[str, str]:
        """Add the example to the mirrored model of a trial; return the IDs of model and run."""
        from pipeline.tracking.entities import run_models
        from pipeline.tracking.keras_model import write_model_folder

        experiment = client.get_experiment_by_name(self.name)
        digest = content_digest(registration.keras_file)
        runs = client.search_runs(
            [experiment.experiment_id] if experiment else [],
            f"tags.sweep = '{registration.sweep}' and tags.trial = '{registration.trial}' "
            "and tags.kind = 'trial'",
        )
        models = [
            (model, str(run.info.run_id))
            for run in runs
            for model in run_models(client, run.info.experiment_id, run.info.run_id)
            if model.tags.get("digest") == digest
        ]
        if not models:
            sync = command(self.config, "sync", registration.sweep)
            raise RegistryError(
                f"MLflow does not hold the model of trial {registration.trial} of "
                f"{registration.sweep}: {refused or f'{sync} brings it there'}"
            )
        model, run_id = models[0]
        with temporary_folder() as temporary:
            folder = temporary / "model"
            write_model_folder(
                registration.keras_file,
                folder,
                model_id=model.model_id,
                run_id=run_id,
                classes=registration.classes,
                created=model.creation_timestamp / 1000.0,
                example=registration.example,
            )
            client.log_model_artifacts(model.model_id, str(folder))
        return model.model_id, run_id


def download_run_model(config: Config, run_id: str, folder: Path) -> Path:
    """Return the folder of the MLflow model of a run, copied below ``folder``.

    Raises
    ------
    RegistryError
        There is no such run, or it has no model.
    """
    with _answering(config) as client:
        from mlflow.artifacts import download_artifacts

        from pipeline.tracking.entities import run_models

        run = client.get_run(run_id)
        models = run_models(client, run.info.experiment_id, run_id)
        if not models:
            raise RegistryError(f"the MLflow run {run_id} has no model")
        uri = f"models:/{models[0].model_id}"
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))


def champions(config: Config) -> tuple[str, ...]:
    """Return the names of the data sets that have a champion, sorted."""
    with looking_at(config.mlruns):
        has_none = is_missing(config)
    if has_none:
        return ()
    with _answering(config) as client:
        return tuple(
            sorted(
                model.name.removeprefix(EXPERIMENT_PREFIX)
                for model in _registered_models(client)
                if CHAMPION in model.aliases
            )
        )


def the_champions_data(config: Config) -> str:
    """Return the data set whose champion is meant: ``data=``, or else the only one there is.

    Raises
    ------
    RegistryError
        There is no champion, or it is not clear which one is meant.
    """
    known = champions(config)
    asked = config.data.name
    if asked in known or (asked == "auto" and len(known) == 1):
        return asked if asked in known else known[0]
    if not known:
        raise RegistryError(
            f"there is no champion yet: {command(config, 'promote', 'SWEEP')} makes one"
        )
    if asked == "auto":
        raise RegistryError(
            f"several data sets have a champion, choose one: {one_of(f'data={d}' for d in known)}"
        )
    raise RegistryError(f"data={asked} has no champion; there is one of {one_of(known)}")


@contextmanager
def _answering(config: Config) -> "Iterator[MlflowClient]":
    """Yield a client; whatever MLflow complains about becomes one sentence."""
    try:
        yield open_client(config)
    except SweetspotError:
        raise
    except Exception as error:
        if not is_foreign(error):
            raise
        where = f"MLflow's model registry at {tracking_uri(config)}"
        raise RegistryError(f"{where} {failure_cause(error)}") from error


def _registered_models(client: "MlflowClient") -> list["RegisteredModel"]:
    """Return those of sweeps, whatever else there is in the registry."""
    ours = f"name LIKE '{EXPERIMENT_PREFIX}%'"
    found = every(client.search_registered_models, filter_string=ours)
    # To SQLite's LIKE, small letters and capitals are the same.
    return [model for model in found if model.name.startswith(EXPERIMENT_PREFIX)]


def _version(found: "ModelVersion") -> Version:
    tags = {str(name): str(text) for name, text in found.tags.items()}
    return Version(number=str(found.version), tags=tags)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(version: Version | None) -> str | None:
    return None if version is None else version.number
