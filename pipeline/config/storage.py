"""Where Optuna keeps the study."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.section import Section


class StorageConfig(Section):
    """Where Optuna keeps the study; a server's address is no setting, it may hold a password."""

    kind: Literal["journal", "postgres"]
    path: Path | None = None  #: for `journal`; default: `optuna.journal` under `mlruns`
    url_file: Path | None = None  #: for `postgres`; default: the environment says where it is
    heartbeat_seconds: Annotated[float, Field(gt=0, le=86_400)] = 15.0  #: a worker's sign of life
    grace_seconds: Annotated[float, Field(gt=0)] = 120.0  #: silent for longer, a worker is lost
    patience_seconds: Annotated[float, Field(ge=0)] = 300.0  #: how long a server may be away

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "journal" and self.url_file is not None:
            raise ValueError("url_file belongs to storage=postgres, a journal has a path")
        if self.kind == "postgres" and self.path is not None:
            raise ValueError("path belongs to storage=journal, a server has a url_file")
        if self.grace_seconds < 3 * self.heartbeat_seconds:
            raise ValueError(
                f"grace_seconds must be at least three times heartbeat_seconds, "
                f"{3 * self.heartbeat_seconds:g}, not {self.grace_seconds:g}: a worker that is "
                "only late would be given up"
            )
        return self
