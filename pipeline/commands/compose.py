"""From the command line to one typed configuration: Hydra composes, pydantic checks."""

import io
import itertools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pipeline.commands.arguments import CommandLine
from pipeline.commands.conf_files import unreadable_file
from pipeline.commands.explain import explain_hydra, explain_validation
from pipeline.config import PROJECT_ROOT, Config, SpaceConfig, checked_name, quoted
from pipeline.core.errors import ConfigurationError, one_of

CONF = PROJECT_ROOT / "conf"
#: Settings whose values are names of sweeps.
_NAMES = frozenset({"sweep_name", "warm_start"})
#: Settings whose values are paths, and may be anything that a path may be.
_PATHS = frozenset(
    {
        "mlruns", "data.dir", "data.file", "storage.path", "storage.url_file", "notify.url_file",
        "maps.run", "filters.image",
    }
)  # fmt: skip
_RANGE_KEYS = ("low", "high", "log", "step")


def show(line: CommandLine, title: str) -> int:
    """Let Hydra print what its flags ask for: ``--help``, ``--cfg``, ``--info`` and the like.

    Before that stands the title, on the standard error where programs may read the output.
    """
    if line.multirun and not line.help:
        raise ConfigurationError(
            "--cfg, --info and the like show one configuration, so they go without --multirun"
        )
    with redirect_stdout(io.StringIO()) as shown:
        hand_to_hydra([*line.hydra, *settled_dimensions(list(map(_quoted, line.overrides)))])
    print(f"{title}\n", file=sys.stdout if line.help else sys.stderr)
    print(shown.getvalue(), end="")
    return 0


def compose(line: CommandLine) -> Config:
    """Return the configuration of a command line.

    Raises
    ------
    ConfigurationError
        In one sentence: the setting, its rule, what was received and what is valid.
    """
    return checked(plain(line))


def compose_each(line: CommandLine) -> list[Config]:
    """Return a configuration for each combination that ``--multirun`` asks for, else one."""
    if not line.multirun:
        return [compose(line)]
    return [
        compose(CommandLine(command=line.command, hydra=line.hydra, overrides=overrides))
        for overrides in _combinations(line)
    ]


def checked(values: dict[str, Any]) -> Config:
    """Return plain values as a configuration, or raise ConfigurationError."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(explain_validation(error)) from error


def plain(line: CommandLine) -> dict[str, Any]:
    """Return what Hydra composes, resolved, as plain values."""
    overrides = settled_dimensions(list(map(_quoted, line.overrides)))
    if line.hydra:  # --config-dir and the like change where Hydra looks
        composed = hand_to_hydra([*line.hydra, *overrides])
        assert composed is not None, "Hydra ran without showing anything, so it composed"
    else:
        with _explained(overrides), hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            composed = hydra.compose("config", overrides)
    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigurationError(explain_hydra(error, ())) from error
    return values  # type: ignore[return-value]


def _quoted(override: str) -> str:
    """Return a name, or a path that is not plain, in the quotes that Hydra wants.

    It would read 2026_11_30 as the number 20261130, and refuse an ``ü``, a ``(`` or a ``#``.
    """
    key, _, value = override.partition("=")
    if key.lstrip("+") in _NAMES and _is_name(value):
        return f"{key}={quoted(value)}"
    if not value or key.lstrip("+") not in _PATHS or _is_understood(override):
        return override
    return f"{key}={quoted(value)}"


def _each_quoted(override: str) -> str:
    """Return what may hold several names or paths with each in the quotes that it needs.

    Where there are quotation marks already, or a list or a call of Hydra's own, it stays as it is,
    for Hydra to refuse.
    """
    key, _, value = override.partition("=")
    of_names = key.lstrip("+") in _NAMES
    of_paths = key.lstrip("+") in _PATHS and not _is_understood(override)
    if "," not in value or not (of_names or of_paths):
        return _quoted(override)
    if re.search("['\"]", value) or re.match(r"\w+\(|\[", value):
        return override
    parts = [_quoted(f"{key}={part}").partition("=")[2] for part in value.split(",")]
    return f"{key}={','.join(parts)}"


def _is_name(value: str) -> bool:
    """Whether a sweep may be called so; null is none, as Hydra reads it."""
    try:
        checked_name(value)
    except ValueError:
        return False
    return value.lower() != "null"


def _is_understood(override: str) -> bool:
    """Whether Hydra takes a path for what it is; a trial's number is no path."""
    try:
        value = OverridesParser.create().parse_override(override).value()
    except HydraException:
        return False
    return not isinstance(value, int | float) or override.lstrip("+").startswith("maps.run=")


def settled_dimensions(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with what they imply: a dimension is a list or a range.

    Who sets ``space.filters.choices`` means the list, whatever range the chosen file has, and
    the other way round.
    """
    said = [override.partition("=")[0].lstrip("+").split(".") for override in overrides]
    keys = {
        tuple(key)
        for key in said
        if len(key) == 3 and key[0] == "space" and key[1] in SpaceConfig.model_fields
    }
    implied = []
    for dimension in sorted({key[1] for key in keys}):
        ranged = {key[2] for key in keys if key[1] == dimension} & set(_RANGE_KEYS)
        listed = ("space", dimension, "choices") in keys
        if listed and not ranged:
            implied += [f"space.{dimension}.{key}=null" for key in _RANGE_KEYS]
        elif ranged and not listed:
            implied.append(f"space.{dimension}.choices=null")
    return [*implied, *overrides]


def _combinations(line: CommandLine) -> Iterator[tuple[str, ...]]:
    """Yield the product of all values of every sweeping override (``a=1,2 b=3`` gives two)."""
    with _explained(line.overrides):
        parsed = OverridesParser.create().parse_overrides(list(map(_each_quoted, line.overrides)))
        options = [
            [f"{override.get_key_element()}={value}" for value in _values(line, override)]
            if override.is_sweep_override()
            else [override.input_line or ""]
            for override in parsed
        ]
    yield from itertools.product(*options)


def _values(line: CommandLine, override: Override) -> list[str]:
    """Return the values of a sweeping override, as they are written."""
    pattern = override.value()
    if not isinstance(pattern, Glob):
        return list(override.sweep_string_iterator())
    group = override.key_or_group
    options = sorted(
        {path.stem for conf in (CONF, *line.config_dirs) for path in (conf / group).glob("*.yaml")}
    )
    if not (found := pattern.filter(options)):
        valid = f"choose {one_of(options)}" if options else "there is no such group"
        raise ConfigurationError(
            f"{override.input_line}: no option of {group} is so named; {valid}"
        )
    return found


def hand_to_hydra(arguments: Sequence[str]) -> DictConfig | None:
    """Run Hydra's own command line; return what it composed, or None where it printed."""
    composed: list[DictConfig] = []
    GlobalHydra.instance().clear()
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    with _explained(arguments), _as_main(arguments):
        run(composed.append)()
    return composed[0] if composed else None


@contextmanager
def _as_main(arguments: Sequence[str]) -> Iterator[None]:
    """Let ``hydra.main`` see these arguments, and raise instead of printing and exiting."""
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    said = io.StringIO()
    sys.argv = [argv[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with redirect_stderr(said):
            yield
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            # argparse has written how it is used, and what it refuses behind that.
            reason = said.getvalue().rpartition("error: ")[2].strip()
            raise ConfigurationError(f"Hydra refuses this: {reason}") from leaving
    finally:
        sys.argv = argv
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
    sys.stderr.write(said.getvalue())


@contextmanager
def _explained(overrides: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException, OSError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            raise  # of the output that Hydra writes
        said = unreadable_file(error) or explain_hydra(error, overrides)
        raise ConfigurationError(said) from error
