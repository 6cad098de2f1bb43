from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pipeline.core.errors import StorageError
from pipeline.tracking.pictures import FILTERS_EXPERIMENT, log_pictures


def test_pictures_become_a_finished_run(stored_sweep: Any, tmp_path: Path) -> None:
    config = stored_sweep.config
    picture = tmp_path / "steps.png"
    picture.write_bytes(b"\x89PNG")
    ids = [log_pictures(config, "blur", {"stride": 2, "factor": None}, [picture]) for _ in "12"]
    client = mlflow.MlflowClient(f"sqlite:///{config.mlruns / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(FILTERS_EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == set(ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert runs[0].data.params == {"stride": "2", "factor": "None"}
    assert [file.path for file in client.list_artifacts(ids[0])] == ["steps.png"]
    assert config.mlruns in Path(runs[0].info.artifact_uri.removeprefix("file://")).parents


def test_a_server_that_is_not_there_is_one_sentence(fake_sweep: Callable[..., Any]) -> None:
    config = fake_sweep("question", "http://127.0.0.1:9").config
    with pytest.raises(StorageError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be reached"):
        log_pictures(config, "blur", {}, [])


def test_a_run_that_cannot_be_completed_is_none_that_goes_on(
    stored_sweep: Any, tmp_path: Path
) -> None:
    config = stored_sweep.config
    with pytest.raises(StorageError, match=r"No such file .*missing"):
        log_pictures(config, "blur", {}, [tmp_path / "missing.png"])
    client = mlflow.MlflowClient(f"sqlite:///{config.mlruns / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string=f"name = '{FILTERS_EXPERIMENT}'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
