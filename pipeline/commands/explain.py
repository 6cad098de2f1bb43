"""Hydra's, OmegaConf's and pydantic's errors in one sentence each."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.config import Config
from pipeline.core.errors import one_of


def explain_validation(error: ValidationError) -> str:
    """Return the first broken rule: the setting, the rule and the value received."""
    first, *others = error.errors()
    location = [str(part) for part in first["loc"] if not str(part).startswith("function-")]
    setting = ".".join(
        part for part in location if not re.match(r"(literal|constrained|int\b)", part)
    )
    more = f" (and {len(others)} more)" if _others(error) else ""
    return f"{setting}: {_rule(first, setting)}{more}".removeprefix(": ")


def _others(error: ValidationError) -> list[Any]:
    # The members of a union each report their own failure of the same setting.
    places = {tuple(part for part in e["loc"][:2]) for e in error.errors()}
    return list(places)[1:]


def _rule(problem: Any, setting: str) -> str:
    kind, received = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        return f"there is no such setting; {_valid_keys(setting)}"
    if kind == "missing":
        return "this setting is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    rule = str(problem["msg"]).replace("Input should be", "must be")
    return f"{rule}, not {received!r}"


def explain_hydra(error: Exception, overrides: Sequence[str]) -> str:
    """Return what Hydra or OmegaConf complains about, with the names that would be valid."""
    text = str(error)
    group = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if group:
        options = re.search(r"Available options in '[^']+':\n((?:\t.*\n?)*)", text)
        names = options[1].split() if options else []
        valid = f"choose {one_of(names)}" if names else "there is no such group"
        return f"{group[1]}={group[2]}: {group[2]!r} is not an option of {group[1]}; {valid}"
    if "Ambiguous value" in text:
        return f"{text.splitlines()[0].rstrip('.')}; several values need --multirun (a list: [a,b])"
    if "Could not override" in text or "not in struct" in text:
        return _unknown_key(text, overrides)
    first = next((line.strip() for line in text.splitlines() if line.strip()), repr(error))
    return f"the settings cannot be read: {first.rstrip('.')}"


def _unknown_key(text: str, overrides: Sequence[str]) -> str:
    quoted = re.search(r"Could not override '([^']+)'", text) or re.search(
        r"[Kk]ey '([^']+)'", text
    )
    key = quoted[1].lstrip("+~") if quoted else text.splitlines()[0]
    given = next((o for o in overrides if o.lstrip("+~").startswith(f"{key}=")), key)
    return f"{given}: there is no setting or group {key!r}; {_valid_keys(key)}"


def _valid_keys(key: str) -> str:
    """Return the names that are valid where ``key`` goes wrong."""
    model: Any = Config
    for wrong in key.replace("/", ".").split("."):
        field = getattr(model, "model_fields", {}).get(wrong)
        if field is None:
            break
        model = field.annotation
    names = list(getattr(model, "model_fields", {}))
    if model is Config:
        names += ["experiment", "debug"]
    close = difflib.get_close_matches(wrong, names, n=1)
    return f"did you mean {close[0]}?" if close else f"choose {one_of(names)}"
