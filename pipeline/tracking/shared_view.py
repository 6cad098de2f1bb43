"""A sweep's trials as a table in MLflow's pages, with the columns that matter.

MLflow keeps what its "share view" button makes as a tag of the experiment, and an address names
the tag. So a sweep can bring its own view along: its runs only, the most accurate first, with
status, accuracy, costs and architecture as columns, instead of the sixty that there are.
"""

import json
from collections.abc import Sequence

#: MLflow's own prefix; the rest of the tag's name is the key in the address.
_PREFIX = "mlflow.sharedViewState."


def view_tag(sweep_run_id: str) -> str:
    """Return the name of the experiment's tag; it outlives a sweep's renaming."""
    return _PREFIX + sweep_run_id


def view_state(sweep_run_id: str, costs: Sequence[str]) -> str:
    """Return the tag's value for a sweep with these costs."""
    state = {
        "searchFilter": f"tags.mlflow.parentRunId = '{sweep_run_id}'",
        "orderByKey": "metrics.`val_accuracy`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            "metrics.`val_accuracy`",
            *(f"metrics.`cost/{name}`" for name in costs),
            "params.`architecture`",
            "tags.`kind`",
            "tags.`status`",
        ],
    }
    return json.dumps(state)


def view_link(experiment_id: str, sweep_run_id: str) -> str:
    """Return a line of Markdown that leads to the view, wherever MLflow is served."""
    address = f"#/experiments/{experiment_id}/runs?viewStateShareKey={sweep_run_id}"
    return f"[All its runs as a table, the most accurate first]({address})"
