import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.data.pictures import PHOTOGRAPHS, fitted, grey, read_picture


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_scikit_learns_photographs_are_there(name):
    pixels = read_picture(name)
    assert pixels.shape == (427, 640, 3)
    assert pixels.dtype == np.uint8


def test_a_file_of_ones_own_is_read_in_colour_and_in_grey(tmp_path):
    colours = np.zeros((4, 6, 3), dtype=np.uint8)
    colours[0, 0] = 255, 0, 0
    Image.fromarray(colours).save(tmp_path / "picture.png")
    pixels = read_picture(str(tmp_path / "picture.png"))
    assert np.array_equal(pixels, colours)
    assert grey(pixels).shape == (4, 6, 1)
    assert grey(pixels)[0, 0, 0] == 76  # 0.299 of 255
    assert np.array_equal(grey(grey(pixels)), grey(pixels))


def test_a_picture_is_fitted_to_what_a_network_takes():
    colours = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    for shape in ((8, 8, 1), (8, 10, 3), (20, 30, 3)):
        assert fitted(colours, shape).shape == shape
        assert fitted(grey(colours), shape).shape == shape
    assert np.array_equal(fitted(colours, (20, 30, 3)), colours)


def test_images_of_other_channels_are_no_pictures():
    four = np.random.default_rng(1).integers(0, 256, (20, 30, 4)).astype(np.uint8)
    assert np.array_equal(fitted(four, (20, 30, 4)), four)
    assert fitted(four, (8, 10, 4)).shape == (8, 10, 4)
    with pytest.raises(DataError, match="takes images of 4 channels, but a picture has 1 or 3"):
        fitted(four[..., :3], (20, 30, 4))
    with pytest.raises(DataError, match="4 channels cannot be shown in grey"):
        grey(four)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no picture"),
        (b"", "is not a picture that can be read: emp"),
        (b"text", "no known picture"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, said):
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_picture(str(path))
    assert str(path) in str(caught.value)
