"""MLflow's server with a door of ours: ``/sweeps`` leads to where the sweeps are.

MLflow's pages open on what is for language models: no runs, and the description of a run far
down. Which of its two sides is shown is a choice that the browser keeps, and so is an assistant
that covers a quarter of the window. The door makes both choices for whoever has not made them
yet, and goes on to the runs. Nothing of MLflow's is changed, and its own addresses stay as they
are. MLflow finds this module by the entry point ``mlflow.app`` of pyproject.toml.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pipeline.tracking.shared_view import SWEEPS_VIEW, runs_address, view_tag

PATH = "/sweeps"
#: What MLflow's pages keep in the browser: the side that is shown, and that the assistant is shut.
_CHOICES = {
    "mlflow.workflowType_v1": json.dumps("machine_learning"),
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": json.dumps(True),
    "mlflow.assistant.panelOpen_v1": json.dumps(False),
}
#: The experiments that have a view of sweeps: that of filters has none.
_SWEEPS_FILTER = f"name LIKE 'sweetspot-%' AND tags.`{view_tag(SWEEPS_VIEW)}` LIKE '%'"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>sweetspot</title>
<p>On to <a href="/#/experiments">the experiments</a> …</p>
<script>
for (const [name, value] of Object.entries(%(choices)s)) {
  if (localStorage.getItem(name) === null) localStorage.setItem(name, value);
}
const ask = { max_results: 2, filter: %(filter)s };
fetch("/ajax-api/2.0/mlflow/experiments/search", {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(ask),
})
  .then((answer) => answer.json())
  .then(({ experiments }) => experiments && experiments.length === 1
    ? "/" + %(runs)s.replace("EXPERIMENT", experiments[0].experiment_id)
    : "/#/experiments")
  .catch(() => "/#/experiments")
  .then((address) => location.replace(address));
</script>
"""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Door:
    """Answers at ``/sweeps``, and passes everything else on."""

    def __init__(self, pages: Application) -> None:
        self._pages = pages
        runs = runs_address("EXPERIMENT", SWEEPS_VIEW)
        values = {"choices": _CHOICES, "runs": runs, "filter": _SWEEPS_FILTER}
        written = {name: json.dumps(value) for name, value in values.items()}
        self._page = (_PAGE % written).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != PATH:
            await self._pages(scope, receive, send)
            return
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(self._page)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else self._page
        await send({"type": "http.response.body", "body": body})


def create_app() -> Door:
    """Return MLflow's pages with the door, for ``mlflow server --app-name sweetspot``."""
    from mlflow.server.fastapi_app import app

    return Door(app)
