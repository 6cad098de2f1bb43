"""The comparison at equal batch size: ``comparison.json`` in a sweep's folder."""

import json
from pathlib import Path

from pipeline.core.errors import StorageError
from pipeline.reporting.sentence import Comparison

COMPARISON_NAME = "comparison.json"


def read_comparison(sweep_dir: Path, trial: int | None) -> Comparison | None:
    """Return how the references compare with a trial at its batch size.

    Parameters
    ----------
    trial
        The sweet spot's number; a comparison of an earlier sweet spot does not count.

    Returns
    -------
    Comparison or None
        By reference, ``epoch_ratio_equal_batch``; None where it was not measured.

    Raises
    ------
    StorageError
        The file is damaged.
    """
    path = sweep_dir / COMPARISON_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["trial"] != trial:
            return None
        return {name: dict(ratios) for name, ratios in content["references"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {error!r}; remove it") from error
