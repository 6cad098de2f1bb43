import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import DataError
from pipeline.data.npz import NpzSource, picture_arrays


def archive(folder: Path, **arrays: object) -> NpzSource:
    file = folder / "data.npz"
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return NpzSource(file=file)


def test_the_layout_of_keras_has_a_test_set(tmp_path, images):
    (x, y), (tx, ty) = images(30), images(6, seed=1)
    source = archive(tmp_path, x_train=x, y_train=y, x_test=tx, y_test=ty, remark=np.array("?"))
    np.testing.assert_array_equal(source.learning().images[..., 0], x)
    test = source.test()
    assert test is not None
    np.testing.assert_array_equal(test.images[..., 0], tx)
    np.testing.assert_array_equal(test.labels, ty)


@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train")])
def test_a_test_set_is_optional(tmp_path, images, names):
    x, y = images(30, shape=(8, 12, 3))
    source = archive(tmp_path, **dict(zip(names, (x, y.reshape(-1, 1)), strict=True)))
    np.testing.assert_array_equal(source.learning().images, x)
    np.testing.assert_array_equal(source.learning().labels, y)
    assert source.test() is None


def test_floats_from_0_to_1_become_bytes(tmp_path, images):
    x, y = images(30)
    for dtype in (np.float16, np.float32, np.float64):
        source = archive(tmp_path, x=(x / 255).astype(dtype), y=y)
        np.testing.assert_array_equal(source.learning().images[..., 0], x)


def test_arrays_under_other_names_are_refused(tmp_path, images):
    x, y = images(30)
    for arrays in ({"images": x, "labels": y}, {"x": x}, {"x_train": x, "y_train": y, "x_test": x}):
        names = ", ".join(sorted(arrays))
        with pytest.raises(DataError, match=f"must hold the arrays x_train.*, not {names}$"):
            archive(tmp_path, **arrays).learning()


def test_pickled_objects_are_refused(tmp_path, images):
    _, y = images(30)
    with pytest.raises(DataError, match=r"data\.npz is not a NumPy archive"):
        archive(tmp_path, x=np.array([{}] * 30, object), y=y).learning()


def test_labels_in_a_column_are_no_pictures(tmp_path):
    path = tmp_path / "cifar.npz"
    np.savez(path, x=np.zeros((3, 8, 8, 3), np.uint8), y=np.zeros((3, 1), np.uint8), z=np.zeros(3))
    assert [name for name, _ in picture_arrays(path, "cifar.npz")] == ["x"]


def test_a_row_of_labels_for_each_picture_is_no_picture(tmp_path):
    path = tmp_path / "one-hot.npz"
    np.savez(path, x=np.zeros((3, 8, 8), np.uint8), y=np.zeros((3, 10), np.uint8))
    assert [name for name, _ in picture_arrays(path, "one-hot.npz")] == ["x"]


@pytest.mark.parametrize("names", [("a.png", "b.png"), ("x", "y")])
def test_an_archive_of_other_files_is_no_archive_of_arrays(tmp_path, names):
    path = tmp_path / "pictures.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"\x89PNG and so on")
    said = rf"pictures\.npz is not a NumPy archive .*: {names[0]} is no array$"
    with pytest.raises(DataError, match=said):
        list(picture_arrays(path, "pictures.npz"))
    if "x" in names:
        with pytest.raises(DataError, match=said):
            NpzSource(file=path).learning()


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "data.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"data\.npy is not a NumPy archive .*single array"):
        NpzSource(file=tmp_path / "data.npy").learning()


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz cannot be read: No such file"):
        NpzSource(file=tmp_path / "none.npz").learning()


def _sound(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4))
    return buffer.getvalue()


@given(
    compressed=st.booleans(),
    edits=st.lists(st.tuples(st.integers(0, 1200), st.binary(min_size=1, max_size=3)), max_size=4),
    cut=st.none() | st.integers(0, 1200),
)
def test_damaged_bytes_raise_nothing_but_data_errors(compressed, edits, cut):
    raw = bytearray(_sound(compressed))
    for start, replacement in edits:
        raw[start : start + len(replacement)] = replacement
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data.npz")
        file.write_bytes(raw[:cut])
        try:
            NpzSource(file=file).learning()
        except DataError as error:
            assert "data.npz" in str(error)
