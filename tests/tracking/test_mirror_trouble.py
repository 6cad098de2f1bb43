import http.server
import re
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import requests
from mlflow import MlflowClient

from pipeline.config import command
from pipeline.core.errors import StorageError
from pipeline.tracking.mirror import SyncReport
from pipeline.tracking.runs import _experiment

Sweep = Any


def test_one_process_mirrors_a_sweep_at_a_time(small_sweep: Sweep) -> None:
    with small_sweep.mirror() as first:
        assert first.sync().failure is None
        with small_sweep.mirror() as second:
            report = second.sync()
        assert report.failure is not None and "another process" in report.failure
        assert first.sync().failure is None
    small_sweep.sync()


@pytest.mark.parametrize("refusing", ["log_artifact", "log_model_artifacts"])
def test_a_refused_artifact_holds_up_nothing_else(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    clock, tries, begun = [0.0], [0], [0]
    create_model = MlflowClient.create_logged_model
    bring = getattr(MlflowClient, refusing)

    def refuse(*_: object, **__: object) -> None:
        tries[0] += 1
        raise requests.HTTPError("413 Client Error: Request Entity Too Large")

    def counted(*arguments: Any, **keywords: Any) -> Any:
        begun[0] += 1
        return create_model(*arguments, **keywords)

    monkeypatch.setattr("pipeline.tracking.refusals.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(MlflowClient, refusing, refuse)
    monkeypatch.setattr(MlflowClient, "create_logged_model", counted)
    with small_sweep.mirror() as mirror:
        for passes in range(6):
            report = mirror.sync()
            assert (report.runs, report.failure) == (4, None) and "413" in (report.refused or "")
            if passes == 0:
                first = tries[0]
    runs = small_sweep.runs()
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert all(run.data.metrics["cost/parameters"] for key, run in runs.items() if key != "sweep")
    # At once by the next pass, and then not for a while.
    assert tries[0] == 2 * first and begun[0] <= 2
    # Whoever comes anew does not take it for done.
    monkeypatch.setattr(MlflowClient, refusing, bring)
    assert small_sweep.sync().updated == first
    models = small_sweep.client().search_logged_models([runs["0"].info.experiment_id])
    assert [model.status for model in models] == ["READY"] * 2 and begun[0] == 2
    artifacts = small_sweep.client().list_artifacts(runs["1"].info.run_id)
    assert "config.yaml" in {item.path for item in artifacts}
    assert small_sweep.sync().updated == 0


def test_what_was_refused_is_tried_once_more_at_the_end(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring = MlflowClient.log_artifact

    def refuse(*_: object, **__: object) -> None:
        raise requests.HTTPError("403 Client Error: Forbidden")

    monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    with small_sweep.mirror() as mirror:
        assert [mirror.sync().updated for _ in range(3)] == [4, 4, 0]
        monkeypatch.setattr(MlflowClient, "log_artifact", bring)
        assert "403" in (mirror.sync().refused or "")
        mirror.end_waiting()
        assert mirror.sync() == SyncReport(runs=4, updated=4)


def test_a_store_that_does_not_answer_is_not_asked_for_every_run(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked, bring = [0.0], [0], MlflowClient.log_artifact

    def hang(*_: object, **__: object) -> None:
        asked[0] += 1
        raise requests.ReadTimeout("read timed out")

    def tries(report: SyncReport) -> int:
        assert (report.runs, report.failure) == (4, None)
        assert "did not answer within" in (report.refused or "")
        before, asked[0] = asked[0], 0
        return before

    monkeypatch.setattr("pipeline.tracking.refusals.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(MlflowClient, "log_artifact", hang)
    with small_sweep.mirror() as mirror:
        # One may be too large a file; after two the store is asked once in a while, for all.
        assert [tries(mirror.sync()) for _ in range(4)] == [2, 1, 0, 0]
        assert {run.info.status for run in small_sweep.runs().values()} == {"FINISHED"}
        clock[0] += 31.0
        assert [tries(mirror.sync()) for _ in range(2)] == [1, 0]
        mirror.end_waiting()
        assert tries(mirror.sync()) == 1
        monkeypatch.setattr(MlflowClient, "log_artifact", bring)
        assert tries(mirror.sync()) == 0
        mirror.end_waiting()
        assert mirror.sync() == SyncReport(runs=4, updated=4)
    assert small_sweep.sync().updated == 0


def test_a_file_that_takes_too_long_holds_up_its_own_run_alone(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise requests.ReadTimeout("read timed out")

    monkeypatch.setattr(MlflowClient, "log_model_artifacts", hang)
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is None and report.refused is not None
    for run in small_sweep.runs().values():
        assert small_sweep.client().list_artifacts(run.info.run_id)


def test_two_files_that_take_too_long_hold_up_no_other_run(
    small_sweep: Sweep, keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = MlflowClient.log_model_artifacts

    def trial_of(client: MlflowClient, model_id: str) -> str:
        run_id = client.get_logged_model(model_id).source_run_id
        return str(client.get_run(run_id or "").data.tags["trial"])

    def hang(client: MlflowClient, model_id: str, folder: str) -> None:
        if trial_of(client, model_id) != "2":
            raise requests.ReadTimeout("read timed out")
        upload(client, model_id, folder)

    monkeypatch.setattr(MlflowClient, "log_model_artifacts", hang)
    with small_sweep.mirror() as mirror:
        for _ in range(2):
            assert mirror.sync().refused is not None
    # What is kept later is brought by whoever begins anew, as sweetspot sync does.
    small_sweep.keep_model(2, keras_file.read_bytes())
    with small_sweep.mirror() as mirror:
        assert mirror.sync().refused is not None
    client = small_sweep.client()
    (experiment,) = {run.info.experiment_id for run in small_sweep.runs().values()}
    models = client.search_logged_models([experiment])
    ready = [trial_of(client, m.model_id) for m in models if str(m.status) == "READY"]
    assert ready == ["2"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_store_that_cannot_be_written_is_reported(small_sweep: Sweep, deleted: bool) -> None:
    database = small_sweep.mlruns / "mlflow.db"
    database.unlink()
    database.mkdir() if deleted else database.write_text("not a database" * 100)
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is not None and f"the MLflow store {database}" in report.failure
    assert report.details is None


def test_a_mistake_of_ours_is_reported_with_its_traceback(
    small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("pipeline.tracking.mirror.trial_content", mistake)
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is not None and "TypeError" in (report.details or "")


def test_a_table_that_is_gone_is_reported(small_sweep: Sweep) -> None:
    small_sweep.sync()
    with sqlite3.connect(small_sweep.mlruns / "mlflow.db") as database:
        database.execute("DROP TABLE tags")
    database.close()
    with small_sweep.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is not None and "nothing is lost" in report.failure
    assert report.failure.count("\n") == 0 and report.details is None


def test_a_server_that_is_down_is_reported(fake_sweep: Callable[..., Sweep]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sweep = fake_sweep("question", uri)
        sweep.begin()
        with sweep.mirror() as mirror:
            report = mirror.sync()
    assert report.failure == (
        f"MLflow at {uri} cannot be reached; training goes on and nothing is lost: the next try, "
        f"or `{command(sweep.config, 'sync', 'question')}`, catches up"
    )
    assert f" sync question mlruns={sweep.mlruns} tracking.uri={uri}`" in report.failure
    assert not (sweep.mlruns / "mlflow.db").exists()


class _BadServer(http.server.BaseHTTPRequestHandler):
    """Answers every request as ``answer`` says: with an error, not at all, or by hanging up."""

    answer = "error"
    release = threading.Event()

    def do_POST(self) -> None:
        if self.answer == "error":
            self.send_error(500, "no disk left")
        elif self.answer == "silence":
            self.release.wait(30)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("error", "refused (.*500"),
        ("silence", "did not answer within 1 s;"),
        ("hangs up", "cut off the connection;"),
    ],
)
def test_a_server_in_trouble_is_reported(
    fake_sweep: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch, answer: str, words: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1" if answer == "silence" else "60")
    monkeypatch.setattr(_BadServer, "answer", answer)
    monkeypatch.setattr(_BadServer, "release", threading.Event())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _BadServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sweep = fake_sweep("question", f"http://127.0.0.1:{server.server_port}")
        sweep.begin()
        with sweep.mirror() as mirror:
            report = mirror.sync()
        _BadServer.release.set()
        server.shutdown()
    assert report.failure is not None and re.search(words.replace("(", "\\("), report.failure)
    assert report.details is None


@pytest.mark.parametrize("shared", [True, False])
def test_an_experiment_in_the_trash_comes_back_in_the_local_store_alone(shared: bool) -> None:
    client = MagicMock(tracking_uri="http://server")
    client.get_experiment_by_name.return_value = SimpleNamespace(
        lifecycle_stage="deleted", experiment_id="7"
    )
    if shared:
        with pytest.raises(StorageError, match=r"sweetspot-digits of .* is in MLflow's trash: re"):
            _experiment(client, "sweetspot-digits", None, shared=True)
        client.restore_experiment.assert_not_called()
    else:
        assert _experiment(client, "sweetspot-digits", None, shared=False) == "7"
        client.restore_experiment.assert_called_once_with("7")
