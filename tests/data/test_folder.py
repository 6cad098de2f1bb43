import errno
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.data import folder as folder_module
from pipeline.data.folder import FolderSource


def picture(file: Path, mode: str = "L", size: tuple[int, int] = (10, 8), colour=100) -> None:
    file.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(file)


@pytest.fixture
def cats_and_dogs(tmp_path: Path) -> Path:
    for index in range(3):
        picture(tmp_path / "dog" / f"{index}.png", colour=10 + index)
        picture(tmp_path / "cat" / f"{index}.png", colour=20 + index)
    return tmp_path


def test_sub_folders_are_classes_in_the_order_of_their_names(cats_and_dogs):
    source = FolderSource(folder=cats_and_dogs)
    split = source.learning()
    assert source.classes == ("cat", "dog")
    assert source.test() is None
    assert split.images.shape == (6, 8, 10, 1)  # 10 wide, 8 high
    assert split.images[:, 0, 0, 0].tolist() == [20, 21, 22, 10, 11, 12]
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_hidden_files_and_folders_are_left_alone(cats_and_dogs):
    (cats_and_dogs / ".cache").mkdir()
    (cats_and_dogs / "cat" / ".DS_Store").write_bytes(b"not a picture")
    (cats_and_dogs / "README.md").write_text("about")
    assert len(FolderSource(folder=cats_and_dogs).learning()) == 6


def test_one_colour_picture_makes_all_of_them_colour(cats_and_dogs):
    picture(cats_and_dogs / "cat" / "red.png", "RGB", colour=(200, 0, 0))
    split = FolderSource(folder=cats_and_dogs).learning()
    assert split.images.shape == (7, 8, 10, 3)
    assert split.images[3, 0, 0].tolist() == [200, 0, 0]
    assert split.images[0, 0, 0].tolist() == [20, 20, 20]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, [255]),
        ("LA", (100, 255), [100]),
        ("LA", (100, 0), [255]),
        ("LA", (55, 51), [215]),  # a fifth of 55, the rest white
        ("I;16", 65_535, [255]),
        ("I;16", 257 * 7, [7]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 255), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 0), [255, 255, 255]),
    ],
)
def test_modes_become_grey_or_colour(cats_and_dogs, mode, colour, expected):
    picture(cats_and_dogs / "cat" / "0.png", mode, colour=colour)
    picture(cats_and_dogs / "cat" / "1.png", mode, colour=colour)
    pixels = FolderSource(folder=cats_and_dogs).learning().images[0, 0, 0]
    np.testing.assert_allclose(pixels, expected, atol=1)


def test_a_palette_with_a_transparent_colour_becomes_colour_on_white(cats_and_dogs):
    image = Image.new("P", (10, 8), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.putpixel((3, 2), 0)
    image.save(cats_and_dogs / "cat" / "0.png", transparency=0)
    pixels = FolderSource(folder=cats_and_dogs).learning().images[0]
    assert pixels[0, 0].tolist() == [9, 8, 7]
    assert pixels[2, 3].tolist() == [255, 255, 255]


def test_a_photograph_is_turned_as_its_camera_was(cats_and_dogs):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.new("L", (8, 10)).save(cats_and_dogs / "cat" / "0.jpg", exif=exif)
    assert len(FolderSource(folder=cats_and_dogs).learning()) == 7


def test_pictures_of_several_sizes_need_image_size(cats_and_dogs):
    picture(cats_and_dogs / "dog" / "large.png", size=(33, 44), colour=77)
    with pytest.raises(
        DataError, match=r"large\.png has 33×44 pixels but .*cat/0\.png has 10×8: .*image_size"
    ):
        FolderSource(folder=cats_and_dogs).learning()
    split = FolderSource(folder=cats_and_dogs, image_size=12).learning()
    assert split.images.shape == (7, 12, 12, 1)
    assert (split.images[-1] == 77).all()


def test_files_that_are_no_pictures_are_named(cats_and_dogs):
    (cats_and_dogs / "cat" / "empty.png").touch()
    (cats_and_dogs / "cat" / "notes.txt").write_text("meow")
    sound = (cats_and_dogs / "dog" / "0.png").read_bytes()
    (cats_and_dogs / "dog" / "0.png").write_bytes(sound[: len(sound) // 2])
    (cats_and_dogs / "dog" / "sub").mkdir()
    with pytest.raises(DataError) as raised:
        FolderSource(folder=cats_and_dogs).learning()
    sentence = str(raised.value)
    assert "cat/empty.png (empty), cat/notes.txt (no known picture format), dog/0.png (" in sentence
    assert sentence.endswith("and 1 more; repair or remove them")


def test_a_link_to_nothing_is_named(cats_and_dogs):
    (cats_and_dogs / "dog" / "moved.png").symlink_to(cats_and_dogs / "nowhere.png")
    with pytest.raises(DataError, match=r"not pictures: dog/moved\.png \(No such file"):
        FolderSource(folder=cats_and_dogs).learning()


def test_pixels_without_a_known_range_are_refused(cats_and_dogs):
    picture(cats_and_dogs / "cat" / "0.tiff", "F", colour=0.5)
    with pytest.raises(DataError, match=r"cat/0\.tiff \(pixels of type F"):
        FolderSource(folder=cats_and_dogs).learning()


def test_a_gigantic_picture_is_refused(cats_and_dogs, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match=r"cat/0\.png \(Image size \(80 pixels\) exceeds limit"):
        FolderSource(folder=cats_and_dogs).learning()


def test_at_least_two_classes_with_pictures_are_needed(tmp_path):
    with pytest.raises(DataError, match="at least two, but has none"):
        FolderSource(folder=tmp_path).learning()
    picture(tmp_path / "cat" / "0.png")
    with pytest.raises(DataError, match="at least two, but has only cat"):
        FolderSource(folder=tmp_path).learning()
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match="dog is empty: every class needs pictures"):
        FolderSource(folder=tmp_path).learning()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere cannot be read: No such file"):
        FolderSource(folder=tmp_path / "nowhere").learning()


@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    edits=st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=3)), max_size=4),
    cut=st.none() | st.integers(0, 700),
)
def test_damaged_pictures_raise_nothing_but_data_errors(kind, edits, cut):
    buffer = io.BytesIO()
    Image.effect_noise((10, 8), 50).save(buffer, kind)
    raw = bytearray(buffer.getvalue())
    for start, replacement in edits:
        raw[start : start + len(replacement)] = replacement
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture(folder / "cat" / "0.png")
        picture(folder / "dog" / "0.png")
        (folder / "dog" / "1").write_bytes(raw[:cut])
        try:
            FolderSource(folder=folder).learning()
        except DataError as error:
            assert "dog/1" in str(error)


@pytest.mark.parametrize(
    ("image_size", "size", "advice"),
    [(None, "10×8 pixels, 0.0 GB", "set data.image_size"), (64, "64×64", "a smaller data.image_s")],
)
def test_more_pictures_than_memory_holds_are_refused(
    cats_and_dogs, monkeypatch, image_size, size, advice
):
    source = FolderSource(folder=cats_and_dogs, image_size=image_size)
    needed = 2 * 6 * (80 if image_size is None else 64 * 64)
    monkeypatch.setattr(folder_module, "available_memory", lambda cgroup: needed - 1)
    with pytest.raises(DataError, match=rf"the 6 pictures of .* have {size}.*: {advice}"):
        source.learning()
    for enough in (needed, None):
        monkeypatch.setattr(folder_module, "available_memory", lambda cgroup, there=enough: there)
        assert len(source.learning()) == 6


def test_the_first_picture_in_colour_tells_how_much_memory_is_needed(cats_and_dogs, monkeypatch):
    picture(cats_and_dogs / "dog" / "1.png", "RGB", colour=(1, 2, 3))
    source, needed = FolderSource(folder=cats_and_dogs), 2 * 6 * 80 * 3
    monkeypatch.setattr(folder_module, "available_memory", lambda cgroup: needed - 1)
    with pytest.raises(DataError, match="the 6 pictures of"):
        source.learning()
    monkeypatch.setattr(folder_module, "available_memory", lambda cgroup: needed)
    assert source.learning().images.shape == (6, 8, 10, 3)


def test_what_the_system_does_not_let_be_read_is_not_to_be_removed(cats_and_dogs, monkeypatch):
    def stale(file):
        raise OSError(errno.ESTALE, "Stale file handle", str(file))

    monkeypatch.setattr(Image, "open", stale)
    with pytest.raises(DataError, match=r"cat/0\.png cannot be read: Stale file handle$"):
        FolderSource(folder=cats_and_dogs).learning()
