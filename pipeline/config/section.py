"""What every part of the configuration is made of."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.core.errors import ConfigurationError

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


def _auto_or_count(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"must be auto or a positive whole number, not {value!r}")


Count = Annotated[Literal["auto"] | int, BeforeValidator(_auto_or_count)]


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=False,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a secret
    )


def anchored(path: Path) -> Path:
    """Return the absolute path; a relative one starts at the project, wherever we are.

    Raises
    ------
    ConfigurationError
        As of ``expanded``, or its links lead in a circle.
    """
    try:
        return (PROJECT_ROOT / expanded(path)).resolve()
    except RuntimeError as error:
        raise ConfigurationError(f"{path} leads nowhere: its links go in a circle") from error


def expanded(path: Path) -> Path:
    """Return the path with the home folder that ``~`` or ``~user`` stands for.

    Raises
    ------
    ConfigurationError
        There is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{path} leads nowhere: {path.parts[0]} is no user's home folder here"
        ) from error


def as_text(value: object) -> object:
    """Return a whole number as text: YAML and Hydra read 30 as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def checked_name(value: str) -> str:
    """Return a name that is safe as a folder, or raise ValueError."""
    if not _NAME.fullmatch(value) or ".." in value:
        raise ValueError(
            "a name consists of letters, digits, '.', '_' and '-' (at most 100, no '..'), "
            f"not {value!r}"
        )
    return value
