import os
import socket
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import PROJECT_ROOT, DataConfig
from pipeline.core.errors import ConfigurationError, DataError, SweetspotError
from pipeline.data import loading
from pipeline.data.dataset import Split, fingerprint
from pipeline.data.loading import load_all, load_training, resolve
from pipeline.data.published import FASHION_MNIST


def config(name: str, **values: object) -> DataConfig:
    return DataConfig.model_validate({"name": name, "download": False, **values})


def resolved(name: str, **values: object) -> DataConfig:
    """Resolve without a word said, and check that resolving again changes nothing."""
    result = resolve(config(name, **values), _silent)
    assert resolve(result, _silent) == result
    return result


def _silent(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def data_dir(tmp_path: Path, write_idx) -> Path:
    """Return a data folder with ten classes for Fashion-MNIST and for MNIST."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    arrays = {"train_images": pixels, "train_labels": (np.arange(60) % 10).astype(np.uint8)}
    arrays |= {"t10k_images": pixels[:20], "t10k_labels": arrays["train_labels"][:20]}
    for name in ("fashion_mnist", "mnist"):
        write_idx(tmp_path / "data" / name, compressed=True, **arrays)
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["auto", "fashion_mnist"])
def test_a_data_folder_is_found_by_setting_or_environment(data_dir, monkeypatch, name):
    by_setting = resolved(name, dir=data_dir)
    assert (by_setting.name, by_setting.dir) == ("fashion_mnist", data_dir)
    monkeypatch.setenv("SWEETSPOT_DATA_DIR", str(data_dir))
    assert resolved(name) == by_setting
    data = load_training(by_setting)
    assert data.description.classes == FASHION_MNIST.classes
    assert (data.description.train, data.description.validation) == (50, 10)
    assert data.description.test == 20 == len(load_all(by_setting)[1])


def test_relative_folders_start_at_the_project(data_dir, monkeypatch, tmp_path):
    relative = os.path.relpath(data_dir, PROJECT_ROOT)
    monkeypatch.chdir(tmp_path)
    assert resolved("mnist", dir=relative).dir == data_dir
    monkeypatch.setenv("SWEETSPOT_DATA_DIR", relative)
    assert resolved("mnist").dir == data_dir


def test_keras_cache_comes_after_the_folder(data_dir, write_idx, tmp_path):
    cache = tmp_path / "keras" / "datasets"
    write_idx(cache / "fashion-mnist", compressed=True)
    assert resolved("auto").dir == cache
    assert resolved("auto", dir=data_dir).dir == data_dir
    (tmp_path / "empty").mkdir()
    said: list[str] = []
    empty = tmp_path / "empty"
    assert resolve(config("fashion_mnist", dir=empty), said.append).dir == cache
    assert said == [
        f"Fashion-MNIST is not in {empty} (no folder fashion_mnist): using {cache}; for your own "
        "images data=folder"
    ]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("idx", {}, "data=idx needs data.dir"),
        ("folder", {}, "data=folder needs data.dir"),
        ("npz", {}, "data=npz needs data.file"),
        ("digits", {"dir": "/pictures"}, "data.dir does not apply to data=digits"),
        ("npz", {"dir": "/pictures", "file": "/a.npz"}, "data.dir does not apply to data=npz"),
        ("mnist", {"file": "/a.npz"}, "data.file applies to data=npz, not to data=mnist"),
        ("idx", {"dir": "/pictures", "image_size": 32}, "data.image_size applies to data=folder"),
    ],
)
def test_a_setting_that_is_missing_or_of_another_source_is_refused(name, settings, said):
    with pytest.raises(ConfigurationError, match=f"^{said}"):
        resolve(config(name, **settings), _silent)


def test_keras_archive_of_mnist_is_read(tmp_path, images):
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    (x, y), (tx, ty) = images(60, classes=10), images(20, classes=10, seed=1)
    np.savez(cache / "mnist.npz", x_train=x, y_train=y, x_test=tx, y_test=ty)
    result = resolved("mnist")
    assert result.dir == cache
    assert load_training(result).description.classes == tuple("0123456789")
    np.testing.assert_array_equal(load_all(result)[1].images[..., 0], tx)


def test_auto_falls_back_to_digits_in_one_line(tmp_path):
    said: list[str] = []
    result = resolve(config("auto", limit=200), said.append)
    assert (result.name, result.dir) == ("digits", None)
    (line,) = said
    assert "Keras' cache" in line and "using digits" in line and "\n" not in line
    assert resolve(result, _silent) == result


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist"])
def test_a_set_named_outright_never_falls_back(tmp_path, name):
    with pytest.raises(DataError, match=r"MNIST is not in .* data\.download=false; put its four"):
        resolve(config(name, dir=tmp_path), _silent)


def test_an_address_that_does_not_answer_is_a_reason(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(loading, "ADDRESS", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        said: list[str] = []
        assert resolve(config("auto", download=True), said.append).name == "digits"
        assert len(said) == 1 and "cannot be downloaded (Connection refused)" in said[0]
        with pytest.raises(DataError, match="Connection refused"):
            resolve(config("mnist", download=True), _silent)


def test_a_folder_that_is_not_there_is_an_error_even_for_auto(tmp_path, monkeypatch):
    missing = tmp_path / "missing"
    for name in ("auto", "mnist", "idx", "folder"):
        with pytest.raises(DataError, match=r"^data\.dir must name a folder, but .*missing is"):
            resolve(config(name, dir=missing), _silent)
    monkeypatch.setenv("SWEETSPOT_DATA_DIR", str(missing))
    with pytest.raises(DataError, match=r"^SWEETSPOT_DATA_DIR must name a folder"):
        resolve(config("auto"), _silent)
    with pytest.raises(DataError, match=r"data\.file must name an archive .* is not a file"):
        resolve(config("npz", file=missing), _silent)


def test_a_folder_that_one_may_not_enter_is_an_error(locked, monkeypatch):
    for name in ("auto", "mnist", "idx"):
        with pytest.raises(DataError, match=r"locked/.* cannot be read: Permission denied$"):
            resolve(config(name, dir=locked), _silent)
    with pytest.raises(DataError, match=r"locked/set\.npz cannot be read: Permission denied$"):
        resolve(config("npz", file=locked / "set.npz"), _silent)
    with pytest.raises(DataError, match=r"locked/own cannot be read: Permission denied$"):
        resolve(config("folder", dir=locked / "own"), _silent)
    (locked / "a").mkdir()
    with pytest.raises(DataError, match=r"locked/a cannot be read: Permission denied$"):
        load_training(resolved("folder", dir=locked))
    monkeypatch.setenv("KERAS_HOME", str(locked))
    said: list[str] = []
    assert resolve(config("auto"), said.append).name == "digits"
    assert "datasets/fashion_mnist cannot be read: Permission denied" in said[0]


def test_a_path_that_leads_nowhere_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^~no-such-user/x leads nowhere: ~no-such-user"):
        resolve(config("mnist", dir=Path("~no-such-user/x")), _silent)
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SweetspotError, match=r"in a circle$|must name a folder"):
        resolve(config("mnist", dir=tmp_path / "a"), _silent)


def test_an_incomplete_data_folder_is_an_error_even_for_auto(data_dir):
    (data_dir / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        resolve(config("auto", dir=data_dir), _silent)
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        resolve(config("idx", dir=data_dir / "fashion_mnist"), _silent)


def test_settings_of_other_sources_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"image_size applies to data=folder.*data=digits"):
        resolve(config("digits", image_size=32), _silent)
    with pytest.raises(ConfigurationError, match=r"data\.classes does not apply to data=folder"):
        resolve(config("folder", dir=tmp_path, classes=("a", "b")), _silent)


def test_loading_what_was_not_resolved_is_our_mistake():
    for name in ("auto", "mnist"):
        with pytest.raises(ValueError, match="resolve the data configuration"):
            load_training(config(name))


def test_a_set_that_vanished_after_resolving_is_an_error(data_dir):
    settled = resolved("mnist", dir=data_dir)
    (data_dir / "mnist").rename(data_dir / "elsewhere")
    with pytest.raises(DataError, match="MNIST is no longer in"):
        load_training(settled)


def test_digits_need_nothing():
    settled = resolved("digits")
    data, test = load_all(settled)
    description = data.description
    assert (description.train, description.validation, description.test) == (1272, 255, 270)
    assert description.image_shape == (28, 28, 1)
    assert len(data.train) + len(data.validation) + len(test) == 1797
    for split in (data.train, data.validation, test):
        assert np.bincount(split.labels).min() > 0.09 * len(split)


def test_the_same_data_have_the_same_fingerprint_in_every_format(tmp_path, write_idx, images):
    write_idx(tmp_path / "plain")
    write_idx(tmp_path / "packed", compressed=True)
    (x, y), (tx, ty) = images(30), images(12, seed=1)
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=tx, y_test=ty)
    settings = [
        resolved("idx", dir=tmp_path / "plain"),
        resolved("idx", dir=tmp_path / "packed"),
        resolved("npz", file=tmp_path / "set.npz"),
    ]
    prints = {load_training(each).description.fingerprint for each in settings}
    assert len(prints) == 1
    other = [
        resolved("idx", dir=tmp_path / "plain", seed=1),
        resolved("idx", dir=tmp_path / "plain", validation=0.3),
        resolved("idx", dir=tmp_path / "plain", limit=20),
        resolved("idx", dir=tmp_path / "plain", classes=("a", "b", "c")),
    ]
    prints |= {load_training(each).description.fingerprint for each in other}
    assert len(prints) == 5


def test_the_fingerprint_is_that_of_the_splits(tmp_path, write_idx):
    write_idx(tmp_path)
    settled = resolved("idx", dir=tmp_path)
    data, test = load_all(settled)
    expected = fingerprint((data.train, data.validation, test), data.description.classes)
    assert data.description.fingerprint == expected


def test_training_data_hold_no_test_image(tmp_path, images):
    x, y = images(60)
    np.savez(tmp_path / "set.npz", x=x, y=y)
    settled = resolved("npz", file=tmp_path / "set.npz")
    data, test = load_all(settled)
    assert {name for name, value in vars(data).items() if isinstance(value, Split)} == {
        "train",
        "validation",
    }
    seen = {image.tobytes() for image in (*data.train.images, *data.validation.images)}
    unseen = {image.tobytes() for image in test.images}
    assert len(seen) == 51 and len(unseen) == 9
    assert not seen & unseen
    assert data.train.images.base is None  # a copy, not a view of an array that holds them all


def test_a_limit_counts_validation_in(tmp_path, write_idx):
    write_idx(tmp_path)
    description = load_training(resolved("idx", dir=tmp_path, limit=12)).description
    assert (description.train, description.validation, description.test) == (9, 3, 12)


def test_test_labels_without_a_class_are_refused(tmp_path, write_idx):
    write_idx(tmp_path, t10k_labels=np.full(12, 3, np.uint8))
    with pytest.raises(DataError, match="the test set holds the label 3"):
        load_training(resolved("idx", dir=tmp_path))


def test_names_given_must_fit(tmp_path, write_idx):
    write_idx(tmp_path)
    with pytest.raises(DataError, match=r"data\.classes has 2 class names"):
        load_training(resolved("idx", dir=tmp_path, classes=("a", "b")))


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist"])
def test_the_complete_sets_are_read_split_and_told_apart(real_data, name):
    data = load_training(resolved(name, dir=real_data))
    description = data.description
    assert (description.train, description.validation, description.test) == (50_000, 10_000, 10_000)
    assert description.image_shape == (28, 28, 1)
    # The published means of the training images, in [0, 1]: 0.2860 and 0.1307.
    pixels = np.concatenate([data.train.images, data.validation.images])
    published = {"fashion_mnist": 0.2860, "mnist": 0.1307}
    assert round(float(pixels.mean()) / 255, 4) == published[name]
    if name == "fashion_mnist":  # what a sweep's name is made of must not change by itself
        assert description.fingerprint == (
            "ae7014599203b244a545c646b9e7a1c0ba362cca863eab50c8c851dd02ea8180"
        )
