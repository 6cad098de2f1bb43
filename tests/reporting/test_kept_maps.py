"""What is kept of feature maps shows the same activations as the maps themselves."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.feature_maps import FeatureMaps, LayerFilters, LayerMaps
from pipeline.reporting.kept_maps import KeptMaps, kept_maps_name, one_class


def network(side: int = 8, filters: int = 12) -> FeatureMaps:
    """Return random maps of a convolution with its pooling, and of a second convolution."""
    numbers = np.random.default_rng(4)

    def layer(kind, name, side, count):
        values = numbers.random((3, side, side, count), dtype=np.float32)
        return LayerMaps(kind=kind, name=name, maps=values)

    return FeatureMaps(
        images=numbers.integers(0, 256, (3, side + 2, side + 2, 1)).astype(np.uint8),
        layers=(
            layer("convolution", "convolution_1", side, filters),
            layer("pooling", "pooling_1", side // 2, filters),
            layer("convolution", "convolution_2", 2, 5),
        ),
        filters=(
            LayerFilters(
                name="convolution_1",
                weights=numbers.normal(size=(3, 3, 1, filters)).astype(np.float32),
            ),
            LayerFilters(
                name="convolution_2",
                weights=numbers.normal(size=(3, 3, filters, 5)).astype(np.float32),
            ),
        ),
        probabilities=np.full((3, 4), 0.25, dtype=np.float32),
    )


def kept(maps: FeatureMaps) -> KeptMaps:
    return KeptMaps.of(maps, np.array([0, 23, 28]), 2)


def test_the_filters_that_answer_most_with_their_peaks() -> None:
    maps = network()
    convolution, pooling, second = kept(maps).layers
    np.testing.assert_array_equal(convolution.numbers, maps.layers[0].strongest(8))
    np.testing.assert_array_equal(pooling.numbers, convolution.numbers)
    assert len(second.numbers) == 5 and second.shape == (2, 2, 5)
    for layer, whole in zip((convolution, pooling, second), maps.layers, strict=True):
        for image in range(3):
            for index, number in enumerate(layer.numbers):
                row, column = layer.places[image, index]
                assert layer.peaks[image, index] == whole.maps[image, row, column, number]
                assert layer.peaks[image, index] == whole.maps[image, :, :, number].max()
                scaled = whole.maps[image, :, :, number] / whole.maps[..., number].max()
                assert layer.maps[image, index] == pytest.approx(255 * scaled, abs=0.51)


def test_learnt_weights_are_those_of_the_inputs_that_a_filter_weighs_most() -> None:
    maps = network()
    convolution, pooling, second = kept(maps).layers
    assert pooling.filters is None
    assert convolution.filters is not None and second.filters is not None
    np.testing.assert_array_equal(
        convolution.filters.weights[:, 0],
        np.moveaxis(maps.filters[0].weights[:, :, 0, convolution.numbers], -1, 0),
    )
    weights = maps.filters[1].weights
    assert second.filters.weights.shape == (5, 4, 3, 3)
    for index, number in enumerate(second.numbers):
        sums = np.abs(weights[..., number]).sum(axis=(0, 1))
        assert second.filters.inputs[index].tolist() == np.argsort(-sums)[:4].tolist()
        for place, source in enumerate(second.filters.inputs[index]):
            np.testing.assert_array_equal(
                second.filters.weights[index, place], weights[:, :, source, number]
            )


def test_large_maps_are_kept_smaller_with_their_peaks() -> None:
    maps = network(side=130, filters=2)
    layer = kept(maps).layers[0]
    assert layer.maps.shape == (3, 2, 44, 44)
    assert layer.shape == (130, 130, 2)
    image, index = np.unravel_index(int(layer.peaks.argmax()), layer.peaks.shape)
    row, column = layer.places[image, index]
    assert layer.maps[image, index, row // 3, column // 3] == 255


def test_filters_that_answer_nothing_stay_dark() -> None:
    maps = network()
    dark = [
        LayerMaps(kind=layer.kind, name=layer.name, maps=np.zeros_like(layer.maps))
        for layer in maps.layers
    ]
    nothing = FeatureMaps(
        images=maps.images,
        layers=tuple(dark),
        filters=maps.filters,
        probabilities=maps.probabilities,
    )
    assert all(not layer.maps.any() and not layer.peaks.any() for layer in kept(nothing).layers)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / kept_maps_name(4)
    assert KeptMaps.read(path) is None
    maps = kept(network())
    maps.write(path)
    again = KeptMaps.read(path)
    assert again is not None and again.label == 2
    np.testing.assert_array_equal(again.indices, [0, 23, 28])
    for name in ("images", "probabilities"):
        np.testing.assert_array_equal(getattr(again, name), getattr(maps, name))
    for layer, before in zip(again.layers, maps.layers, strict=True):
        assert (layer.kind, layer.name, layer.shape) == (before.kind, before.name, before.shape)
        for name in ("numbers", "maps", "peaks", "places"):
            np.testing.assert_array_equal(getattr(layer, name), getattr(before, name))
        assert (layer.filters is None) == (before.filters is None)
        if layer.filters is not None and before.filters is not None:
            np.testing.assert_array_equal(layer.filters.weights, before.filters.weights)
            np.testing.assert_array_equal(layer.filters.inputs, before.filters.inputs)


def test_images_of_the_first_ones_class() -> None:
    assert one_class(np.array([3, 1, 3, 2, 3, 3])).tolist() == [0, 2, 4]
    assert one_class(np.array([3, 1, 2])).tolist() == [0]
