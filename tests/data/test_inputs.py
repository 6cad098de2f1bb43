import errno
import io
import os
import tempfile

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.core.errors import DataError, StorageError
from pipeline.data.folder import FolderSource
from pipeline.data.inputs import read_inputs
from pipeline.data.pictures import read_picture

GREY, COLOUR = (12, 10, 1), (12, 10, 3)
NOTHING = io.BytesIO()


def read(*words, shape=GREY, invert=False, stdin=NOTHING):
    return read_inputs([str(word) for word in words], shape, invert=invert, stdin=stdin)


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_file_of_any_size_and_colour(tmp_path, photo):
    photo.save(tmp_path / "a.png")
    photo.convert("L").save(tmp_path / "b.bmp")
    found = read(tmp_path / "a.png", tmp_path / "b.bmp")
    assert found.images.shape == (2, *GREY)
    assert found.images.dtype == np.uint8
    assert found.names == (str(tmp_path / "a.png"), str(tmp_path / "b.bmp"))
    assert np.abs(found.images[0].astype(int) - found.images[1]).max() <= 1  # rounding
    assert read(tmp_path / "b.bmp", shape=COLOUR).images.shape == (1, *COLOUR)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_network_sees_what_it_was_trained_on(tmp_path, photo, mode):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        photo.convert(mode).save(tmp_path / name / "picture.png")
    split = FolderSource(folder=tmp_path, image_size=16).learning()
    found = read(tmp_path / "one" / "picture.png", shape=split.images.shape[1:])
    np.testing.assert_array_equal(found.images, split.images[:1])


def test_dark_on_light_becomes_light_on_dark(tmp_path, photo):
    grey = photo.convert("L")
    grey.save(tmp_path / "light.png")
    ImageOps.invert(grey).save(tmp_path / "dark.png")
    shape = (40, 30, 1)
    np.testing.assert_array_equal(
        read(tmp_path / "dark.png", shape=shape, invert=True).images,
        read(tmp_path / "light.png", shape=shape).images,
    )


def test_a_folder_with_all_that_is_below_it(tmp_path, photo):
    (tmp_path / "more").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.png", "a.png", "more/c.jpg", ".hidden/d.png", ".e"):
        photo.save(tmp_path / name, format="PNG")
    names = [name.removeprefix(f"{tmp_path}/") for name in read(tmp_path).names]
    assert names == ["a.png", "b.png", "more/c.jpg"]


def test_an_archive_without_its_labels(tmp_path):
    images = np.arange(3 * 12 * 10, dtype=np.uint8).reshape(3, 12, 10)
    np.savez(tmp_path / "all.npz", x_test=images, y_test=np.arange(3))
    found = read(tmp_path / "all.npz")
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert found.names[2].endswith("all.npz:x_test[2]")


def test_the_standard_input_holds_a_picture_or_an_archive(photo):
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    buffer.seek(0)
    assert read("-", stdin=buffer).names == ("stdin",)
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((2, 9, 9), dtype=np.uint8))
    buffer.seek(0)
    assert read("-", stdin=buffer).names == ("stdin:x[0]", "stdin:x[1]")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty.png is not a picture that can be read: empty"),
        (b"a letter to a friend", "empty.png is not a picture that can be read: no known picture"),
        (b"\x89PNG\r\n\x1a\n and no more", "empty.png is not a picture that can be read: "),
    ],
)
def test_what_is_no_picture_is_one_sentence(tmp_path, content, said):
    (tmp_path / "empty.png").write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(tmp_path / "empty.png")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.arange(3)}, "holds no pictures"),
        ({"x": np.zeros((2, 9, 9), dtype=np.int64)}, "must hold uint8 or floating-point pixels"),
        ({"x": np.zeros((2, 9, 9, 2), dtype=np.uint8)}, "must hold pictures of 1 channel or 3"),
        ({"x": np.zeros((9, 9), dtype=np.uint8)}, "must hold images of shape"),
    ],
)
def test_an_archive_of_something_else(tmp_path, arrays, said):
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "some.npz")


def test_a_network_of_four_channels_takes_archives_of_them_alone(tmp_path, photo):
    four = np.random.default_rng(1).integers(0, 256, (2, 9, 9, 4), dtype=np.uint8)
    np.savez(tmp_path / "four.npz", x=four)
    shape = (9, 9, 4)
    assert np.array_equal(read(tmp_path / "four.npz", shape=shape).images, four)
    photo.save(tmp_path / "photo.png")
    np.savez(tmp_path / "two.npz", x=four[..., :2])
    for name, said in (
        ("photo.png", "takes images of 4 channels, but a picture has 1 or 3"),
        ("two.npz", "must hold pictures of 1 channel or 3 or 4, not of 2"),
    ):
        with pytest.raises(DataError, match=said):
            read(tmp_path / name, shape=shape)


def test_nothing_to_classify(tmp_path):
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04")
    for word, said in [
        (tmp_path, "damaged.npz is not a NumPy archive"),
        (tmp_path / "none.png", "there is no picture"),
        ("-", "nothing came through the standard input"),
    ]:
        with pytest.raises(DataError, match=said):
            read(word)
    (tmp_path / "damaged.npz").unlink()
    with pytest.raises(DataError, match="holds no pictures"):
        read(tmp_path)


def test_a_folder_that_one_may_not_enter_is_one_sentence(locked):
    with pytest.raises(DataError, match=r"locked/a\.png cannot be read: Permission denied$"):
        read_inputs([str(locked / "a.png")], (8, 8, 1), invert=False, stdin=io.BytesIO())
    with pytest.raises(DataError, match=r"locked/a\.png cannot be read: Permission denied$"):
        read_picture(str(locked / "a.png"))


def test_a_full_disk_is_a_sentence(monkeypatch):
    def refuse():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    with pytest.raises(StorageError, match="there is no folder for temporary files: /tmp are full"):
        read("-", stdin=io.BytesIO(b"\x89PNG"))


def test_linked_folders_are_looked_into_once(tmp_path, photo):
    album, elsewhere = tmp_path / "album", tmp_path / "elsewhere"
    for folder in (album, elsewhere):
        folder.mkdir()
        photo.save(folder / "picture.png")
    (album / "linked").symlink_to(elsewhere)
    (album / "round").symlink_to(album)
    (album / "broken").symlink_to(tmp_path / "nothing")
    names = [str(album / "linked" / "picture.png"), str(album / "picture.png")]
    assert list(read(album).names) == names


def test_a_folder_below_that_cannot_be_read_is_a_sentence(tmp_path, photo, monkeypatch):
    photo.save(tmp_path / "picture.png")
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"/locked cannot be read: Permission denied$"):
        read(tmp_path)
