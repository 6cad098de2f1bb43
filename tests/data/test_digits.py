import hashlib

import numpy as np
import pytest

from pipeline.core.errors import DataError
from pipeline.data import digits
from pipeline.data.digits import DigitsSource

DIGEST = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"


def test_the_digits_are_scikit_learns():
    table = digits._table()
    # Of sklearn.datasets.load_digits(), whose import would take seconds.
    assert table.shape == (1797, 65)
    assert hashlib.sha256(table.astype("u1").tobytes()).hexdigest() == DIGEST


def test_they_are_enlarged_smoothly_to_28_by_28():
    assert DigitsSource().test() is None
    split = DigitsSource().learning()
    assert split.images.shape == (1797, 28, 28, 1)
    assert np.bincount(split.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert split.images.min() == 0
    assert split.images.max() == 255
    # Enlarging keeps where the ink is: block means follow the small image.
    small = digits._table()[:, :-1].reshape(-1, 8, 8) / 16
    large = split.images[:, :, :, 0] / 255
    halves = large.reshape(-1, 2, 14, 2, 14).mean(axis=(2, 4))
    np.testing.assert_allclose(halves, small.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)), atol=0.05)


def test_without_scikit_learn_it_says_so(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="needs scikit-learn"):
        DigitsSource().learning()
