from pathlib import Path

import pytest

from pipeline.data.idx import IdxSource
from pipeline.data.npz import NpzSource
from pipeline.data.published import FASHION_MNIST, MNIST, keras_datasets


def test_a_folder_is_laid_out_our_way_or_keras_way(tmp_path, write_idx):
    assert FASHION_MNIST.find(tmp_path) is None
    write_idx(tmp_path / "fashion-mnist", compressed=True)
    theirs = FASHION_MNIST.find(tmp_path)
    assert theirs == IdxSource(folder=tmp_path / "fashion-mnist", classes=FASHION_MNIST.classes)
    write_idx(tmp_path / "fashion_mnist")
    ours = FASHION_MNIST.find(tmp_path)
    assert ours == IdxSource(folder=tmp_path / "fashion_mnist", classes=FASHION_MNIST.classes)


def test_mnist_is_idx_or_keras_archive(tmp_path, write_idx):
    assert MNIST.find(tmp_path) is None
    (tmp_path / "mnist.npz").touch()
    assert MNIST.find(tmp_path) == NpzSource(file=tmp_path / "mnist.npz", classes=MNIST.classes)
    write_idx(tmp_path / "mnist")
    assert MNIST.find(tmp_path) == IdxSource(folder=tmp_path / "mnist", classes=MNIST.classes)


def test_what_a_broken_download_left_in_keras_cache_is_not_there(tmp_path, write_idx):
    write_idx(tmp_path / "fashion-mnist", compressed=True)
    (tmp_path / "fashion-mnist" / "t10k-images-idx3-ubyte.gz").unlink()
    assert FASHION_MNIST.find(tmp_path) is None


@pytest.mark.parametrize("published", [FASHION_MNIST, MNIST])
def test_both_have_ten_names(published):
    assert len(set(published.classes)) == 10


def test_keras_cache_is_in_the_home_folder_or_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_datasets() == tmp_path / "datasets"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keras_datasets() == tmp_path / ".keras" / "datasets"
    monkeypatch.setenv("KERAS_HOME", "here")
    assert keras_datasets() == Path.cwd() / "here" / "datasets"
