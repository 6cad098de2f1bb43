"""From two real sweeps to a champion that classifies, is served, exported and taken back."""

import json
from http.client import HTTPConnection

import numpy as np
import pytest
from PIL import Image

from pipeline.commands import cli
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.data.loading import load_training
from pipeline.launching.devices import lock_name
from pipeline.launching.planning import create_folder, plan_sweep
from pipeline.launching.promotion import promote_at_end
from pipeline.launching.results import SweepResults
from pipeline.launching.sweep_folder import load_config
from pipeline.launching.trial_run import TrialRun
from pipeline.measuring.quiet import QuietLock
from pipeline.search.study import SweepStudy
from pipeline.testing.model_server import served
from pipeline.tracking.registry import Registry

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SETTINGS = (
    "data=digits", "training=quick", "search=random", "search.trials=2", "objective=macs",
    "measuring=quick", "measuring.batch_sizes=[1]", "measuring.warmup_seconds=0.05",
    "measuring.seconds=0.1",
)  # fmt: skip


def run_sweep(mlruns, name, *overrides):
    """Train the two references, in this process."""
    from pipeline.launching.keras_trainer import KerasTrainer

    words = (*SETTINGS, *overrides, f"sweep_name={name}", f"mlruns={mlruns}")
    plan = plan_sweep(compose(CommandLine(command="sweep", overrides=words)), print)
    create_folder(plan)
    run = TrialRun(
        config=plan.config,
        description=plan.description,
        study=SweepStudy(plan.config, plan.space),
        results=SweepResults(plan.config, plan.description),
        trainer=KerasTrainer(
            plan.config, load_training(plan.config.data), 1, QuietLock(lock_name())
        ),
        worker="w",
        device={"device": "cpu", "name": "Xeon", "cores": "1"},
        must_leave=lambda: None,
    )
    while (claim := run.study.claim("w")) is not None:
        run.run(claim)
    return plan.config


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory, backend):
    folder = tmp_path_factory.mktemp("home") / "mlruns"
    run_sweep(folder, "weak", "training.epochs=1", "objective.rule=budget", "objective.budget=2e5")
    run_sweep(folder, "strong", "training.epochs=4", "objective.rule=budget",
              "objective.budget=2e5")  # fmt: skip
    run_sweep(folder, "other", "data.limit=600", "training.epochs=1")
    return folder


@pytest.fixture(scope="module")
def champion(mlruns):
    """Promote the weak sweep and then the strong one; return the strong one's configuration."""
    assert cli.main(["promote", "weak", f"mlruns={mlruns}"]) == 0
    assert cli.main(["promote", "strong", f"mlruns={mlruns}"]) == 0
    return load_config(mlruns, "strong")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty validation images of the digits, in an archive."""
    config = compose(CommandLine(command="sweep", overrides=SETTINGS))
    images = load_training(config.data).validation.images[:20]
    path = tmp_path_factory.mktemp("pictures") / "digits.npz"
    np.savez(path, images=images)
    return path, images


def classified(mlruns, capsys, *words):
    assert cli.main(["predict", *map(str, words), "--json", f"mlruns={mlruns}"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = [list(picture["probabilities"].values()) for picture in found["pictures"]]
    return found, np.array(rows, dtype=np.float32)


def test_the_gate_lets_the_better_one_through(mlruns, champion, capsys):
    registry = Registry(config=champion, data="digits")
    assert registry.version("champion").tags["sweep"] == "strong"
    assert registry.version("previous").tags["sweep"] == "weak"
    tags = registry.version("champion").tags
    assert "more accurate than the champion" in tags["reason"]
    assert tags["best_val_accuracy"] == tags["val_accuracy"]
    assert cli.main(["promote", "weak", f"mlruns={mlruns}"]) == 1
    said = capsys.readouterr().err
    assert "is not promoted: it is less accurate than the champion" in said
    assert said.count("\n") == 1
    assert cli.main(["promote", "strong", f"mlruns={mlruns}"]) == 0
    assert "is the champion of digits already" in capsys.readouterr().out


def test_other_images_cannot_be_compared_but_forced(mlruns, champion, capsys):
    assert "their images or splits differ" in promote_at_end(load_config(mlruns, "other"))
    registry = Registry(config=champion, data="digits")
    assert cli.main(["promote", "other", "--force", f"mlruns={mlruns}"]) == 0
    assert registry.version("champion").tags["forced"] == "true"
    assert cli.main(["rollback", f"mlruns={mlruns}"]) == 0
    assert "The champion of digits is version 2, trial 0 of strong" in capsys.readouterr().out
    assert "was rolled back on" in promote_at_end(load_config(mlruns, "other"))
    assert registry.version("champion").tags["sweep"] == "strong"


def test_the_card_tells_what_it_is(champion):
    from pipeline.tracking.store import open_client

    number = Registry(config=champion, data="digits").version("champion").number
    card = open_client(champion).get_model_version("sweetspot-digits", number).description or ""
    for part in ("**d128** tells 10 classes of digits apart", "28×28 pixels, grey",
                 "| champion |", "95% interval", "Measured on Xeon with 1 cores", "not read",
                 "Recognised worst", "28×28×1 → 784 → 128 → 10"):  # fmt: skip
        assert part in card


def test_pictures_are_classified(mlruns, champion, pictures, capsys):
    path, _ = pictures
    found, rows = classified(mlruns, capsys, path)
    assert found["model"].startswith("the champion of digits, version ")
    assert [picture["picture"] for picture in found["pictures"]][:1] == [f"{path}:images[0]"]
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-5)
    _, of_sweep = classified(mlruns, capsys, path, "model=strong")
    np.testing.assert_array_equal(rows, of_sweep)
    _, of_weak = classified(mlruns, capsys, path, "model=weak/0")
    assert np.abs(rows - of_weak).max() > 0.01
    found, of_previous = classified(mlruns, capsys, path, "model=previous")
    assert found["model"].startswith("the previous of digits, version ")
    np.testing.assert_array_equal(of_previous, of_weak)


def test_a_dark_digit_on_paper(mlruns, champion, pictures, capsys, tmp_path):
    light = Image.fromarray(pictures[1][0, ..., 0])
    Image.fromarray(255 - pictures[1][0, ..., 0]).convert("RGB").save(tmp_path / "paper.png")
    light.save(tmp_path / "light.png")
    _, on_paper = classified(mlruns, capsys, tmp_path / "paper.png", "--invert")
    _, expected = classified(mlruns, capsys, tmp_path / "light.png")
    np.testing.assert_allclose(on_paper, expected, atol=1e-6)


@pytest.mark.services
def test_the_server_and_a_python_call_say_the_same(mlruns, champion, pictures, capsys):
    import mlflow

    path, images = pictures
    _, expected = classified(mlruns, capsys, path)
    registry = Registry(config=champion, data="digits")
    called = mlflow.pyfunc.load_model("models:/sweetspot-digits@champion").predict(images)
    np.testing.assert_allclose(called, expected, atol=1e-6)
    with served(registry) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"inputs": images.tolist()})
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)


def test_exports_equal_the_network_and_are_kept(mlruns, champion, capsys):
    status = cli.main(["export", "strong", "trial=1", f"mlruns={mlruns}"])
    printed = capsys.readouterr()
    folder = mlruns / "sweeps" / "strong" / "export"
    kept = json.loads((folder / "0001.json").read_text())
    exports = kept["exports"]
    assert kept["classes"] == [str(digit) for digit in range(10)]
    for form in ("onnx", "saved_model"):
        assert exports[form]["same_labels"] >= 0.999
    # Of these few images half a point is one: whether it passes is the rounding's to say.
    whole = exports["onnx_int8"]
    assert whole["accuracy"] >= kept["keras"]["accuracy"] - 0.02
    assert whole["bytes"] < exports["onnx"]["bytes"] / 3
    assert (status == 1) == (whole["failure"] is not None) == ("is not kept" in printed.err)
    files = {result["file"] for result in exports.values()} - {None}
    assert {f"export/{path.name}" for path in folder.iterdir()} == {*files, "export/0001.json"}
    assert 'id="exports"' in (folder.parent / "report.html").read_text()
    for title in ("ONNX float32", "ONNX int8", "SavedModel", "faster", str(folder / "0001.onnx")):
        assert title in printed.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "none"], "there is no sweep none under"),
        (["rollback", "data=mnist"], "data=mnist has no champion; there is one of digits"),
        (["predict"], "predict needs pictures"),
        (["predict", "none.png"], "there is no picture none.png"),
        (["predict", "a.png", "--json", "--csv"], "--json and --csv exclude each other"),
        (["predict", "a.png", "model=nobody"], "model=nobody is no network here; choose champion"),
        (["predict", "a.png", "model=weak/x"], "'x' is not the number of a trial"),
        (["predict", "a.png", "model=weak/9"], "weak keeps no model of trial 9, only those of"),
        (["predict", "a.png", "model=" + "0" * 32], "MLflow's model registry at sqlite:"),
        (["export", "weak", "trial=nine"], "trial must be the number of a trial, not 'nine'"),
        (["export", "weak", "trial=9"], "weak keeps no model of trial 9"),
        (["serve", "port=high"], "port must be a number from 1 to 65535"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(mlruns, champion, capsys, words, said):
    capsys.readouterr()
    assert cli.main([*words, f"mlruns={mlruns}"]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_sweep_without_a_sweet_spot_promotes_nothing(mlruns, capsys):
    config = load_config(mlruns, "weak").model_copy(update={"sweep_name": "empty"})
    folder = config.sweep_dir
    folder.mkdir()
    summary = json.loads((mlruns / "sweeps" / "weak" / "summary.json").read_text())
    nothing = {**summary, "sweep": "empty", "sweet_spot": None, "front": []}
    (folder / "summary.json").write_text(json.dumps(nothing))
    assert promote_at_end(config) == (
        "nothing is promoted: empty has no sweet spot yet: no trial within the limits is complete"
    )


def test_a_restored_sweep_is_in_mlflow_and_can_be_promoted(mlruns, capsys, tmp_path):
    there = tmp_path / "there"
    assert cli.main(["bundle", "weak", f"file={tmp_path / 'weak.zip'}", f"mlruns={mlruns}"]) == 0
    assert cli.main(["restore", str(tmp_path / "weak.zip"), f"mlruns={there}"]) == 0
    assert "MLflow       3 runs" in capsys.readouterr().out
    summary = json.loads((there / "sweeps" / "weak" / "summary.json").read_text())
    assert cli.main(["promote", "weak", f"mlruns={there}"]) == 0
    registry = Registry(config=load_config(there, "weak"), data="digits")
    assert registry.version("champion").tags["sweep"] == "weak"
    (sweep,) = (there / "artifacts").glob(f"**/{summary['mlflow_run_id']}/artifacts/summary.json")
    assert json.loads(sweep.read_text()) == summary
