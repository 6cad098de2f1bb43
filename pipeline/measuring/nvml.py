"""NVIDIA's management library, where package and driver are there."""

import importlib
from types import ModuleType


def load_nvml() -> ModuleType | None:
    """Return ``pynvml`` (package ``nvidia-ml-py``) ready for use, or None without a driver."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
