"""The whole configuration."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.config.finalists import FinalistsConfig
from pipeline.config.launch import LaunchConfig
from pipeline.config.pictures import FiltersConfig, MapsConfig
from pipeline.config.scheduling import CronSchedule, NotifyConfig, ScheduleConfig
from pipeline.config.section import Section, anchored, as_text, checked_name
from pipeline.config.sections import (
    DataConfig,
    MeasuringConfig,
    ObjectiveConfig,
    SearchConfig,
    TrackingConfig,
    TrainingConfig,
)
from pipeline.config.space import SpaceConfig
from pipeline.config.storage import StorageConfig
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError


class Config(Section):
    """Everything a command needs to know."""

    sweep_name: str | None = None
    mlruns: Path
    architecture: str | None = None  #: for `train`: the network; null draws one from the space
    warm_start: str | None = None  #: a sweep whose front this one begins with
    promote: Literal["manual", "auto"] = "manual"  #: auto: a sweep's end does it, see conf/
    calibrate: bool = True  #: measure once a machine what `auto` stands for; else go by rule
    references: bool = True  #: every sweep has both; `train` goes without them
    data: DataConfig
    space: SpaceConfig
    training: TrainingConfig
    measuring: MeasuringConfig
    objective: ObjectiveConfig
    search: SearchConfig
    finalists: FinalistsConfig
    storage: StorageConfig
    tracking: TrackingConfig
    launch: LaunchConfig
    notify: NotifyConfig = NotifyConfig()
    #: For `schedule` alone, so that no sweep keeps it.
    schedule: ScheduleConfig = Field(
        default=CronSchedule(kind="cron", when="0 2 * * *"), exclude=True
    )
    filters: FiltersConfig = FiltersConfig()
    maps: MapsConfig = MapsConfig()

    @field_validator("sweep_name", "warm_start", mode="before")
    @classmethod
    def _named_by_a_number(cls, value: object) -> object:
        return as_text(value)

    @field_validator("sweep_name", "warm_start")
    @classmethod
    def _sweep_name(cls, value: str | None) -> str | None:
        return None if value is None else checked_name(value)

    @field_validator("architecture")
    @classmethod
    def _architecture(cls, value: str | None) -> str | None:
        try:
            return None if value is None else Architecture.parse(value).notation
        except ConfigurationError as error:
            raise ValueError(str(error)) from error

    @field_validator("mlruns")
    @classmethod
    def _mlruns(cls, value: Path) -> Path:
        return anchored(value)

    @model_validator(mode="after")
    def _room_for_references(self) -> Self:
        if self.references and self.search.trials < len(REFERENCES):
            raise ValueError(
                f"search.trials must be at least {len(REFERENCES)}, for the two references, not "
                f"{self.search.trials}"
            )
        return self

    @model_validator(mode="after")
    def _registry_for_promotion(self) -> Self:
        if self.promote == "auto" and not self.tracking.enabled:
            raise ValueError(
                "promote=auto needs MLflow, whose registry holds the champion, so not tracking=off"
            )
        return self

    @property
    def sweep_dir(self) -> Path:
        """The sweep's folder; the sweep has its name by now."""
        assert self.sweep_name is not None
        return self.mlruns / "sweeps" / self.sweep_name

    @property
    def storage_path(self) -> Path:
        """The journal file of the study."""
        return anchored(self.storage.path) if self.storage.path else self.mlruns / "optuna.journal"
