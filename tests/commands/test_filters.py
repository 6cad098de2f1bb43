"""``sweetspot filters`` from the words behind it to the files it leaves."""

import numpy as np
import pytest
from PIL import Image

from pipeline.commands import cli
from pipeline.config import command_at


@pytest.fixture
def picture(tmp_path):
    """A colour picture of 20 by 30 pixels, its right half bright."""
    pixels = np.zeros((20, 30, 3), dtype=np.uint8)
    pixels[:, 15:] = 200, 100, 50
    Image.fromarray(pixels).save(tmp_path / "my picture.png")
    return tmp_path / "my picture.png"


def size(path):
    with Image.open(path) as opened:
        return opened.size, opened.convert("L").getextrema()


def test_each_step_is_a_picture_of_its_size(mlruns, picture, backend, capsys):
    words = ["filters", f"filters.image={str(picture)!r}", f"mlruns={mlruns}", "filters.stride=2"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "sobel_x on my-picture" in said and "20 - 2 = 18, every 2nd of them: 9" in said
    folder = mlruns / "filters" / "my-picture-sobel_x"
    assert str(folder / "steps.png") in said
    found = {path.name: size(path) for path in folder.glob("[1-4]-*.png")}
    assert found == {
        "1-picture.png": ((30, 20), (0, 124)),
        "2-convolution.png": ((14, 9), (0, 255)),
        "3-relu.png": ((14, 9), (0, 255)),
        "4-max-pooling.png": ((7, 4), (0, 255)),
    }


def test_all_filters_in_colour_are_one_picture(mlruns, picture, backend, capsys, monkeypatch):
    logged = []
    monkeypatch.setattr("pipeline.tracking.pictures.log_pictures", lambda *of: logged.append(of))
    words = [f"filters.image={str(picture)!r}", "filters.kernel=all", "filters.grey=false"]
    words += ["filters.mlflow=true", f"mlruns={mlruns}"]
    assert cli.main(["filters", *words]) == 0
    said = capsys.readouterr().out
    assert "lesson_horizontal" in said and len(logged) == 1
    assert f"sweetspot-filters; {command_at(mlruns, 'ui')} shows it" in said
    uri = "tracking.uri=http://127.0.0.1:9"
    assert cli.main(["filters", *words, uri]) == 0
    assert "sweetspot-filters at http://127.0.0.1:9\n" in capsys.readouterr().out
    assert [path.name for path in (mlruns / "filters").rglob("*.png")] == ["gallery.png"]


def test_an_image_of_the_data_set_and_a_filter_of_ones_own(mlruns, backend, capsys):
    words = ["data=digits", "filters.image=data", "filters.index=7", "filters.pooling=none"]
    own = "filters.matrix=[[0,-1,0],[-1,5,-1],[0,-1,0]]"
    assert cli.main(["filters", *words, own, "filters.padding=same", f"mlruns={mlruns}"]) == 0
    assert "own on digits-7" in capsys.readouterr().out
    folder = mlruns / "filters" / "digits-7-own"
    assert size(folder / "3-relu.png")[0] == (28, 28)
    assert not list(folder.glob("4-*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("filters.matrix=[[1,2],[3,4]]", "filters: a filter's sides must be odd"),
        ("filters.matrix=[[1,2,3],[4,5],[1,2,3]]", "row 1 has 3 numbers and row 2 has 2 numbers"),
        ("filters.matrix=[[x]]", "filters.matrix.0.0: must be a valid number"),
        ("filters.kernel=sobl", "filters: 'sobl' is not a filter; choose identity,"),
        ("filters.image=/nothing.png", "there is no picture /nothing.png; give a file's path"),
        ("filters.normalise=true", "sobel_x cannot be normalised: its numbers add up to 0"),
        ("filters.factor=2 filters.normalise=true", "factor and normalise exclude each other"),
        ("data=digits filters.image=data filters.index=999", "filters.index must be below 255"),
        ("filters.padding=full", "filters.padding: must be 'valid' or 'same', not 'full'"),
    ],
)
def test_what_is_wrong_is_one_sentence(mlruns, capsys, words, said):
    assert cli.main(["filters", *words.split(), f"mlruns={mlruns}"]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(mlruns.iterdir()) == []


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("filters.kernel=all filters.pool_size=3", "filters.pool_size does nothing with filters.k"),
        ("filters.kernel=all filters.pooling=none", "filters.pooling does nothing with filters.k"),
        ("filters.kernel=all filters.matrix=[[1]]", "filters.kernel does nothing beside filters.m"),
        ("filters.index=3", "filters.index does nothing without filters.image=data"),
    ],
)
def test_what_does_nothing_is_remarked(mlruns, picture, capsys, words, said):
    image = f"filters.image={str(picture)!r}"
    assert cli.main(["filters", image, *words.split(), f"mlruns={mlruns}"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


@pytest.mark.parametrize("grey", ["true", "false"])
def test_an_image_of_two_channels_is_refused(mlruns, tmp_path, grey, capsys):
    archive = tmp_path / "two.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 2), np.uint8)
    np.savez(archive, x=pixels, y=np.arange(40) % 2)
    words = ("filters.image=data", "data=npz", f"data.file={archive}", f"filters.grey={grey}")
    assert cli.main(["filters", f"mlruns={mlruns}", *words]) == 2
    assert "sweetspot: an image of 2 channels cannot be shown" in capsys.readouterr().err
