"""The YAML files of ``conf/``, people's own among them, and what is wrong with one."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.config import PROJECT_ROOT
from pipeline.core.errors import ConfigurationError


def read_conf(path: Path) -> dict[str, Any]:
    """Return the settings in a file of ``conf/``.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is no YAML, or holds no settings.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(_sentence(path, error)) from error
    if values is not None and not isinstance(values, dict):
        raise ConfigurationError(f"{_shown(path)} cannot be read: it holds no settings")
    return values or {}


def unreadable_file(error: Exception) -> str | None:
    """Return which file it was that Hydra could not read, and why; None of another error."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return _sentence(Path(error.problem_mark.name), error)
    if isinstance(error, OSError) and error.filename is not None:
        return _sentence(Path(str(error.filename)), error)
    if isinstance(error, OSError | UnicodeDecodeError | yaml.YAMLError):  # it does not say which
        for path in sorted((PROJECT_ROOT / "conf").rglob("*.yaml")):
            try:
                read_conf(path)
            except ConfigurationError as found:
                return str(found)
    return None


def _sentence(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        reason = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    elif isinstance(error, UnicodeDecodeError):
        reason = "it is not UTF-8 text"
    return f"{_shown(path)} cannot be read: {reason}"


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
