"""Hydra's, OmegaConf's and pydantic's errors in one sentence each."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.commands.conf_files import read_conf
from pipeline.config import PROJECT_ROOT, Config
from pipeline.core.errors import one_of

_MISSING = object()
#: What Hydra's grammar gives no meaning outside quotation marks, and what it takes for a call.
_UNQUOTED = re.compile(r"[^A-Za-z0-9_/\\\-.:+$%*@?|,\[\]{} '\"]")


def explain_validation(error: ValidationError) -> str:
    """Return the first broken rule: the setting, the rule and the value received."""
    first, *others = error.errors()
    location = _without_tags(
        [str(part) for part in first["loc"] if not str(part).startswith("function-")]
    )
    setting = ".".join(
        part for part in location if not re.match(r"(literal|constrained|int\b)", part)
    )
    more = f" (and {len(others)} more)" if _others(error) else ""
    return f"{setting}: {_rule(first, setting)}{more}".removeprefix(": ")


def _without_tags(location: list[str]) -> list[str]:
    """Leave out what names a section's kind: ``launch.slurm.gpus`` is the setting launch.gpus."""
    if len(location) > 1 and location[1] in kinds_of(location[0]):
        return [location[0], *location[2:]]
    return location


def kinds_of(section: str) -> dict[str, type[BaseModel]]:
    """Return the models of a section that comes in kinds, by kind; none of another section."""
    field = Config.model_fields.get(section)
    members = get_args(field.annotation) if field is not None and field.discriminator else ()
    return {
        kind: member
        for member in members
        for kind in get_args(member.model_fields["kind"].annotation)
    }


def _others(error: ValidationError) -> list[Any]:
    # The members of a union each report their own failure of the same setting.
    places = {tuple(part for part in e["loc"][:2]) for e in error.errors()}
    return list(places)[1:]


def _rule(problem: Any, setting: str) -> str:
    kind, received = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        return f"there is no such setting; {_valid_keys(setting)}"
    if kind == "union_tag_invalid":
        return f"kind must be {one_of(kinds_of(setting))}, not {problem['ctx']['tag']!r}"
    if kind == "missing":
        return "this setting is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    rule = str(problem["msg"]).replace("Input should be", "must be")
    is_discreet = _may_be_secret(setting) or "://" in str(received)
    return rule if is_discreet else f"{rule}, not {received!r}"


def explain_hydra(error: Exception, overrides: Sequence[str]) -> str:
    """Return what Hydra or OmegaConf complains about, with the names that would be valid.

    What may be a secret, an address above all, is not repeated.
    """
    sentence = _explain_hydra(str(error), error, overrides)
    for override in overrides:
        key, _, value = override.partition("=")
        if value and (_may_be_secret(key) or "://" in value):
            sentence = sentence.replace(value, "***")
    return sentence


def _may_be_secret(setting: str) -> bool:
    return setting.lstrip("+~").startswith(("notify", "tracking.uri"))


def _explain_hydra(text: str, error: Exception, overrides: Sequence[str]) -> str:
    group = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if group:
        options = re.search(r"Available options in '[^']+':\n((?:\t.*\n?)*)", text)
        names = options[1].split() if options else []
        valid = f"choose {one_of(names)}" if names else "there is no such group"
        return f"{group[1]}={group[2]}: {group[2]!r} is not an option of {group[1]}; {valid}"
    if "Ambiguous value" in text:
        return _several(text.splitlines()[0].rstrip("."))
    if "Could not override" in text or "not in struct" in text:
        return _unknown_key(text, overrides)
    unreadable = str(getattr(error, "override", ""))  # of Hydra's OverrideParseException
    key, _, value = unreadable.partition("=")
    if _UNQUOTED.search(value):
        return (
            f"{unreadable}: other than ASCII letters and digits and _-/.:+$%*@?|\\ a value may "
            f"hold nothing but in quotation marks of its own, in a shell \"{key}='…'\"; in a "
            "list each element has its own"
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), repr(error))
    return f"the settings cannot be read: {first.rstrip('.')}"


def _several(said: str) -> str:
    """Return what to do about ``Ambiguous value for argument 'KEY=a,b'``."""
    advice = f"{said}; several values need --multirun (a list: [a,b])"
    found = re.search(r"'([^'=]+)=", said)
    if found is None or (PROJECT_ROOT / "conf" / found[1]).is_dir():  # no option holds a comma
        return advice
    return (
        f"{advice}, and one that holds a comma quotation marks of its own, in a shell "
        f"\"{found[1]}='…'\""
    )


def _unknown_key(text: str, overrides: Sequence[str]) -> str:
    quoted = re.search(r"Could not override '([^']+)'", text) or re.search(
        r"[Kk]ey '([^']+)'", text
    )
    key = quoted[1].lstrip("+~") if quoted else text.splitlines()[0]
    given = next((o for o in overrides if o.lstrip("+~").startswith(f"{key}=")), key)
    return f"{given}: there is no setting or group {key!r}; {_valid_keys(key)}"


def _valid_keys(key: str) -> str:
    """Return the names that are valid where ``key`` goes wrong."""
    section, _, setting = key.replace("/", ".").partition(".")
    if kinds := kinds_of(section):
        owners = [kind for kind, member in kinds.items() if setting in member.model_fields]
        if owners:
            return f"it belongs to {one_of(f'{section}={owner}' for owner in owners)}"
        return _closest(setting, [name for m in kinds.values() for name in m.model_fields])
    model: Any = Config
    parts = key.replace("/", ".").split(".")
    for place, wrong in enumerate(parts):
        fields = getattr(model, "model_fields", {})
        if not fields:
            return f"{'.'.join(parts[:place])} has no settings of its own"
        if wrong not in fields:
            names = [*fields, "experiment", "debug"] if model is Config else list(fields)
            return _closest(wrong, names)
        model = _model_of(fields[wrong].annotation)
    owners = [f"{section}={option}" for option in _options_with(section, setting)]
    return f"it belongs to {one_of(owners)}" if owners else f"+{key}=VALUE says it all the same"


def _model_of(annotation: Any) -> Any:
    """Return the section among what a setting may be, such as ``Section | None``."""
    sections = (member for member in get_args(annotation) if hasattr(member, "model_fields"))
    return next(sections, annotation)


def _options_with(group: str, setting: str) -> list[str]:
    """Return the options of a group whose files have a setting."""
    found = []
    for path in sorted((PROJECT_ROOT / "conf" / group).glob("*.yaml")):
        values: Any = read_conf(path)
        for name in setting.split("."):
            values = values.get(name, _MISSING) if isinstance(values, dict) else _MISSING
        if values is not _MISSING:
            found.append(path.stem)
    return found


def _closest(wrong: str, names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    close = difflib.get_close_matches(wrong, names, n=1)
    return f"did you mean {close[0]}?" if close else f"choose {one_of(names)}"
