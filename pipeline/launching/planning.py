"""A sweep before it runs: everything settled and checked, nothing created yet."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import (
    ANY_RULE,
    NO_RUNGS,
    Config,
    command,
    differing_keys,
    identity_hash,
    identity_parts,
)
from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.journey import macs, misfit, parameters
from pipeline.core.pace import HOW_TOLD, TRAINING_TIMES
from pipeline.core.proposal import Proposal
from pipeline.core.trial import ANALYTIC_COSTS
from pipeline.data.loading import load_training, resolve
from pipeline.launching.presence import alone
from pipeline.launching.sweep_folder import (
    create_config,
    load_config,
    load_description,
    told_otherwise,
)
from pipeline.launching.warm_start import first_proposals, read_first, write_first
from pipeline.measuring.automatic import automatic
from pipeline.measuring.backends import backend_name, backend_part, backend_version
from pipeline.measuring.machine import this_machine
from pipeline.reporting.files import write_atomically
from pipeline.search.moving import is_begun
from pipeline.search.space import AnalyticCost, SearchSpace
from pipeline.search.startup import startup_proposals
from pipeline.search.storage import StudyStorage
from pipeline.tracking.event_log import trial_log_paths

#: Of a setting's value that a sentence repeats.
_MOST_LETTERS = 30


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep that could start.

    Parameters
    ----------
    config
        With the sweep's name, the data source and the precision settled.
    identity
        What makes this sweep this sweep: ``pipeline.config.identity_parts``, and the backend.
    exists
        Whether the sweep is there already and would be continued.
    first
        What it begins with, before the sampler proposes anything.
    """

    config: Config
    description: DataDescription
    space: SearchSpace
    identity: dict[str, Any]
    exists: bool
    first: tuple[Proposal, ...] = ()


def plan_sweep(config: Config, say: Callable[[str], None]) -> SweepPlan:
    """Settle what ``auto`` and null stand for and check that the sweep can run.

    Raises
    ------
    SweetspotError
        The data, the space, the sweep's name or the place for its results are not usable.
    """
    check_writable(config.mlruns)
    data = resolve(config.data, say)
    description = load_training(data).description
    # What else is auto may differ from machine to machine; the precision is part of the question.
    training = config.training
    backend_version()  # a sentence now, instead of workers that end one after the other
    if training.precision == "auto":
        training = training.model_copy(update={"precision": automatic(config).precision})
    config = config.model_copy(update={"data": data, "training": training})
    space = SearchSpace(config.space, description.image_shape, len(description.classes))
    _check_costs(config)
    longer = _longer_for_nothing(config)
    if longer is not None:
        say(longer)
    for value in ("budget", "least_accuracy", "price"):
        if getattr(config.objective, value) is not None and config.objective.rule != value:
            say(
                f"objective.{value} does nothing by the rule {config.objective.rule}: "
                f"objective.rule={value} chooses by it"
            )
    if config.architecture is not None:
        _check_fit(config.architecture, description)
        if config.references:
            say(
                f"architecture={config.architecture}: whatever is drawn from the space becomes "
                "this one network; search.first=[…] begins a search with it"
            )
    _check_limits(config, space)
    identity = _identity(config, description)
    if config.sweep_name is None:
        what = config.space.name if config.references else "train"
        name = f"{data.name}-{what}-{identity_hash(identity)[:6]}"
        config = config.model_copy(update={"sweep_name": name})
    exists = _check_identity(config, identity)
    if exists:
        _check_storage(config)
        first = read_first(config.sweep_dir)
    else:
        first = first_proposals(config, description, say)
        first += startup_proposals(config, space, first)
    return SweepPlan(
        config=config,
        description=description,
        space=space,
        identity=identity,
        exists=exists,
        first=first,
    )


def _identity(config: Config, description: DataDescription) -> dict[str, Any]:
    """Return what makes a sweep this sweep; one backend's times say nothing of another's."""
    return identity_parts(config, description.fingerprint) | backend_part()


def _check_costs(config: Config) -> None:
    if this_machine().gpus and backend_name() == "tensorflow":
        return
    for setting, names in (
        ("objective.costs", config.objective.costs),
        ("objective.limits", tuple(config.objective.limits.given)),
    ):
        if "device_memory_mib" in names:
            raise ConfigurationError(
                f"{setting}: device_memory_mib needs a GPU and TensorFlow, which counts a trial's "
                "memory, and they are not both here"
            )


def _longer_for_nothing(config: Config) -> str | None:
    """Return a remark where the space varies epochs and no cost depends on how many there are."""
    costs, epochs = set(config.objective.costs), config.space.epochs
    is_counted = bool(costs & set(TRAINING_TIMES)) or costs <= set(ANALYTIC_COSTS)
    is_varied = epochs is not None and len(epochs.values()) > 1 and config.architecture is None
    if is_counted or not is_varied:
        return None
    return (
        "the space varies the epochs, and longer trainings cost nothing by this objective: "
        "objective.costs=[train_seconds] counts them"
    )


def _check_limits(config: Config, space: SearchSpace) -> None:
    """Refuse limits that even the cheapest network of the space is above."""
    costs: dict[AnalyticCost, Callable[..., int]] = {"parameters": parameters, "macs": macs}
    for cost, count in costs.items():
        limit = config.objective.limits.given.get(cost)
        if limit is None:
            continue
        if config.architecture is None:
            network, which = (
                space.cheapest(cost),
                f"the cheapest network of space {config.space.name}",
            )
        else:
            network, which = Architecture.parse(config.architecture), "this architecture"
        value = count(network, space.image_shape, space.classes)
        if value > limit:
            raise ConfigurationError(
                f"objective.limits.{cost}={limit:.10g} cannot be met: {which}, {network}, has "
                f"{value:,} {cost}; raise the limit or choose smaller networks"
            )


def _check_fit(architecture: str, description: DataDescription) -> None:
    network = Architecture.parse(architecture)
    reason = misfit(network, description.image_shape, len(description.classes))
    if reason is not None:
        raise ConfigurationError(f"architecture={architecture}: {reason}")


def check_writable(folder: Path) -> None:
    """Refuse a ``mlruns`` folder that cannot be written to.

    Raises
    ------
    StorageError
        It is a file, another user's, or in a folder that one may not enter.
    """
    try:
        # A link in a circle is there, too.
        places = (folder, *folder.parents)
        existing = next(path for path in places if path.exists() or path.is_symlink())
        is_folder = existing.is_dir()
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"mlruns={folder} cannot be reached: {reason}") from error
    if not is_folder:
        raise StorageError(f"mlruns={folder}: {existing} is a file, not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"mlruns={folder}: there is no permission to write in {existing}")


def _check_identity(config: Config, identity: dict[str, Any]) -> bool:
    path = config.sweep_dir / "identity.json"
    try:
        known = json.loads(path.read_text())
        # Earlier versions kept the rule, and what rungs that stop nobody were like.
        known["objective"] = known.get("objective", {}) | ANY_RULE
        search = known.get("search", {})
        if not search.get("rungs", {}).get("enabled", True):
            search["rungs"] = NO_RUNGS
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    differing = differing_keys(identity, known)
    keys = [key for key in differing if key not in HOW_TOLD]
    # These hang on the objective. Where that is the same no setting helps, whatever else differs.
    if keys != differing and not any(key.startswith("objective") for key in keys):
        raise ConfigurationError(told_otherwise(str(config.sweep_name)))
    if keys:
        raise ConfigurationError(
            f"sweep_name={config.sweep_name}: this sweep exists and asks another question; "
            f"{', '.join(_told_apart(key, known, identity) for key in keys)} "
            f"{'differs' if len(keys) == 1 else 'differ'}, "
            "so choose another name or the same settings"
        )
    return True


def _told_apart(key: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return a dotted key with its values, as far as there are any of a few letters."""
    said = []
    for parts, where in ((there, "there"), (here, "here")):
        value: Any = parts
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        text = json.dumps(value).replace('"', "").replace(", ", ",")
        if value is not None and len(text) <= _MOST_LETTERS:
            said.append(f"{text} {where}")
    return f"{key} ({', '.join(said)})" if said else key


def _check_storage(config: Config) -> None:
    """Refuse to go on with a sweep elsewhere than where its trials are."""
    assert config.sweep_name is not None
    before = load_config(config.mlruns, config.sweep_name).storage
    if before.kind != config.storage.kind:
        raise ConfigurationError(
            f"storage={config.storage.kind}: the trials of sweep {config.sweep_name} are in "
            f"storage={before.kind}, go on with that or choose another sweep_name"
        )


def set_up(plan: SweepPlan, storage: StudyStorage | None = None) -> SweepPlan:
    """Write the sweep's folder, unless somebody has begun another sweep of this name meanwhile.

    Parameters
    ----------
    storage
        The sweep's, where it is open already; its patience with a server is this call's.

    Returns
    -------
    SweepPlan
        Of the sweep as it is now: who was here first has said what it begins with.

    Raises
    ------
    SweetspotError
        It asks another question by now, keeps its trials elsewhere, or its folder or its
        study is another's.
    """
    folder = plan.config.sweep_dir
    with alone(folder, "set-up.lock"):
        if not plan.exists and _check_identity(plan.config, plan.identity):
            _check_storage(plan.config)
            plan = replace(plan, exists=True, first=read_first(folder))
        _check_trials(plan, storage)
        create_folder(plan)
    return plan


def keeps_alone(config: Config) -> bool:
    """Say whether no sweep of another ``mlruns`` folder has its trials in this storage."""
    return config.storage.kind == "journal" and config.storage_path.is_relative_to(config.mlruns)


def _check_trials(plan: SweepPlan, opened: StudyStorage | None) -> None:
    """Refuse a sweep whose trials in storage and in its folder are not the same ones."""
    config, folder = plan.config, plan.config.sweep_dir
    storage = f"storage={config.storage.kind}"
    # In this order: who claims a trial meanwhile writes its log after that.
    logs = trial_log_paths(folder)
    if is_begun(config, opened):
        if not plan.exists:
            removed = f"; {_removal(config)} removes them" if keeps_alone(config) else ""
            raise StorageError(
                f"{storage} has trials of a sweep {config.sweep_name} already, but their folder "
                f"is not {folder}: bring that back, or choose another sweep_name{removed}"
            )
    elif logs:
        raise StorageError(
            f"{folder} has trials that {storage} does not know of: go on with the storage that "
            "they are in, or choose another sweep_name"
        )


def _removal(config: Config) -> str:
    """Return the command that removes what is left of a sweep without a folder."""
    words = ["clean", f"remove={config.sweep_name}"]
    if config.storage.path is not None:
        words.append(f"storage.path={config.storage.path}")
    return command(config, *words)


def create_folder(plan: SweepPlan) -> None:
    """Write the sweep's folder: configuration, identity and what the data are."""
    folder = plan.config.sweep_dir
    create_config(plan.config)
    write_atomically(folder / "description.json", json.dumps(plan.description.to_json(), indent=1))
    write_first(folder, plan.first)
    write_atomically(folder / "identity.json", json.dumps(plan.identity, indent=1))


def load_plan(mlruns: Path, sweep: str) -> SweepPlan:
    """Return the plan of a sweep that is set up, from its folder.

    Raises
    ------
    StorageError
        There is no such sweep, or its files are damaged.
    """
    config = load_config(mlruns, sweep)
    description = load_description(config.sweep_dir)
    return SweepPlan(
        config=config,
        description=description,
        space=SearchSpace(config.space, description.image_shape, len(description.classes)),
        identity=_identity(config, description),
        exists=True,
        first=read_first(config.sweep_dir),
    )
