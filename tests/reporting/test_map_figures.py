import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import StorageError
from pipeline.core.feature_maps import FeatureMaps, LayerFilters, LayerMaps
from pipeline.reporting.map_figures import (
    map_pictures,
    maps_dir,
    prediction_text,
    read_maps,
    write_maps,
)
from pipeline.reporting.map_page import show_maps

CLASSES = ("T-shirt/top", "$trouser$ <b>")
CAPTIONS = ("Ankle boot, image 3", "a name of a picture that is much too long for one line here")


def feature_maps(channels=1, filters=12):
    random = np.random.default_rng(2)

    def maps(kind, name, side, count):
        values = random.random((2, side, side, count), dtype=np.float32)
        return LayerMaps(kind=kind, name=name, maps=values)

    return FeatureMaps(
        images=random.integers(0, 256, (2, 10, 10, channels)).astype(np.uint8),
        layers=(
            maps("convolution", "convolution_1", 8, filters),
            maps("pooling", "pooling_1", 4, filters),
            maps("convolution", "convolution_2", 2, 3),
        ),
        filters=(
            LayerFilters(
                name="convolution_1",
                weights=random.normal(size=(3, 3, channels, filters)).astype(np.float32),
            ),
            LayerFilters(
                name="convolution_2",
                weights=random.normal(size=(3, 3, filters, 3)).astype(np.float32),
            ),
        ),
        probabilities=np.array([[0.1, 0.9], [0.7, 0.3]], dtype=np.float32),
    )


@pytest.mark.parametrize(("channels", "filters"), [(1, 12), (3, 2)])
def test_every_layer_has_its_picture_and_nothing_is_cut_off(channels, filters):
    made = map_pictures("t", feature_maps(channels, filters), CAPTIONS, CLASSES, strongest=4)
    assert [picture.file for picture, _ in made] == [
        "journey.png", "convolution_1.png", "pooling_1.png", "convolution_2.png",
        "filters-1.png", "filters-2.png",
    ]  # fmt: skip
    for picture, figure in made:
        figure.canvas.draw()
        for axes in figure.axes:
            box, page = axes.get_tightbbox(), figure.bbox
            assert box.x0 >= -1 and box.x1 <= page.x1 + 1, picture.file
            assert box.y0 >= -1 and box.y1 <= page.y1 + 1, picture.file


def test_pooling_is_shown_of_the_filter_of_its_convolution():
    (_, journey), *_ = map_pictures("t", feature_maps(), CAPTIONS, CLASSES, strongest=4)
    titles = [axes.get_title().splitlines() for axes in journey.axes[:4]]
    assert titles[0] == ["image", "10×10×1"]
    assert [title[0] for title in titles[1:]] == ["convolution 1", "pooling 1", "convolution 2"]
    assert titles[1][2] == titles[2][2]
    label = journey.axes[0].get_ylabel()
    assert label.splitlines() == ["Ankle boot, image", "3", r"→ \$trouser\$ <b>", "90%"]


def test_a_network_that_sees_nothing_can_be_drawn():
    maps = feature_maps()
    dark = tuple(
        LayerMaps(kind=layer.kind, name=layer.name, maps=np.zeros_like(layer.maps))
        for layer in maps.layers
    )
    nothing = FeatureMaps(
        images=maps.images, layers=dark, filters=maps.filters, probabilities=maps.probabilities
    )
    for _, figure in map_pictures("t", nothing, CAPTIONS, (), strongest=4):
        figure.canvas.draw()


def test_what_is_written_is_found_again(tmp_path):
    made = map_pictures("sweet spot", feature_maps(), CAPTIONS, CLASSES, strongest=4)[:2]
    assert read_maps(tmp_path) == {}
    paths = write_maps(maps_dir(tmp_path) / "0004", "sweet spot", made)
    with Image.open(paths[0]) as picture:
        assert picture.format == "PNG"
    assert read_maps(tmp_path) == {
        4: [(picture, path) for (picture, _), path in zip(made, paths, strict=True)]
    }
    (maps_dir(tmp_path) / "0004" / "maps.json").write_text("{}")
    with pytest.raises(StorageError, match=r"maps\.json cannot be read"):
        read_maps(tmp_path)


def test_the_terminal_names_predictions_and_peaks(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    show_maps("sweet spot: trial 4", feature_maps(), CAPTIONS, CLASSES)
    said = capsys.readouterr().out
    assert "sweet spot: trial 4" in said
    assert "$trouser$ <b> 90%" in said
    assert "8×8×12" in said and "in filter" in said


def test_a_class_without_a_name_has_its_number():
    assert prediction_text(np.array([0.25, 0.75], dtype=np.float32), ()) == "class 1 75%"
