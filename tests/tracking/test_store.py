import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.tracking import store

Sweep = Any


def tables(database: Path) -> set[str]:
    connection = sqlite3.connect(database)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    finally:
        connection.close()


def test_the_store_is_pinned_under_mlruns(fake_sweep: Callable[..., Sweep]) -> None:
    config = fake_sweep().config
    assert store.tracking_uri(config) == f"sqlite:///{config.mlruns}/mlflow.db"
    location = store.artifact_location(config, "sweetspot-digits")
    assert location == (config.mlruns / "artifacts" / "sweetspot-digits").as_uri()


def test_a_server_keeps_its_own_artifacts(fake_sweep: Callable[..., Sweep]) -> None:
    config = fake_sweep("question", "http://box:5000").config
    assert store.tracking_uri(config) == "http://box:5000"
    assert store.artifact_location(config, "sweetspot-digits") is None


def test_a_database_without_a_server_keeps_its_artifacts_under_mlruns(
    fake_sweep: Callable[..., Sweep],
) -> None:
    config = fake_sweep("question", "postgresql+psycopg://me@box/mlflow").config
    location = store.artifact_location(config, "sweetspot-digits")
    assert location == (config.mlruns / "artifacts" / "sweetspot-digits").as_uri()


def test_four_at_once_create_one_complete_store_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], empty_store: Path
) -> None:
    """Somebody was killed before, while creating it."""
    (tmp_path / ".mlflow.db.unfinished-1").write_bytes(empty_store.read_bytes()[:5000])
    errors: list[Exception] = []

    def create() -> None:
        try:
            store.create_store(tmp_path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert tables(tmp_path / "mlflow.db") == tables(empty_store)
    assert not list(tmp_path.glob("*unfinished*"))
    assert capfd.readouterr() == ("", "")


def test_an_existing_store_is_left_alone(tmp_path: Path, empty_store: Path) -> None:
    data = empty_store.read_bytes()
    (tmp_path / "mlflow.db").write_bytes(data)
    store.create_store(tmp_path)
    assert (tmp_path / "mlflow.db").read_bytes() == data


def test_a_store_that_another_process_writes_is_no_error(tmp_path: Path, empty_store: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    writer = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    try:
        writer.execute("BEGIN EXCLUSIVE")
        store.create_store(tmp_path, busy_seconds=0.0)
    finally:
        writer.close()


def test_what_is_not_a_database_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("certainly not SQLite, and long enough to look like it" * 9)
    with pytest.raises(StorageError, match=r"mlflow.db cannot be used: file is not a database"):
        store.create_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot be created: (Not a directory|File exists)"):
        store.create_store(tmp_path / "mlruns")


def test_a_users_own_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    store.prepare_environment()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert store.ui_environment()["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert logging.getLogger("alembic").level == logging.CRITICAL


def test_the_pages_are_those_of_the_store_under_mlruns() -> None:
    command = store.ui_command(Path("/somewhere/mlruns"), "127.0.0.1", 5123)
    words = " ".join(command)
    assert "--host 127.0.0.1 --port 5123" in words
    assert "--app-name sweetspot" in words
    assert "--backend-store-uri sqlite:////somewhere/mlruns/mlflow.db" in words
    assert "--artifacts-destination file:///somewhere/mlruns/artifacts" in words


def test_a_store_that_was_moved_has_its_artifacts_beside_it(
    small_sweep: Any, tmp_path: Path
) -> None:
    small_sweep.sync()
    before = small_sweep.runs()["sweep"]
    assert before.info.artifact_uri.startswith((small_sweep.mlruns / "artifacts").as_uri())
    moved = tmp_path / "a project with spaces" / "mlruns"
    moved.parent.mkdir()
    small_sweep.mlruns.rename(moved)
    config = small_sweep.config.model_copy(update={"mlruns": moved})
    small_sweep.config, small_sweep.mlruns = config, moved
    small_sweep.dir = moved / "sweeps" / config.sweep_name
    client = store.open_client(config)
    after = small_sweep.runs()
    assert after["sweep"].info.run_id == before.info.run_id
    artifacts = (moved / "artifacts").as_uri()
    for run in after.values():
        assert run.info.artifact_uri.startswith(f"{artifacts}/sweetspot-digits/")
    names = {file.path for file in client.list_artifacts(before.info.run_id)}
    assert "summary.json" in names
    models = client.search_logged_models([before.info.experiment_id])
    assert models and all(model.artifact_location.startswith(artifacts) for model in models)
    small_sweep.keep_model(1, None)
    small_sweep.sync()
    assert not (tmp_path / "mlruns").exists()


def test_what_another_folder_keeps_stays_there(small_sweep: Any, tmp_path: Path) -> None:
    uri = f"sqlite:///{small_sweep.mlruns / 'mlflow.db'}"
    tracking = small_sweep.config.tracking.model_copy(update={"uri": uri})
    other = tmp_path / "other"
    small_sweep.config = small_sweep.config.model_copy(
        update={"mlruns": other, "tracking": tracking}
    )
    small_sweep.sync()
    store.create_store(small_sweep.mlruns)  # as any command with the store of its own does
    for run in small_sweep.runs().values():
        assert run.info.artifact_uri.startswith((other / "artifacts").as_uri())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10s", "a whole number, not '10s'"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "", "a whole number, not ''"),
        ("MLFLOW_DISABLE_TELEMETRY", "yes", "true, false, 1 or 0, not 'yes'"),
    ],
)
def test_a_variable_that_mlflow_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, rule: str
) -> None:
    for other in store._ENVIRONMENT:
        monkeypatch.setenv(other, "")
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"^{name} must be {rule}$"):
        store.prepare_environment()
    for sound in ("5", " 5 ") if "HTTP" in name else ("True", "0"):
        monkeypatch.setenv(name, sound)
        store.prepare_environment()
