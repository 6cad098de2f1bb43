"""What makes a sweep this sweep and no other."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.config.root import Config
from pipeline.core.pace import STEP_TIMES, TIMED_WARM, TOLD_IN_EPOCHS, TRAINING_TIMES
from pipeline.core.trial import ADAM_BETA_2

#: Which network is chosen changes nothing of what is searched and trained. The keys are there,
#: with what they are by default, so that sweeps keep the names they have always had.
ANY_RULE = {"rule": "auto", "budget": None, "price": None}
#: The same of rungs that stop nobody.
NO_RUNGS = {"enabled": False, "first": 1, "risk": 0.05, "keep": 0.7, "peers": 5}


def identity_parts(config: Config, data_fingerprint: str) -> dict[str, Any]:
    """Return what makes a sweep this sweep: another value asks another question.

    Parameters
    ----------
    config
        With ``training.precision`` resolved.
    data_fingerprint
        Of the images, labels and splits that were resolved.
    """
    search = config.search.model_dump(mode="json")
    for budget in ("trials", "minutes", "max_failed", "max_infeasible", "max_retries"):
        del search[budget]
    if not config.search.rungs.enabled:
        search["rungs"] = NO_RUNGS
    if not search["first"]:
        del search["first"]
    space = config.space.model_dump(mode="json")
    if config.space.augmentation.values() == ("none",):
        del space["augmentation"]
    if config.space.epochs is None:
        del space["epochs"]
    training = config.training.model_dump(mode="json")
    if config.training.averages_over in (None, 1.0):
        del training["averaged_epochs"]
    if training["averaging"] == "none":
        del training["averaging"]
    if training["adam_beta_2"] == ADAM_BETA_2:
        del training["adam_beta_2"]
    objective = config.objective.model_dump(mode="json") | ANY_RULE
    del objective["least_accuracy"]  # of a rule, too, and younger than these names
    if objective["target_on"] == "validation":
        del objective["target_on"]
    parts = {
        "architecture": config.architecture,
        "data": data_fingerprint,
        "space": space,
        "objective": objective,
        "training": training,
        "measuring": config.measuring.model_dump(mode="json"),
        "search": search,
    }
    if set(config.objective.costs) & set(TRAINING_TIMES):
        parts |= TOLD_IN_EPOCHS
    if config.objective.deciding & set(STEP_TIMES):
        parts |= TIMED_WARM
    return parts if config.warm_start is None else parts | {"warm_start": config.warm_start}


def identity_hash(parts: Mapping[str, Any]) -> str:
    """Return 64 hexadecimal digits that stand for ``identity_parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differing_keys(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys whose values differ, sorted."""
    keys = []
    for key in sorted(set(ours) | set(theirs)):
        left, right = ours.get(key), theirs.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            keys += [f"{key}.{below}" for below in differing_keys(left, right)]
        elif left != right:
            keys.append(key)
    return keys
