from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import command
from pipeline.core.errors import StorageError
from pipeline.tracking.event_log import sweep_log_path
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.store import DATABASE, open_client
from pipeline.tracking.sweeps import delete_sweep, rename_sweep, runs_of_others

Sweep = Any


def mirrored(sweep: Sweep, keras_file: Path) -> None:
    sweep.begin()
    for number, architecture in enumerate(("d128", "64k3-64k3-d128")):
        spec = sweep.specification(number, architecture)
        sweep.start(spec)
        sweep.finish(spec, epochs=0)
    sweep.keep_model(1, keras_file.read_bytes())
    sweep.summarise()
    sweep.end()
    with Mirror(sweep.dir, sweep.config, sweep.data) as mirror:
        assert mirror.sync().failure is None


def names(sweep: Sweep) -> list[str]:
    client = open_client(sweep.config)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    return sorted(
        f"{run.data.tags['sweep']}/{run.info.run_name}"
        for run in client.search_runs([experiment.experiment_id])
    )


def files(sweep: Sweep) -> list[Path]:
    return [path for path in (sweep.mlruns / "artifacts").rglob("*") if path.is_file()]


def test_another_sweep_of_the_same_name_is_left_alone(
    stored_sweep: Sweep, keras_file: Path, tmp_path: Path
) -> None:
    mirrored(stored_sweep, keras_file)
    before = names(stored_sweep)
    tracking = stored_sweep.config.tracking.model_copy(
        update={"uri": f"sqlite:///{stored_sweep.mlruns / DATABASE}"}
    )
    mlruns = tmp_path / "a colleague's"
    config = stored_sweep.config.model_copy(update={"mlruns": mlruns, "tracking": tracking})
    other = type(stored_sweep)(mlruns, config)
    other.now += 3600.0
    other.begin()
    with other.mirror() as mirror:
        report = mirror.sync()
    assert report.failure is not None
    assert "has another sweep that is called question, so this one is not" in report.failure
    assert f"({command(other.config, 'clean', 'rename=question:NEW')})" in report.failure
    assert delete_sweep(other.config, "question") == 0
    assert rename_sweep(other.config, "question", "mine") == 0
    assert runs_of_others(other.config, "question") == 3
    # Nor does one that was never begun, as one whose jobs wait in a queue, know what is its own.
    unbegun = other.config.model_copy(update={"mlruns": tmp_path / "nothing"})
    assert delete_sweep(unbegun, "question") == 0
    assert runs_of_others(unbegun, "question") == 3
    assert names(stored_sweep) == before
    # The other one goes there under another name, and cannot take this one's.
    other.dir.rename(other.dir.with_name("mine"))
    other.dir = other.dir.with_name("mine")
    other.config = other.config.model_copy(update={"sweep_name": "mine"})
    other.sync()
    with pytest.raises(StorageError, match="MLflow has runs of a sweep question already"):
        rename_sweep(other.config, "mine", "question")
    assert runs_of_others(other.config, "mine") == 0
    assert delete_sweep(other.config, "mine") == 1
    assert names(stored_sweep) == before
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as mirror:
        assert mirror.sync().failure is None
    assert delete_sweep(stored_sweep.config, "question") == 3


def test_a_deleted_sweep_leaves_nothing_and_its_neighbour_alone(
    stored_sweep: Sweep, fake_sweep: Callable[..., Sweep], keras_file: Path
) -> None:
    mirrored(stored_sweep, keras_file)
    kept = files(stored_sweep)
    other = fake_sweep("question-2")
    mirrored(other, keras_file)
    thrown_away = open_client(other.config).create_experiment("somebody's")
    open_client(other.config).delete_experiment(thrown_away)
    assert delete_sweep(other.config, "question-2") == 3
    assert names(stored_sweep) == [
        "question/000 d128",
        "question/001 64k3-64k3-d128",
        "question/question",
    ]
    assert sorted(files(stored_sweep)) == sorted(kept)
    client = open_client(other.config)
    assert client.get_experiment(thrown_away).lifecycle_stage == "deleted"
    assert delete_sweep(other.config, "question-2") == 0
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    views = {tag for tag in experiment.tags if tag.startswith("mlflow.sharedViewState.")}
    assert len(views - {"mlflow.sharedViewState.sweeps"}) == 1  # the neighbour's
    assert delete_sweep(stored_sweep.config, "question") == 3
    assert files(stored_sweep) == []
    folders = [path.name for path in (stored_sweep.mlruns / "artifacts").rglob("*")]
    assert sorted(folders) == ["models", "sweetspot-digits"]


def test_in_a_store_of_its_own_all_runs_of_a_name_are_the_sweeps(
    stored_sweep: Sweep, keras_file: Path
) -> None:
    mirrored(stored_sweep, keras_file)
    sweep_log_path(stored_sweep.dir).unlink()  # nobody can say any more who has begun it
    assert runs_of_others(stored_sweep.config, "question") == 0
    assert delete_sweep(stored_sweep.config, "question") == 3


def test_a_deleted_sweep_can_be_mirrored_again(stored_sweep: Sweep, keras_file: Path) -> None:
    mirrored(stored_sweep, keras_file)
    delete_sweep(stored_sweep.config, "question")
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as mirror:
        assert mirror.sync().updated == 3


def test_what_was_promoted_is_not_deleted(stored_sweep: Sweep, keras_file: Path) -> None:
    mirrored(stored_sweep, keras_file)
    client = open_client(stored_sweep.config)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    (model,) = client.search_logged_models([experiment.experiment_id])
    client.create_registered_model("champion")
    client.create_model_version("champion", model.model_uri, run_id=model.source_run_id)
    with pytest.raises(StorageError, match="holds what was promoted \\(champion version 1\\)"):
        delete_sweep(stored_sweep.config, "question")
    assert len(names(stored_sweep)) == 3


def test_a_renamed_sweep_is_found_by_its_new_name(stored_sweep: Sweep, keras_file: Path) -> None:
    mirrored(stored_sweep, keras_file)
    assert rename_sweep(stored_sweep.config, "question", "answer") == 3
    stored_sweep.dir = stored_sweep.dir.rename(stored_sweep.dir.with_name("answer"))
    client = open_client(stored_sweep.config)
    (experiment,) = client.search_experiments(filter_string="name = 'sweetspot-digits'")
    (model,) = client.search_logged_models([experiment.experiment_id])
    assert (model.tags["sweep"], model.tags["trial"]) == ("answer", "1")
    assert names(stored_sweep) == ["answer/000 d128", "answer/001 64k3-64k3-d128", "answer/answer"]
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as mirror:
        assert mirror.sync().failure is None
    assert names(stored_sweep) == ["answer/000 d128", "answer/001 64k3-64k3-d128", "answer/answer"]


def test_a_sweep_in_use_is_not_touched(stored_sweep: Sweep, keras_file: Path) -> None:
    mirrored(stored_sweep, keras_file)
    with Mirror(stored_sweep.dir, stored_sweep.config, stored_sweep.data) as mirror:
        mirror.sync()
        with pytest.raises(StorageError, match="is in use"):
            delete_sweep(stored_sweep.config, "question")
        with pytest.raises(StorageError, match="is in use"):
            rename_sweep(stored_sweep.config, "question", "answer")
    assert len(names(stored_sweep)) == 3


def test_without_a_store_there_is_nothing_to_do(fake_sweep: Callable[..., Sweep]) -> None:
    sweep = fake_sweep()
    assert delete_sweep(sweep.config, "question") == 0
    assert rename_sweep(sweep.config, "question", "answer") == 0
    assert not (sweep.mlruns / "mlflow.db").exists()


def test_a_store_that_does_not_answer_is_said(fake_sweep: Callable[..., Sweep]) -> None:
    sweep = fake_sweep()
    (sweep.mlruns / "mlflow.db").write_text("not a database" * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        delete_sweep(sweep.config, "question")


def test_an_earlier_versions_runs_are_taken_by_the_sweep_that_began_them(
    stored_sweep: Sweep, keras_file: Path, tmp_path: Path
) -> None:
    tracking = stored_sweep.config.tracking.model_copy(
        update={"uri": f"sqlite:///{stored_sweep.mlruns / DATABASE}"}
    )
    stored_sweep.config = stored_sweep.config.model_copy(update={"tracking": tracking})
    mirrored(stored_sweep, keras_file)
    client = open_client(stored_sweep.config)
    own = stored_sweep.runs()["sweep"]
    client.delete_tag(own.info.run_id, "mlflow.sweetspot.owner")
    mlruns = tmp_path / "a colleague's"
    other = type(stored_sweep)(mlruns, stored_sweep.config.model_copy(update={"mlruns": mlruns}))
    other.now += 3600.0
    other.begin()
    with other.mirror() as mirror:
        assert "has another sweep" in (mirror.sync().failure or "")
    assert "mlflow.sweetspot.owner" not in stored_sweep.runs()["sweep"].data.tags
    stored_sweep.sync()
    assert "mlflow.sweetspot.owner" in stored_sweep.runs()["sweep"].data.tags


def test_trials_go_below_a_sweeps_run_that_was_made_anew(
    stored_sweep: Sweep, keras_file: Path
) -> None:
    mirrored(stored_sweep, keras_file)
    before = stored_sweep.runs()["sweep"].info.run_id
    stored_sweep.client().delete_run(before)
    stored_sweep.sync()
    runs = stored_sweep.runs()
    assert runs["sweep"].info.run_id != before
    parents = {runs[trial].data.tags["mlflow.parentRunId"] for trial in ("0", "1")}
    assert parents == {runs["sweep"].info.run_id}


def test_a_sweep_that_workers_alone_have_begun_knows_its_run_later(
    stored_sweep: Sweep,
) -> None:
    uri = f"sqlite:///{stored_sweep.mlruns / DATABASE}"
    tracking = stored_sweep.config.tracking.model_copy(update={"uri": uri})
    stored_sweep.config = stored_sweep.config.model_copy(update={"tracking": tracking})
    spec = stored_sweep.specification(0, "d128")
    stored_sweep.start(spec)
    stored_sweep.sync()
    before = stored_sweep.runs()["sweep"].info.run_id
    stored_sweep.begin()
    stored_sweep.finish(spec, epochs=0)
    stored_sweep.sync()
    after = stored_sweep.runs()["sweep"]
    assert after.info.run_id == before
    assert "mlflow.sweetspot.owner" in after.data.tags
