import numpy as np
import pytest

from pipeline.data.dataset import Split, fingerprint

IMAGES = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8, 1)
LABELS = np.array([0, 1, 1, 0])
WHOLE = Split(images=IMAGES, labels=LABELS)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[..., 0], LABELS),
        (IMAGES.astype(np.float32), LABELS),
        (IMAGES, LABELS[:3]),
        (IMAGES, LABELS.astype(np.int32)),
    ],
)
def test_a_split_of_other_types_or_shapes_cannot_exist(images, labels):
    with pytest.raises(ValueError, match="must be"):
        Split(images=images, labels=labels)


def test_at_copies():
    part = WHOLE.at(np.array([2, 0]))
    assert part.labels.tolist() == [1, 0]
    part.images[:] = 9
    assert IMAGES[2, 0, 0, 0] == 128


def _print(order=(0, 1, 2, 3), cut=2, images=IMAGES, labels=LABELS, classes=("a", "b")) -> str:
    whole = Split(images=images, labels=labels)
    indices = np.array(order)
    return fingerprint((whole.at(indices[:cut]), whole.at(indices[cut:])), classes)


def test_the_fingerprint_covers_pixels_labels_names_and_splits():
    pixels = IMAGES.copy()
    pixels[3, 7, 7, 0] ^= 1
    prints = [
        _print(),
        _print(images=pixels),
        _print(images=IMAGES.reshape(4, 4, 16, 1)),
        _print(labels=LABELS[::-1].copy() ^ 1),
        _print(classes=("b", "a")),
        _print(classes=("a, b",)),
        _print(cut=1),
        _print(order=(0, 2, 1, 3)),
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(text) == 64 and set(text) <= set("0123456789abcdef") for text in prints)


def test_the_fingerprint_does_not_depend_on_memory_layout():
    assert _print(images=np.asfortranarray(IMAGES)) == _print()
