"""A sweep's trials as a table in MLflow's pages, with the columns that matter.

MLflow keeps what its "share view" button makes as a tag of the experiment, and an address names
the tag. So a sweep can bring its own view along: its runs only, the most accurate first, with
status, accuracy, costs and architecture as columns, instead of the sixty that there are.
"""

import json
from collections.abc import Sequence

#: MLflow's own prefix; the rest of the tag's name is the key in the address.
_PREFIX = "mlflow.sharedViewState."


#: The view of a whole experiment: its sweeps, each of which unfolds into its trials.
SWEEPS_VIEW = "sweeps"


def view_tag(key: str) -> str:
    """Return the name of the experiment's tag; a sweep's key is its run, which outlives a name."""
    return _PREFIX + key


def view_state(sweep_run_id: str, costs: Sequence[str]) -> str:
    """Return the tag's value for a sweep with these costs."""
    return _state(
        search=f"tags.mlflow.parentRunId = '{sweep_run_id}'",
        order="metrics.`val_accuracy`",
        columns=(
            "metrics.`val_accuracy`",
            *(f"metrics.`cost/{name}`" for name in costs),
            "params.`architecture`",
            "tags.`kind`",
            "tags.`status`",
        ),
    )


def sweeps_state() -> str:
    """Return the value of the tag for ``SWEEPS_VIEW``: the newest sweep first."""
    return _state(
        search="",
        order="attributes.start_time",
        columns=(
            "metrics.`sweet_spot/val_accuracy`",
            "metrics.`val_accuracy`",
            "metrics.`cost/epoch_seconds`",
            "params.`architecture`",
            "tags.`status`",
        ),
    )


def _state(*, search: str, order: str, columns: Sequence[str]) -> str:
    state = {
        "searchFilter": search,
        "orderByKey": order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
    }
    return json.dumps(state)


def runs_address(experiment_id: str, key: str) -> str:
    """Return where a view is, below wherever MLflow is served."""
    view = f"viewStateShareKey={key}&workflowType=machine_learning"
    return f"#/experiments/{experiment_id}/runs?{view}"


def view_link(experiment_id: str, sweep_run_id: str) -> str:
    """Return a line of Markdown that leads to a sweep's view."""
    address = runs_address(experiment_id, sweep_run_id)
    return f"[All its runs as a table, the most accurate first]({address})"
