"""Optuna's experimental features that we rely on, without a warning each time.

They are multivariate and grouped TPE, the constant liar and names for objectives; the versions
that are allowed are pinned by the lock file, and our tests would notice a change.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import ExperimentalWarning


@contextmanager
def experiments_accepted() -> Iterator[None]:
    """Silence Optuna's warnings about experimental features inside the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
