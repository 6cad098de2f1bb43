"""``sweetspot maps`` on a sweep whose networks are real but untrained."""

import json

import numpy as np
import pytest

from pipeline.commands import cli
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.selection import RuleSettings
from pipeline.core.summary import build_summary
from pipeline.core.trial import Outcome, TrialRecord, TrialSpecification
from pipeline.launching.planning import create_folder, plan_sweep
from pipeline.launching.results import model_path
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import Ended, ModelKept, Started, record

#: Keras 3.15 itself copies arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory, backend):
    return make_sweep(tmp_path_factory.mktemp("home") / "mlruns", "data=digits")


def make_sweep(mlruns, *data):
    """Trials 0 (dnn) and 1 (cnn), 2 (the sweet spot) with their models, 3 without."""
    from pipeline.training.model import build_model
    from pipeline.training.saving import save_model

    overrides = (*data, "sweep_name=s", f"mlruns={mlruns}")
    plan = plan_sweep(compose(CommandLine(command="sweep", overrides=overrides)), print)
    create_folder(plan)
    folder = plan.config.sweep_dir
    spot, other = Architecture.parse("4k3b-d8"), Architecture.parse("8k3-d8")
    networks = [("dnn", REFERENCES["dnn"]), ("cnn", REFERENCES["cnn"]), (None, spot), (None, other)]
    records = []
    for number, (reference, architecture) in enumerate(networks):
        specification = TrialSpecification(
            number=number, architecture=architecture, recipe=plan.config.training.recipe,
            seed=number, reference=reference,
        )  # fmt: skip
        trial = TrialRecord(
            specification=specification,
            outcome=Outcome.COMPLETE,
            val_accuracy=(0.8, 0.9, 0.95, 0.7)[number],
            costs={"epoch_seconds": (1.0, 8.0, 2.0, 3.0)[number]},
        )
        records.append(trial)
        with EventLog(trial_log_path(folder, number)) as log:
            started = Started(attempt=0, specification=specification, worker="0", host="h", pid=1)
            record(log, started)
            record(log, Ended(attempt=0, record=trial))
            if number < 3:
                path = model_path(folder, number)
                shape = plan.description.image_shape
                save_model(build_model(architecture, shape, 10, 1, "float32"), path)
                record(log, ModelKept(path=str(path.relative_to(folder))))
    summary = build_summary(
        sweep="s", data=plan.description, costs=["epoch_seconds"], records=records,
        rule=RuleSettings(name="knee"), test_accuracies={}, test_readings=0, wall_seconds=None,
        mlflow_run_id=None,
    )  # fmt: skip
    assert summary["sweet_spot"]["trial"] == 2
    (folder / "summary.json").write_text(json.dumps(summary))
    return mlruns


def run(mlruns, capsys, *words):
    status = cli.main(["maps", f"mlruns={mlruns}", *words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_sweet_spot_and_cnn_look_at_three_validation_images_of_a_class(mlruns, capsys):
    status, out, _ = run(mlruns, capsys, "s", "maps.label=3")
    assert status == 0
    assert "sweet spot: trial 2, 4k3b-d8" in out
    assert "cnn reference: trial 1, 64k3-64k3-d128" in out
    assert out.count("\n3, image ") == 6
    maps = mlruns / "sweeps" / "s" / "maps"
    for trial, pictures in (("0002", 4), ("0001", 7)):
        index = json.loads((maps / trial / "maps.json").read_text())
        assert len(index["pictures"]) == pictures
        for picture in index["pictures"]:
            assert str(maps / trial / picture["file"]) in out
            assert (maps / trial / picture["file"]).read_bytes().startswith(b"\x89PNG")


def test_a_model_file_and_a_picture_of_ones_own(mlruns, capsys):
    model = mlruns / "sweeps" / "s" / "models" / "0002.keras"
    status, out, _ = run(mlruns, capsys, f"maps.run={model}", "maps.images=[china]")
    assert status == 0
    assert "\nchina " in out and "class " in out
    assert (mlruns / "maps" / "0002" / "journey.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("maps.run=dnn", "no network of s that was asked for has a convolution"),
        (
            "maps.run=3",
            "trial 3 of s has no kept model (the front's and the references'",
        ),
        ("maps.run=9", "choose 0, 1 or 2"),
        ("maps.run=best", "maps.run must be sweet_spot, dnn or cnn, a trial's number or a .keras"),
        ("maps.run=/none.keras", "maps.run: there is no model /none.keras"),
        ("maps.images=[900]", "from 0 to 254, or paths of pictures, not 900"),
        ("maps.images=[/none.png]", "there is no picture /none.png"),
        ("maps.label=ten", "maps.label: 'ten' is not a class; choose 0, 1, 2,"),
        ("maps.count=0", "maps.count: must be greater than or equal to 1"),
        ("nosweep", "there is no sweep nosweep"),
    ],
)
def test_what_is_wrong_is_one_sentence(mlruns, capsys, words, said):
    status, _, err = run(mlruns, capsys, *words.split())
    assert status == 2
    assert said in err
    assert err.count("\n") == 1


def test_other_images_than_the_sweeps_are_refused(mlruns, capsys):
    path = mlruns / "sweeps" / "s" / "description.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"fingerprint": "0" * 64}))
    status, _, err = run(mlruns, capsys)
    path.write_text(before)
    assert status == 2
    assert "the images of digits are no longer those that s was trained on" in err


def test_images_that_have_moved_are_looked_at_where_they_are(tmp_path, backend, capsys):
    archive, moved = tmp_path / "here.npz", tmp_path / "there.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 28, 28), np.uint8)
    np.savez(archive, x=pixels, y=np.arange(300) % 10)
    mlruns = make_sweep(tmp_path / "mlruns", "data=npz", f"data.file={archive}")
    archive.rename(moved)
    status, _, err = run(mlruns, capsys, "s")
    assert status == 2 and "here.npz" in err
    status, out, _ = run(mlruns, capsys, "s", f"data.file={moved}", "maps.run=sweet_spot")
    assert status == 0 and "sweet spot: trial 2" in out


def test_what_does_nothing_is_remarked(mlruns, capsys):
    words = ("s", "maps.run=sweet_spot", "maps.images=[china]", "maps.count=2")
    status, _, err = run(mlruns, capsys, *words)
    assert status == 0
    assert err == "maps.count does nothing beside maps.images, which says what to look at\n"
