"""The whole configuration as one typed, frozen value.

Hydra composes plain YAML from ``conf/``; ``Config.model_validate`` checks it once. Nothing
below this package reads an untyped setting.
"""

from pipeline.config.dimensions import FloatDimension, IntegerDimension
from pipeline.config.identity import (
    ANY_RULE,
    NO_RUNGS,
    differing_keys,
    identity_hash,
    identity_parts,
)
from pipeline.config.launch import LocalLaunch, SlurmLaunch
from pipeline.config.pictures import ALL_FILTERS, FiltersConfig, MapsConfig
from pipeline.config.program import command, command_at, program
from pipeline.config.quoting import hydra_value, quoted
from pipeline.config.root import Config
from pipeline.config.scheduling import URL_VARIABLE, KubernetesSchedule, NotifyConfig
from pipeline.config.section import PROJECT_ROOT, Section, anchored, checked_name, expanded
from pipeline.config.sections import (
    DataConfig,
    LimitsConfig,
    MeasuringConfig,
    ObjectiveConfig,
    RungsConfig,
    SearchConfig,
    TrackingConfig,
    TrainingConfig,
)
from pipeline.config.space import SpaceConfig
from pipeline.config.storage import StorageConfig

__all__ = [
    "ALL_FILTERS",
    "ANY_RULE",
    "NO_RUNGS",
    "PROJECT_ROOT",
    "URL_VARIABLE",
    "Config",
    "DataConfig",
    "FiltersConfig",
    "FloatDimension",
    "IntegerDimension",
    "KubernetesSchedule",
    "LimitsConfig",
    "LocalLaunch",
    "MapsConfig",
    "MeasuringConfig",
    "NotifyConfig",
    "ObjectiveConfig",
    "RungsConfig",
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
    "command_at",
    "differing_keys",
    "expanded",
    "hydra_value",
    "identity_hash",
    "identity_parts",
    "program",
    "quoted",
]
