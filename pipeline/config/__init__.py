"""The whole configuration as one typed, frozen value.

Hydra composes plain YAML from ``conf/``; ``Config.model_validate`` checks it once. Nothing
below this package reads an untyped setting.
"""

from pipeline.config.dimensions import FloatDimension, IntegerDimension, NamedDimension
from pipeline.config.finalists import FinalistsConfig
from pipeline.config.identity import (
    ANY_RULE,
    NO_RUNGS,
    differing_keys,
    identity_hash,
    identity_parts,
)
from pipeline.config.launch import LaunchConfig, LocalLaunch, SlurmLaunch
from pipeline.config.pictures import ALL_FILTERS, FiltersConfig, MapsConfig
from pipeline.config.program import command, program
from pipeline.config.quoting import hydra_value, quoted
from pipeline.config.root import Config
from pipeline.config.scheduling import (
    URL_VARIABLE,
    CronSchedule,
    KubernetesSchedule,
    NotifyConfig,
    ScheduleConfig,
)
from pipeline.config.section import PROJECT_ROOT, Section, anchored, checked_name, expanded
from pipeline.config.sections import (
    CostName,
    DataConfig,
    DataName,
    LimitsConfig,
    MeasuringConfig,
    ObjectiveConfig,
    RungsConfig,
    SearchConfig,
    TrackingConfig,
    TrainingConfig,
)
from pipeline.config.space import MAX_DEPTH, SpaceConfig
from pipeline.config.storage import StorageConfig

__all__ = [
    "ALL_FILTERS",
    "ANY_RULE",
    "MAX_DEPTH",
    "NO_RUNGS",
    "PROJECT_ROOT",
    "URL_VARIABLE",
    "Config",
    "CostName",
    "CronSchedule",
    "DataConfig",
    "DataName",
    "FiltersConfig",
    "FinalistsConfig",
    "FloatDimension",
    "IntegerDimension",
    "KubernetesSchedule",
    "LaunchConfig",
    "LimitsConfig",
    "LocalLaunch",
    "MapsConfig",
    "MeasuringConfig",
    "NamedDimension",
    "NotifyConfig",
    "ObjectiveConfig",
    "RungsConfig",
    "ScheduleConfig",
    "SearchConfig",
    "Section",
    "SlurmLaunch",
    "SpaceConfig",
    "StorageConfig",
    "TrackingConfig",
    "TrainingConfig",
    "anchored",
    "checked_name",
    "command",
    "differing_keys",
    "expanded",
    "hydra_value",
    "identity_hash",
    "identity_parts",
    "program",
    "quoted",
]
