"""The section with the feature maps."""

import base64
import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from pipeline.config import command_at
from pipeline.core.architecture import Architecture
from pipeline.core.feature_maps import FeatureMaps, LayerFilters, LayerMaps
from pipeline.reporting.kept_maps import KeptMaps
from pipeline.reporting.page.maps import maps_view
from pipeline.reporting.page.render import render_page
from pipeline.reporting.page.sources import ReportSources


def kept(depth: int) -> KeptMaps:
    layers: list[LayerMaps] = []
    filters: list[LayerFilters] = []
    values = np.zeros((2, 6, 6, 3), dtype=np.float32)
    values[1, 4, 2, 1] = 2.5  # filter 1, second image
    values[0, 0, 5, 0] = 0.5
    for index in range(1, depth + 1):
        layers.append(LayerMaps(kind="convolution", name=f"convolution_{index}", maps=values))
        weights = np.linspace(-1, 1, 9 * 2 * 3, dtype=np.float32).reshape(3, 3, 2, 3)
        filters.append(LayerFilters(name=f"convolution_{index}", weights=weights))
    maps = FeatureMaps(
        images=np.full((2, 8, 8, 1), 9, dtype=np.uint8),
        layers=tuple(layers),
        filters=tuple(filters),
        probabilities=np.array([[0.9] + [0.0] * 9, [0.2, 0.8] + [0.0] * 8], dtype=np.float32),
    )
    return KeptMaps.of(maps, np.array([0, 7]), 1)


def pixels(source: str) -> Any:
    content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"))


def test_sweet_spot_and_cnn_beside_each_other(sources: ReportSources) -> None:
    view = maps_view(replace(sources, maps={1: kept(2), 3: kept(1), 0: kept(1)}))
    assert view is not None
    assert [network.title for network in view.networks] == ["sweet spot", "cnn reference"]
    assert view.label == "b" and [index for index, _ in view.images] == [0, 7]
    assert view.networks[0].said == ("a 90%", "b 80%")
    (layer,) = view.networks[0].layers
    assert (layer.name, layer.shape, layer.numbers) == ("convolution 1", "6×6×3", (1, 0, 2))
    assert layer.strongest == (
        "Strongest activation: 2.5, in filter 1 for test image 7, at row 4, column 2."
    )
    first, second = layer.rows[0][0], layer.rows[1][0]
    assert (first.ring, first.label) == (None, "filter 1: no answer")
    assert (second.ring, second.label) == ((2.5, 4.5), "filter 1: strongest 2.5 at row 4, column 2")
    colours = pixels(second.source)
    assert colours.shape == (6, 6, 3)
    assert colours[4, 2].sum() > 500 > colours[0, 0].sum()


def test_weights_above_0_are_red_and_those_below_blue(sources: ReportSources) -> None:
    view = maps_view(replace(sources, maps={1: kept(1)}))
    assert view is not None
    for tiles in view.networks[0].layers[0].learnt:
        assert len(tiles) == 2  # the channels
        for tile in tiles:
            red, _, blue = pixels(tile.source)[0, 0]
            assert blue > red
            red, _, blue = pixels(tile.source)[2, 2]
            assert red > blue


def test_before_test_is_read_and_without_a_convolution(sources: ReportSources) -> None:
    assert maps_view(sources) is None
    assert "three test images of one class are followed" in render_page(sources).decode()
    spot = {**sources.summary["sweet_spot"], "architecture": "d64"}
    assert Architecture.parse("d64").depth == 0
    flat = replace(sources, summary={**sources.summary, "sweet_spot": spot}, maps={1: kept(1)})
    view = maps_view(flat)
    assert view is not None and view.blind == ("sweet spot",)
    assert "The sweet spot has no convolution" in re.sub(r"\s+", " ", render_page(flat).decode())


def test_the_command_that_draws_others_finds_the_sweep(sources: ReportSources) -> None:
    known = command_at(sources.sweep_dir.parent.parent, "maps", sources.summary["sweep"])
    for maps in ({}, {3: kept(1)}):
        page = render_page(replace(sources, maps=maps)).decode()
        assert f"<code>{known}</code>" in page
    assert f"mlruns={sources.sweep_dir.parent.parent}" in known
