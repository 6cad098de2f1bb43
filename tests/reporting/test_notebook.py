"""A sweep in a notebook, and the notebook of docs/ run as it is."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest
from nbclient import NotebookClient

import pipeline
from pipeline.config import command_at
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.core.trial import EpochResult
from pipeline.reporting.map_figures import MapPicture, maps_dir
from pipeline.tracking.event_log import training_log_paths


@pytest.fixture
def sweep(folder, records, summarise):
    """A small sweep of seven trials, the last of which still runs."""
    folder.configure()
    folder.session()
    history = tuple(
        EpochResult(
            epoch=epoch, train_loss=1 / epoch, train_accuracy=0.9, val_loss=1.0, val_accuracy=0.8,
            epoch_seconds=2.0, images_per_second=100.0,
        )
        for epoch in (1, 2)
    )  # fmt: skip
    records = [replace(record, history=history) for record in records]
    for record in records:
        folder.start(record)
        if record.number < 6:
            folder.end(record)
    (folder.path / "summary.json").write_text(json.dumps(summarise(records)))
    return pipeline.load_sweep("demo", folder.path.parent.parent)


def test_importing_the_package_loads_nothing():
    code = (
        "import sys, typing; before = set(sys.modules); import pipeline; "
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pipeline"]
    assert "load_sweep" in dir(pipeline)
    with pytest.raises(AttributeError, match="has no attribute 'load_swep'"):
        pipeline.load_swep  # noqa: B018


def test_trials_are_a_table(sweep):
    trials = sweep.trials()
    assert list(trials.index) == list(range(7))
    assert trials.loc[3, "architecture"] == "32k3-64k3-d128"
    assert trials.loc[6, "outcome"] == "running"
    assert trials.loc[5, "reason"] == "ranked 7 of 8"
    assert trials["sweet_spot"].tolist() == [False, False, False, True, False, False, False]
    assert trials["epoch_seconds"].loc[1] == 7.6
    assert trials["epochs"].tolist() == [2] * 6 + [0]
    assert str(trials["started"].dt.tz) == "UTC"
    front = sweep.front()
    assert list(front.index) == [member["trial"] for member in sweep.summary["front"]]
    assert front["on_front"].all()


def test_before_any_trial_there_is_an_empty_table_and_no_figure(sweep, summarise):
    columns = sweep.trials().drop(columns=["epoch_seconds", "latency_ms"]).columns
    for log in training_log_paths(sweep.folder).values():
        log.unlink()
    (sweep.folder / "summary.json").write_text(json.dumps(summarise([])))
    empty = pipeline.load_sweep("demo", sweep.folder.parent.parent)
    assert list(empty.trials().columns) == list(columns)
    assert len(empty.trials()) == len(empty.front()) == 0
    with pytest.raises(StorageError, match="no trial to draw against epoch_seconds yet"):
        empty.pareto()
    with pytest.raises(ConfigurationError, match="demo has no trial yet"):
        empty.curves(0)


def test_the_sweet_spot_and_the_sentence(sweep):
    assert sweep.sweet_spot()["architecture"] == "32k3-64k3-d128"
    assert repr(sweep).startswith("demo: The sweet spot is trial 3")
    assert sweep.sentence in sweep._repr_html_()


def test_figures_show_themselves(sweep, tmp_path):
    for picture in (sweep.pareto(), sweep.curves(1)):
        content, metadata = picture._repr_png_()
        assert content.startswith(b"\x89PNG")
        assert metadata["alt"] == picture.description
    sweep.curves(1).save(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list(sweep.epochs(1)["train_loss"]) == [1.0, 0.5]


def test_maps_are_those_that_were_made(sweep):
    makes = command_at(sweep.folder.parent.parent, "maps", "demo")
    with pytest.raises(StorageError, match=rf"yet: {re.escape(makes)} makes them"):
        sweep.maps()
    folder = maps_dir(sweep.folder) / "0003"
    folder.mkdir(parents=True)
    entry = {"file": "a.png", "title": "<b>", "description": "seen"}
    (folder / "maps.json").write_text(json.dumps({"title": "t", "pictures": [entry]}))
    (folder / "a.png").write_bytes(b"\x89PNG")
    (picture,) = sweep.maps(3)
    assert picture.description == f"{MapPicture(**entry).title}. seen"
    assert "&lt;b&gt;. seen" in sweep.maps()._repr_html_()
    with pytest.raises(StorageError, match=r"maps\.run=4"):
        sweep.maps(4)


def test_what_is_not_there_is_named(sweep, tmp_path):
    with pytest.raises(ConfigurationError, match="demo has no trial 9; choose 0, 1, 2, 3, 4, 5 or"):
        sweep.curves(9)
    with pytest.raises(ConfigurationError, match="demo has no cost macs; choose epoch_seconds"):
        sweep.pareto("macs")
    with pytest.raises(StorageError, match="there is no sweep nothing"):
        pipeline.load_sweep("nothing", sweep.folder.parent.parent)
    with pytest.raises(StorageError, match="there is no sweep under"):
        pipeline.load_sweep(mlruns=tmp_path / "empty")


def test_the_notebook_of_the_documentation_runs(sweep, project_root, tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(project_root / "docs" / "sweep.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    (parameters,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    parameters.source = f"name = None\nmlruns = {str(sweep.folder.parent.parent)!r}"
    resources = {"metadata": {"path": str(project_root)}}
    NotebookClient(
        notebook, timeout=250, startup_timeout=250, iopub_timeout=250, resources=resources
    ).execute()
    shown = [
        mime
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for mime in output.get("data", ())
    ]
    assert shown.count("image/png") == 2
    assert shown.count("text/html") >= 4
