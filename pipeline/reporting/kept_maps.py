"""Feature maps of a network, kept beside its model when test is read.

So the report shows them without Keras, and nobody has a reason to load the test images again.
What is kept is what a page has room for: a few filters of each layer, in 256 shades.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.core.feature_maps import FeatureMaps, LayerFilters, LayerMaps, shown_filters
from pipeline.reporting.archives import read_archive, write_archive

#: Images, filters of a layer, and inputs of a filter that are kept.
MOST_IMAGES = 3
MOST_FILTERS = 8
_MOST_INPUTS = 4
#: Larger maps are kept smaller: each square of pixels by its largest value.
_LONGEST_SIDE = 64
_META = "meta"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class KeptFilters:
    """Learnt filters of a convolution.

    Parameters
    ----------
    weights
        float32, shape ``(filters, inputs, height, width)``.
    inputs
        int64, shape ``(filters, inputs)``: which of the layer's inputs these are, those that a
        filter weighs most first; all of them for grey and for colour images.
    """

    weights: NDArray[np.float32]
    inputs: NDArray[np.int64]

    @classmethod
    def of(cls, filters: LayerFilters, numbers: NDArray[np.intp], *, whole: bool) -> Self:
        """Keep the filters of these numbers, with all inputs or those that they weigh most."""
        weights = np.moveaxis(filters.weights[..., numbers], (3, 2), (0, 1))
        most = weights.shape[1] if whole else _MOST_INPUTS
        order = np.arange(weights.shape[1])[None].repeat(len(numbers), axis=0)
        if not whole:
            order = np.argsort(-np.abs(weights).sum(axis=(2, 3)), axis=1, kind="stable")
        inputs = order[:, :most].astype(np.int64)
        return cls(weights=weights[np.arange(len(numbers))[:, None], inputs], inputs=inputs)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class KeptLayer:
    """Maps of the filters of a layer that answer most.

    Parameters
    ----------
    shape
        Height, width and filters of the whole layer.
    numbers
        int64, shape ``(filters,)``: which filters these are.
    maps
        uint8, shape ``(images, filters, rows, columns)``; 255 is the largest value that a filter
        has on any of the images, 0 is 0.
    peaks
        float32, shape ``(images, filters)``: the strongest activation of each map.
    places
        int64, shape ``(images, filters, 2)``: its row and column in the whole map.
    filters
        None of a pooling, which learns nothing.
    """

    kind: Literal["convolution", "pooling"]
    name: str
    shape: tuple[int, int, int]
    numbers: NDArray[np.int64]
    maps: NDArray[np.uint8]
    peaks: NDArray[np.float32]
    places: NDArray[np.int64]
    filters: KeptFilters | None = None

    @classmethod
    def of(cls, layer: LayerMaps, numbers: NDArray[np.intp], filters: KeptFilters | None) -> Self:
        """Keep the maps of these filters."""
        images, height, width, count = layer.maps.shape
        maps = np.moveaxis(layer.maps[..., numbers], -1, 1)
        tops = maps.max(axis=(0, 2, 3), keepdims=True)
        shares = _smaller(maps) / np.where(tops > 0, tops, 1)
        places = [[layer.peak_place(i, int(n)) for n in numbers] for i in range(images)]
        return cls(
            kind=layer.kind,
            name=layer.name,
            shape=(height, width, count),
            numbers=numbers.astype(np.int64),
            maps=np.rint(255 * shares).astype(np.uint8),
            peaks=layer.peaks[:, numbers],
            places=np.array(places, dtype=np.int64),
            filters=filters,
        )


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class KeptMaps:
    """A few images of one class on their way through a network.

    Parameters
    ----------
    images
        uint8, shape ``(n, height, width, channels)``.
    indices
        int64, shape ``(n,)``: of the images in the test split.
    label
        The class that all of them show.
    probabilities
        float32, shape ``(n, classes)``.
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    label: int
    probabilities: NDArray[np.float32]
    layers: tuple[KeptLayer, ...]

    @classmethod
    def of(cls, maps: FeatureMaps, indices: NDArray[np.int64], label: int) -> Self:
        """Keep what a page has room for."""
        known = {filters.name: filters for filters in maps.filters}
        layers: list[KeptLayer] = []
        for layer, numbers in zip(
            maps.layers, shown_filters(maps.layers, MOST_FILTERS), strict=True
        ):
            filters = known.get(layer.name)
            first = not layers
            kept = None if filters is None else KeptFilters.of(filters, numbers, whole=first)
            layers.append(KeptLayer.of(layer, numbers, kept))
        return cls(
            images=maps.images,
            indices=indices.astype(np.int64),
            label=label,
            probabilities=maps.probabilities,
            layers=tuple(layers),
        )

    def write(self, path: Path) -> None:
        """Write them to a file.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {
            "images": self.images,
            "indices": self.indices,
            "probabilities": self.probabilities,
        }
        described = []
        for index, layer in enumerate(self.layers):
            described.append(
                {"kind": layer.kind, "name": layer.name, "shape": layer.shape}
                | {"learnt": layer.filters is not None}
            )
            for name in ("numbers", "maps", "peaks", "places"):
                arrays[f"{index}.{name}"] = getattr(layer, name)
            if layer.filters is not None:
                arrays[f"{index}.weights"] = layer.filters.weights
                arrays[f"{index}.inputs"] = layer.filters.inputs
        meta = np.array(json.dumps({"label": self.label, "layers": described}))
        write_archive(path, {_META: meta, **arrays})

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read them; None where there is no such file.

        Raises
        ------
        StorageError
            The file is damaged.
        """
        return read_archive(path, cls._from)

    @classmethod
    def _from(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        meta = json.loads(str(arrays[_META]))
        return cls(
            images=arrays["images"],
            indices=arrays["indices"],
            label=meta["label"],
            probabilities=arrays["probabilities"],
            layers=tuple(
                _layer(arrays, index, values) for index, values in enumerate(meta["layers"])
            ),
        )


def kept_maps_name(number: int) -> str:
    """Return where a trial's feature maps are kept, relative to the sweep's folder."""
    return f"models/{number:04d}.maps.npz"


def one_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first image's index and those of the next ones of its class, three at most.

    Of Fashion-MNIST's test images these are 0, 23 and 28, the lesson's own.
    """
    return np.flatnonzero(labels == labels[0])[:MOST_IMAGES].astype(np.int64)


def _layer(arrays: Mapping[str, Any], index: int, values: Mapping[str, Any]) -> KeptLayer:
    filters = None
    if values["learnt"]:
        filters = KeptFilters(weights=arrays[f"{index}.weights"], inputs=arrays[f"{index}.inputs"])
    height, width, count = values["shape"]
    return KeptLayer(
        kind=values["kind"],
        name=values["name"],
        shape=(height, width, count),
        numbers=arrays[f"{index}.numbers"],
        maps=arrays[f"{index}.maps"],
        peaks=arrays[f"{index}.peaks"],
        places=arrays[f"{index}.places"],
        filters=filters,
    )


def _smaller(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return maps whose longer side has 64 pixels at most; their peaks stay what they are."""
    images, filters, height, width = maps.shape
    side = -(-max(height, width) // _LONGEST_SIDE)
    rows, columns = -(-height // side), -(-width // side)
    padded = np.zeros((images, filters, rows * side, columns * side), dtype=np.float32)
    padded[:, :, :height, :width] = maps
    smaller: NDArray[np.float32] = padded.reshape(images, filters, rows, side, columns, side).max(
        axis=(3, 5)
    )
    return smaller
