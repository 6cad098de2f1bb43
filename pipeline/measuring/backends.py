"""Which backend runs below Keras, asked without importing it."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from pipeline.core.errors import ConfigurationError, one_of

Backend = Literal["tensorflow", "jax"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
#: Where a user says it; Keras reads it, too.
VARIABLE = "KERAS_BACKEND"
#: Set before the backend loads, unless the user has set them.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN's convolutions are on by default on some processors only, and faster on all.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Without these, one process takes the whole GPU before it needs it.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # Numbers in CUDA_VISIBLE_DEVICES are nvidia-smi's, as `machine.visible_gpus` reads them; by
    # default CUDA counts from the fastest GPU on.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}


def backend_name() -> Backend:
    """Return the backend that ``KERAS_BACKEND`` names, TensorFlow where it is not set.

    Raises
    ------
    ConfigurationError
        It names another one.
    """
    said = os.environ.get(VARIABLE) or "tensorflow"
    for backend in BACKENDS:
        if said == backend:
            return backend
    raise ConfigurationError(f"{VARIABLE} must be {one_of(BACKENDS)}, not {said!r}")


def backend_version() -> str:
    """Return the version of the backend's package.

    Raises
    ------
    ConfigurationError
        The package is not installed.
    """
    name = backend_name()
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise ConfigurationError(f"{VARIABLE} is {name}, which is not installed here") from error


def backend_part() -> dict[str, str]:
    """Return what is added to whatever hangs on the backend; nothing for TensorFlow.

    So what was written before there was a choice stays valid.
    """
    name = backend_name()
    return {} if name == "tensorflow" else {VARIABLE: name}


def compiles_with_xla_alone() -> bool:
    """Say whether without XLA the backend would run operation by operation, uncompiled."""
    return backend_name() == "jax"
