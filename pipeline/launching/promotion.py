"""From a sweep's sweet spot to the champion in the model registry, through the gate."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config, command
from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError, SweetspotError
from pipeline.core.pace import STEP_TIMES
from pipeline.core.places import temporary_folder
from pipeline.core.promotion import Rival, Verdict, accuracy_to_keep, judge
from pipeline.core.statistics import wilson_interval
from pipeline.core.trial import TRAINED_COSTS, TrialRecord
from pipeline.core.wording import percentage
from pipeline.data.dataset import Split
from pipeline.launching.devices import shared_device
from pipeline.launching.networks import SweepNetwork, kept_network, model_digest, set_up_backend
from pipeline.launching.sessions import Sessions
from pipeline.launching.sweep_folder import (
    backend_of,
    how_told,
    load_description,
    unchanged_data,
)
from pipeline.reporting.compare import device_name, pace_device
from pipeline.reporting.files import read_summary
from pipeline.reporting.model_card import CardContent, model_card
from pipeline.reporting.progress import ProgressReader
from pipeline.tracking.champions import Version, still_served
from pipeline.tracking.event_log import read, sweep_log_path
from pipeline.tracking.failure import first_line, is_foreign
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.registry import CHAMPION, Registration, Registry
from pipeline.tracking.sweep_facts import SweepFacts

#: The kept model may do so much worse or better than the summary says, on another device.
_SAME_ACCURACY = 0.01
_EXAMPLES = 1


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What came of it.

    Parameters
    ----------
    registry
        Where it happened.
    challenger
        What it is called, such as ``trial 4 of lesson (16k5b-d64)``.
    outcome
        ``promoted``; ``already`` where it was the champion before; ``refused``.
    reason
        Why, as the end of a sentence that begins with the challenger; empty for ``already``.
    version
        The champion as it is now; None where there still is none.
    """

    registry: Registry
    challenger: str
    outcome: Literal["promoted", "already", "refused"]
    reason: str = ""
    version: Version | None

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        data = self.registry.data
        if self.outcome == "already":
            return f"{self.challenger} is the champion of {data} already"
        if self.outcome == "refused" or self.version is None:
            return f"{self.challenger} is not promoted: {self.reason}"
        forced = "forced, the gate said: " if self.version.tags.get("forced") else ""
        before = self.version.tags.get("replaced")
        served = "" if before is None else f"; {still_served(before)}"
        return (
            f"{self.challenger} is the champion of {data} now (version {self.version.number}): "
            f"{forced}{self.reason}{served}"
        )


def promote(config: Config, *, force: bool) -> Promotion:
    """Make a sweep's sweet spot the champion of its data, if it is better than the present one.

    Parameters
    ----------
    config
        The sweep's, with the tracking that holds the registry.
    force
        Promote it whatever the gate says.

    Raises
    ------
    SweetspotError
        The sweep has no sweet spot, its model or its images are missing, or MLflow fails.
    """
    network = kept_network(config.sweep_dir, None)
    description = load_description(config.sweep_dir)
    registry = Registry(config=config, data=description.name)
    champion = registry.version(CHAMPION)
    digest = model_digest(network)

    ended = partial(Promotion, registry=registry, challenger=network.title)
    if champion is not None and champion.tags.get("model_digest") == digest:
        return ended(outcome="already", version=champion)
    taken_back = registry.rolled_back(digest)
    if taken_back is not None and not force:
        when = taken_back.tags["rolled_back"]
        reason = f"it was the champion and was rolled back on {when}"
        return ended(outcome="refused", reason=reason, version=champion)
    challenger = _challenger(config, network, description)
    costs = config.objective.costs
    defender = _rival(registry, champion, challenger)
    verdict = judge(challenger.rival, defender, costs)
    if not (verdict.better or force):
        return ended(outcome="refused", reason=verdict.reason, version=champion)
    with Mirror(config.sweep_dir, config, description) as mirror:
        report = mirror.sync()
    if report.failure is not None:
        raise StorageError(report.failure)
    registration = _registration(config, challenger, defender, verdict, digest)
    version = registry.register(registration, instead_of=champion, refused=report.refused)
    if version is None:  # somebody else has promoted meanwhile: it was judged against another one
        return promote(config, force=force)
    return ended(outcome="promoted", reason=verdict.reason, version=version)


def promote_at_end(config: Config) -> str:
    """Do what ``promote=auto`` asks for at the end of a sweep; return what to tell the user."""
    try:
        return promote(config, force=False).sentence
    except SweetspotError as error:
        return f"nothing is promoted: {error}"
    except Exception as error:
        if not is_foreign(error):
            raise
        return f"nothing is promoted: {first_line(error)}"


def left_to_promote(config: Config) -> str:
    """Return what to tell the user where MLflow was too slow for ``promote=auto``."""
    sync, later = (command(config, word, str(config.sweep_name)) for word in ("sync", "promote"))
    return (
        f"nothing is promoted: MLflow is not up to date; `{sync}` finishes that, and `{later}` "
        "then tries what the sweep has found"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Challenger:
    """The sweet spot with everything that is known of it."""

    network: SweepNetwork
    description: DataDescription
    trial: TrialRecord
    validation: Split
    predicted: NDArray[np.int64]
    rival: Rival


def _challenger(config: Config, network: SweepNetwork, description: DataDescription) -> _Challenger:
    reader = ProgressReader(config.sweep_dir)
    reader.read()
    story = next(s for s in reader.stories if s.record.number == network.trial)
    validation = unchanged_data(config, description).validation
    predicted = _predicted(network.path, validation)
    right = predicted == validation.labels
    recorded, found = story.record.val_accuracy, float(right.mean())
    if recorded is None or abs(found - recorded) > _SAME_ACCURACY:
        raise StorageError(
            f"{network.path} classifies {percentage(found)} of the validation images rightly, not "
            f"{recorded} as when it was trained: it is damaged or another network's"
        )
    rival = Rival(
        data_fingerprint=description.fingerprint,
        right=right,
        costs=story.record.costs,
        # Its seconds are those of the device that the sweep began on.
        device=pace_device(reader.stories) or device_name(story.device),
        protocol=measuring_protocol(config),
    )
    return _Challenger(
        network=network,
        description=description,
        trial=story.record,
        validation=validation,
        predicted=predicted,
        rival=rival,
    )


def measuring_protocol(config: Config) -> dict[str, Any]:
    """Return the settings that a sweep's measured costs depend on, by their dotted names."""
    measuring = config.measuring.model_dump(mode="json")
    protocol = {f"measuring.{name}": value for name, value in measuring.items()}
    training = config.training.model_dump(mode="json")
    for name in ("precision", "deterministic", "jit_compile", "steps_per_execution"):
        protocol[f"training.{name}"] = training[name]
    if training["averaging"] != "none":
        protocol["training.averaging"] = training["averaging"]
        protocol["training.averaged_epochs"] = training["averaged_epochs"]
    if set(config.objective.costs) & set(TRAINED_COSTS):
        protocol["training.epochs"] = training["epochs"]
        protocol["objective.target_accuracy"] = config.objective.target_accuracy
        protocol["objective.target_on"] = config.objective.target_on
    if set(config.objective.costs) & set(STEP_TIMES):
        protocol |= how_told(config.sweep_dir)
    began_with = Sessions.read(config.sweep_dir).threads
    protocol["launch.threads"] = config.launch.threads if began_with is None else began_with
    if protocol["launch.threads"] == "auto" and config.launch.workers != "auto":
        protocol["launch.workers"] = config.launch.workers  # they share the cores
    backend = backend_of(config.sweep_dir)
    return protocol if backend == "tensorflow" else protocol | {"backend": backend}


def _rival(registry: Registry, champion: Version | None, challenger: _Challenger) -> Rival | None:
    """Return the champion as the gate sees it; its answers only where the images are the same."""
    if champion is None:
        return None
    fingerprint = champion.tags.get("data_fingerprint", "unknown")
    right: NDArray[np.bool_] | None = None
    if fingerprint == challenger.description.fingerprint:
        from pipeline.tracking.keras_model import KERAS_FILE

        with temporary_folder() as temporary:
            path = registry.download(champion, temporary) / KERAS_FILE
            if path.is_file():
                labels = challenger.validation.labels
                right = _predicted(path, challenger.validation) == labels
    return Rival(
        data_fingerprint=fingerprint,
        right=right,
        costs=champion.costs,
        device=champion.tags.get("device", "an unknown device"),
        protocol=champion.protocol,
        best_before=champion.best_accuracy,
    )


def _predicted(path: Path, split: Split) -> NDArray[np.int64]:
    with shared_device():
        set_up_backend()
        from pipeline.training.saving import predicted_probabilities

        labels: NDArray[np.int64] = predicted_probabilities(path, split.images).argmax(axis=1)
    return labels


def _registration(
    config: Config,
    challenger: _Challenger,
    champion: Rival | None,
    verdict: Verdict,
    digest: str,
) -> Registration:
    summary = read_summary(config.sweep_dir)
    test_accuracy = summary["sweet_spot"]["test_accuracy"]
    trial, data, rival = challenger.trial, challenger.description, challenger.rival
    facts = SweepFacts.of(read(sweep_log_path(config.sweep_dir)))
    commit = facts.commit_at(trial.started or 0.0)
    assert rival.right is not None
    accuracy = float(rival.right.mean())
    tags = {
        "sweep": config.sweep_dir.name,
        "trial": str(trial.number),
        "architecture": trial.specification.architecture.notation,
        "data_fingerprint": data.fingerprint,
        **_accuracy_tags("val_accuracy", accuracy, data.validation),
        "best_val_accuracy": f"{accuracy_to_keep(rival, champion, verdict):.6f}",
        **_accuracy_tags("test_accuracy", test_accuracy, data.test),
        **{name: repr(value) for name, value in trial.costs.items()},
        "leading_cost": config.objective.costs[0],
        "device": rival.device,
        "protocol": json.dumps(rival.protocol),
        "precision": config.training.precision,
        "git_commit": commit or "unknown",
        "model_digest": digest,
        "reason": verdict.reason,
        **({} if verdict.better else {"forced": "true"}),
    }
    card = CardContent(
        sweep=config.sweep_dir.name,
        data=data,
        trial=trial,
        test_accuracy=test_accuracy,
        labels=challenger.validation.labels,
        predicted=challenger.predicted,
        references=summary["references"],
        device=rival.device,
        precision=config.training.precision,
        adam_beta_2=config.training.adam_beta_2,
        averaging=config.training.averaging,
        averaged_epochs=config.training.averaged_epochs,
        epochs=len(trial.history),
        git_commit=commit,
        verdict=verdict,
        forced=not verdict.better,
    )
    return Registration(
        sweep=config.sweep_dir.name,
        trial=trial.number,
        keras_file=challenger.network.path,
        classes=data.classes,
        example=challenger.validation.images[:_EXAMPLES],
        tags=tags,
        card=model_card(card),
    )


def _accuracy_tags(name: str, share: float | None, images: int) -> dict[str, str]:
    if share is None:
        return {}
    interval = wilson_interval(round(share * images), images)
    return {
        name: f"{share:.6f}",
        f"{name}_low": f"{interval.low:.6f}",
        f"{name}_high": f"{interval.high:.6f}",
    }
