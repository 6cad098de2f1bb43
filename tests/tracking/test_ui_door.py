"""The door to the sweeps in MLflow's server; what it leads to is looked at in a browser."""

import json
import re
from collections.abc import MutableMapping
from importlib.metadata import entry_points
from typing import Any

import pytest

from pipeline.tracking.pictures import log_pictures
from pipeline.tracking.shared_view import SWEEPS_VIEW
from pipeline.tracking.ui_door import Door

Message = MutableMapping[str, Any]


def asked(scope: Message) -> tuple[list[Message], list[Message]]:
    """Return what the door sends, and the scopes that it passes on."""
    sent: list[Message] = []
    passed: list[Message] = []

    async def pages(scope: Message, receive: Any, send: Any) -> None:
        passed.append(scope)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    # Nothing in here waits, so that no event loop is needed: a browser's test may have one.
    with pytest.raises(StopIteration):
        Door(pages)(scope, receive, send).send(None)
    return sent, passed


@pytest.mark.parametrize("path", ["/sweeps", "/sweeps/"])
def test_sweeps_is_answered_with_the_way_to_the_runs(path: str) -> None:
    (start, body), passed = asked({"type": "http", "method": "GET", "path": path})
    assert passed == []
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert f"/runs?viewStateShareKey={SWEEPS_VIEW}&workflowType=machine_learning" in str(body)


def test_head_has_no_body() -> None:
    (_, body), _ = asked({"type": "http", "method": "HEAD", "path": "/sweeps"})
    assert body["body"] == b""


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http", "method": "GET", "path": "/"},
        {"type": "http", "method": "GET", "path": "/sweeps/1"},
        {"type": "lifespan"},
    ],
    ids=str,
)
def test_everything_else_is_mlflows(scope: Message) -> None:
    assert asked(scope) == ([], [scope])


def test_mlflow_finds_the_door() -> None:
    (point,) = [p for p in entry_points(group="mlflow.app") if p.name == "sweetspot"]
    assert point.value == "pipeline.tracking.ui_door:create_app"


def test_the_door_leads_past_the_pictures_of_filters(stored_sweep: Any) -> None:
    (_, body), _ = asked({"type": "http", "method": "GET", "path": "/sweeps"})
    (asks,) = re.findall(r'filter: ("name LIKE .*") \}', body["body"].decode())
    log_pictures(stored_sweep.config, "blur", {}, [])
    client = stored_sweep.client()
    assert client.search_experiments(filter_string=json.loads(asks)) == []
    stored_sweep.begin()
    stored_sweep.sync()
    (experiment,) = client.search_experiments(filter_string=json.loads(asks))
    assert experiment.name == "sweetspot-digits"
